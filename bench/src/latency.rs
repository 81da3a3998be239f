//! Every latency of a phase is kept, so percentiles are exact.

use std::time::Duration;

use serde::Serialize;

/// Microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    pub p50_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub(crate) max_us: f64,
}

impl Percentiles {
    pub(crate) fn of(latencies: &[Duration]) -> Percentiles {
        let mut sorted: Vec<f64> = latencies.iter().map(|d| d.as_secs_f64() * 1e6).collect();
        sorted.sort_by(f64::total_cmp);
        let at = |q| rank(&sorted, q);
        Percentiles { p50_us: at(0.5), p99_us: at(0.99), p999_us: at(0.999), max_us: at(1.0) }
    }
}

pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    rank(values, 0.5)
}

/// The smallest value that at least `quantile` of all do not exceed; zero when there is none.
fn rank(sorted: &[f64], quantile: f64) -> f64 {
    let place = (quantile * sorted.len() as f64).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let latencies: Vec<Duration> = (1..=1000).rev().map(Duration::from_micros).collect();
        let found = Percentiles::of(&latencies);
        let whole = |us: f64| us.round() as u64;
        assert_eq!(
            [found.p50_us, found.p99_us, found.p999_us, found.max_us].map(whole),
            [500, 990, 999, 1000],
            "nearest rank of 1..=1000"
        );
    }

    #[test]
    fn few_values_and_none_have_percentiles_as_well() {
        assert_eq!(Percentiles::of(&[]), Percentiles::default());
        let one = Percentiles::of(&[Duration::from_micros(7)]);
        assert_eq!((one.p50_us.round(), one.p999_us.round()), (7.0, 7.0));
        assert_eq!(median(&mut [3.0, 1.0, 2.0]).to_bits(), 2.0f64.to_bits());
    }
}

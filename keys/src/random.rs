//! Random bytes from the one cryptographic generator.

use aws_lc_rs::rand;
use thiserror::Error;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the random number generator failed")]
pub struct RandomError;

#[expect(clippy::disallowed_methods, reason = "the one place")]
pub fn fill(out: &mut [u8]) -> Result<(), RandomError> {
    rand::fill(out).map_err(|_| RandomError)
}

pub fn bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut out = [0; N];
    fill(&mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        assert_ne!(bytes::<20>().unwrap(), bytes::<20>().unwrap());
    }
}

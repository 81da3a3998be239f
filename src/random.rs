//! The only place that draws from the operating system's generator.

use signet_keys::random::RandomError;

pub trait Random: Send + Sync {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomError>;
}

#[derive(Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomError> {
        signet_keys::random::fill(out)
    }
}

pub fn bytes<const N: usize>(source: &dyn Random) -> Result<[u8; N], RandomError> {
    let mut out = [0; N];
    source.fill(&mut out)?;
    Ok(out)
}

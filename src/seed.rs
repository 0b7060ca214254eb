//! Random streams that are addressed, not passed around.
//!
//! Every number that percept draws comes from a ChaCha8 stream whose key is the SHA-256 of
//! (root seed, unit address, variant, purpose) and whose stream number is the step. Nothing is
//! carried from one image or step to the next, so a picture does not depend on what was rendered
//! beside it, in which order, or by how many threads.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// The generator behind every stream.
pub type Stream = ChaCha8Rng;

/// What a stream is drawn for; each purpose has a stream of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The parameters before the first step.
    Initial,
    /// The transforms of a step.
    Transform,
    /// The transforms under which a finished picture is measured.
    Robustness,
    /// The noise images on which a layer's statistics are measured.
    Statistics,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Transform => "transform",
            Self::Robustness => "robustness",
            Self::Statistics => "statistics",
        }
    }
}

/// The address of one picture's randomness: which unit, which of its variants, under which seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    root: u64,
    unit: String,
    variant: u32,
}

impl Key {
    /// The key of the picture of `unit` (the spelling of its objective) numbered `variant`.
    pub fn new(root: u64, unit: impl Into<String>, variant: u32) -> Self {
        Self {
            root,
            unit: unit.into(),
            variant,
        }
    }

    /// The stream for one purpose at one step.
    pub fn stream(&self, purpose: Purpose, step: u64) -> Stream {
        let mut hash = Sha256::new();
        hash.update(b"percept");
        hash.update(self.root.to_le_bytes());
        hash.update((self.unit.len() as u64).to_le_bytes());
        hash.update(self.unit.as_bytes());
        hash.update(self.variant.to_le_bytes());
        hash.update(purpose.name().as_bytes());
        let mut stream = Stream::from_seed(hash.finalize().into());
        stream.set_stream(step);
        stream
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn every_part_of_the_address_changes_the_stream() {
        let base = Key::new(1, "layer4:3", 0);
        let first = |key: &Key, purpose, step| key.stream(purpose, step).next_u64();
        let reference = first(&base, Purpose::Initial, 0);
        assert_eq!(reference, first(&base.clone(), Purpose::Initial, 0));
        for other in [
            first(&Key::new(2, "layer4:3", 0), Purpose::Initial, 0),
            first(&Key::new(1, "layer4:4", 0), Purpose::Initial, 0),
            first(&Key::new(1, "layer4:3", 1), Purpose::Initial, 0),
            first(&base, Purpose::Transform, 0),
            first(&base, Purpose::Initial, 1),
        ] {
            assert_ne!(reference, other);
        }
    }

    #[test]
    fn streams_never_change_between_versions() {
        let draws: Vec<u32> = {
            let mut stream = Key::new(0, "layer4.0.sum:1", 0).stream(Purpose::Transform, 7);
            (0..2).map(|_| stream.next_u32()).collect()
        };
        assert_eq!(draws, [2_377_726_732, 3_348_757_242]);
    }
}

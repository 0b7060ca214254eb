//! How long the names of a file's tensors may be: a few bytes of a file can make very many of them.

use crate::Result;
use crate::error::bail;

/// Bytes of one name; CLIP's longest has 60.
const MAX_NAME: usize = 512;

/// Parts of one name, between dots; CLIP's longest has 8.
const MAX_PARTS: usize = 64;

/// Bytes of all names of a file. A training checkpoint of a ViT-L, optimiser and all, has less than 2 MiB.
pub(super) const MAX_NAMES: usize = 32 << 20;

/// What to do about names that no model has.
const ADVICE: &str = "save the weights alone, with torch.save(model.state_dict(), ...)";

/// The name of what lies under `key` in what `prefix` names; the prefix ends with a dot, or is empty.
///
/// # Errors
/// When it is longer than a name can be.
pub(super) fn joined(prefix: &str, key: &str) -> Result<String> {
    let length = prefix.len() + key.len();
    if length > MAX_NAME {
        bail!(
            Weights,
            "a tensor has a name of {length} characters, and names have at most {MAX_NAME}: {ADVICE}"
        );
    }
    let name = format!("{prefix}{key}");
    let parts = name.split('.').count();
    if parts > MAX_PARTS {
        bail!(
            Weights,
            "a tensor has a name of {parts} parts, and names have at most {MAX_PARTS}: {ADVICE}"
        );
    }
    Ok(name)
}

/// The bytes that the names of a file's tensors have so far.
#[derive(Default)]
pub(super) struct Names(usize);

impl Names {
    /// Counts a name before it is kept.
    ///
    /// # Errors
    /// When the names have too many bytes.
    pub fn count(&mut self, name: &str) -> Result<()> {
        self.0 += name.len();
        if self.0 > MAX_NAMES {
            bail!(
                Weights,
                "the names of its tensors have more than {MAX_NAMES} bytes: {ADVICE}"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_so_many_bytes_and_parts_and_names_have_so_many_bytes() {
        assert_eq!(joined("a.", "b").unwrap(), "a.b");
        let report = |prefix: &str, key: &str| joined(prefix, key).unwrap_err().report();
        assert!(joined("a.", &"b".repeat(MAX_NAME - 2)).is_ok());
        assert!(report("a.", &"b".repeat(MAX_NAME - 1)).contains("513 characters"));
        assert!(joined(&"a.".repeat(MAX_PARTS - 1), "b").is_ok());
        assert!(report(&"a.".repeat(MAX_PARTS), "b").contains("65 parts"));
        let mut names = Names::default();
        let half = "b".repeat(MAX_NAMES / 2);
        assert!(names.count(&half).is_ok() && names.count(&half).is_ok());
        assert!(names.count("b").is_err());
    }
}

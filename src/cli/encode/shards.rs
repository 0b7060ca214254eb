//! The files that images are divided among.

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::encode::notes::Shard;
use crate::error::{Result, bail};

/// A file that will be written.
#[derive(Debug, PartialEq, Eq)]
pub struct Out {
    pub path: PathBuf,
    /// The images that are its rows, those that cannot be read included.
    pub images: Range<usize>,
    pub shard: Option<Shard>,
}

/// One file for all images, or one for every `size` of them.
pub fn of(path: &Path, images: usize, size: Option<usize>) -> Result<Vec<Out>> {
    let Some(size) = size else {
        let path = path.to_owned();
        return Ok(vec![Out {
            path,
            images: 0..images,
            shard: None,
        }]);
    };
    if size == 0 {
        bail!(
            Request,
            "a file of 0 pictures holds nothing: give --shard-size 1 or more"
        );
    }
    let of = images.div_ceil(size);
    let out = |index| Out {
        path: numbered(path, index, of),
        images: index * size..images.min((index + 1) * size),
        shard: Some(Shard { index, of }),
    };
    Ok((0..of).map(out).collect())
}

/// `acts.npz` as `acts-00000-of-00003.npz`.
fn numbered(path: &Path, index: usize, of: usize) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{index:05}-of-{of:05}"));
    if let Some(ending) = path.extension() {
        name.push(".");
        name.push(ending);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_divided_in_order_and_the_last_file_is_shorter() {
        let outs = of(Path::new("a/b.c.npz"), 5, Some(2)).unwrap();
        let paths: Vec<_> = outs.iter().map(|out| out.path.to_str().unwrap()).collect();
        let expected = ["0", "1", "2"].map(|index| format!("a/b.c-0000{index}-of-00003.npz"));
        assert_eq!(paths, expected);
        let images: Vec<_> = outs.into_iter().map(|out| out.images).collect();
        assert_eq!(images, [0..2, 2..4, 4..5]);
        assert_eq!(of(Path::new("b.npz"), 5, None).unwrap()[0].images, 0..5);
        assert!(of(Path::new("b.npz"), 5, Some(0)).is_err());
    }
}

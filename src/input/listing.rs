//! The picture files that a command line names.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, bail};

/// How the names of pictures end, in a folder.
const ENDINGS: [&str; 8] = ["png", "jpg", "jpeg", "jpe", "jfif", "webp", "gif", "bmp"];

/// Files stay as they are; a folder stands for the pictures in it and in its folders, sorted by
/// path. Those are files with a picture's ending, without hidden ones; links to folders are not
/// followed.
///
/// # Errors
/// When a folder cannot be read, or holds no picture.
pub fn pictures(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut found = below(path)?;
        if found.is_empty() {
            bail!(
                Input,
                "{} holds no pictures: files that end in .{}",
                path.display(),
                ENDINGS.join(", .")
            );
        }
        found.sort_unstable();
        files.append(&mut found);
    }
    Ok(files)
}

fn below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let refused = |source| Error::io("cannot read the folder", &folder, source);
        for entry in fs::read_dir(&folder).map_err(refused)? {
            let entry = entry.map_err(refused)?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = entry.path();
            let kind = entry.file_type().map_err(refused)?;
            if kind.is_dir() {
                folders.push(path);
            } else if is_picture(&path) && !(kind.is_symlink() && path.is_dir()) {
                found.push(path);
            }
        }
    }
    Ok(found)
}

fn is_picture(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| {
        ENDINGS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(ending))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stands_for_its_pictures_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["b/x", "a/deep", ".hidden"] {
            fs::create_dir_all(path(name)).unwrap();
        }
        for name in [
            "b.JPG",
            "a/2.png",
            "a/10.webp",
            "a/deep/1.gif",
            "b/x/y.bmp",
            "notes.txt",
            "noending",
            ".hidden/z.png",
            "a/.z.png",
            "a-1.jpeg",
        ] {
            fs::write(path(name), "x").unwrap();
        }
        let found = pictures(&[path("b.JPG"), folder.path().to_owned()]).unwrap();
        let expected = [
            "b.JPG",
            "a/10.webp",
            "a/2.png",
            "a/deep/1.gif",
            "a-1.jpeg",
            "b/x/y.bmp",
            "b.JPG",
        ];
        assert_eq!(found, expected.map(path));
        let error = pictures(&[path(".hidden").join("none"), path("b")]).map(|found| found.len());
        assert_eq!(error.unwrap(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn links_to_pictures_count_and_links_to_folders_do_not() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("a.png"), "x").unwrap();
        symlink(other.path().join("a.png"), folder.path().join("link.png")).unwrap();
        symlink(other.path(), folder.path().join("folder.png")).unwrap();
        symlink(folder.path(), folder.path().join("circle")).unwrap();
        symlink("nowhere", folder.path().join("dangling.png")).unwrap();
        let found = pictures(&[folder.path().to_owned()]).unwrap();
        assert_eq!(
            found,
            ["dangling.png", "link.png"].map(|name| folder.path().join(name))
        );
        let empty = tempfile::tempdir().unwrap();
        let error = pictures(&[empty.path().to_owned()]).unwrap_err();
        assert!(error.to_string().contains(".png, .jpg"), "{error}");
    }
}

//! Folders and files that are not percept's: they are never replaced, removed or written through.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::atlas::{SMALL, assert_same, atlas, begin, contents, pictures, refused};
use crate::common::{json, percept, success};
use crate::needs::{Need, SHARED_MEMORY};

/// Everything below a folder: files with their bytes, links with where they lead, and folders.
fn everything(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        for entry in fs::read_dir(current).unwrap() {
            let path = entry.unwrap().path();
            let bytes = if path.is_symlink() {
                fs::read_link(&path)
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes()
            } else if path.is_dir() {
                folders.push(path.clone());
                Vec::new()
            } else {
                fs::read(&path).unwrap()
            };
            found.insert(path, bytes);
        }
    }
    found
}

/// A web project, with a link in its sprites to a photo in another folder.
fn web_project() -> TempDir {
    let folder = TempDir::new().unwrap();
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put("photos/me.jpg", "my photo");
    put("web/index.html", "<h1>my page</h1>");
    put("web/manifest.json", "{\"name\": \"my app\", \"icons\": []}");
    put("web/site/app.js", "my();");
    put("web/site/units/mine.js", "units();");
    put("web/sprites/hero.jpg", "my hero");
    put("web/sprites/walk/1.jpg", "my walk");
    symlink("../../photos", folder.path().join("web/sprites/photos")).unwrap();
    symlink(
        "../../photos/me.jpg",
        folder.path().join("web/sprites/me.jpg"),
    )
    .unwrap();
    folder
}

#[track_caller]
fn is_refused(folder: &Path, arguments: &[&str], words: &[&str]) {
    let before = everything(folder);
    let answer = percept(folder, arguments);
    assert_eq!(answer.code, Some(1), "{}", answer.stderr);
    assert_eq!(answer.stderr.lines().count(), 1, "{}", answer.stderr);
    for word in words {
        assert!(
            answer.stderr.contains(word),
            "{word:?} is not in {:?}",
            answer.stderr
        );
    }
    assert!(
        everything(folder) == before,
        "something was changed: {}",
        answer.stderr
    );
}

#[test]
fn a_folder_that_holds_something_else_is_refused_before_anything_is_written() {
    let folder = web_project();
    let units = ["--units", "0..2"];
    let out = ["atlas", "--out", "web"];
    let words = [
        "web holds index.html, manifest.json, site and 1 more",
        "but no atlas",
        "--out",
    ];
    is_refused(folder.path(), &[&out[..], &units, &SMALL].concat(), &words);
    is_refused(folder.path(), &out, &words);
    is_refused(
        folder.path(),
        &[&out[..], &units, &["--shard", "0/2"]].concat(),
        &words,
    );
    success(
        folder.path(),
        &[&["atlas", "--out", "part"], &units[..], &SMALL].concat(),
    );
    is_refused(
        folder.path(),
        &["atlas", "merge", "part", "--out", "web"],
        &words,
    );
    // Another program's plan.
    fs::write(
        folder.path().join("web/plan.json"),
        "{\"format_version\": \"1.2\"}",
    )
    .unwrap();
    let words = ["web/plan.json", "not a plan", "--out another folder"];
    is_refused(folder.path(), &[&out[..], &units, &SMALL].concat(), &words);
    is_refused(
        folder.path(),
        &["atlas", "merge", "part", "--out", "web"],
        &words,
    );
    // Another program's journal, and a plan that leads nowhere.
    fs::remove_file(folder.path().join("web/plan.json")).unwrap();
    fs::create_dir(folder.path().join("web/journal")).unwrap();
    let journal = "{\"event\":\"begin\",\"plan\":\"mine\"}\n";
    fs::write(folder.path().join("web/journal/0-of-1.jsonl"), journal).unwrap();
    symlink("nowhere", folder.path().join("web/plan.json")).unwrap();
    is_refused(
        folder.path(),
        &[&out[..], &units].concat(),
        &["web holds", "but no atlas"],
    );
}

#[test]
fn notes_and_the_root_of_a_volume_are_no_other_things() {
    let folder = TempDir::new().unwrap();
    fs::create_dir_all(folder.path().join("atlas/lost+found")).unwrap();
    fs::write(
        folder.path().join("atlas/flags.toml"),
        "[\"layer4.0.sum\"]\n1 = \"a note\"\n",
    )
    .unwrap();
    // What a run that was killed before its plan was there left behind.
    fs::write(folder.path().join("atlas/.percept-abc123"), "half a plan").unwrap();
    begin(folder.path(), "0..2", &[]);
    assert!(!folder.path().join("atlas/.percept-abc123").exists());
}

#[test]
fn publishing_removes_nothing_that_it_did_not_write() {
    let folder = TempDir::new().unwrap();
    begin(folder.path(), "0..3", &[]);
    let path = folder.path().join("atlas");
    let expected = contents(&path);
    let photos = TempDir::new().unwrap();
    fs::write(photos.path().join("me.jpg"), "my photo").unwrap();
    fs::write(path.join("sprites/mine.jpg"), "mine").unwrap();
    fs::create_dir(path.join("site/units/mine")).unwrap();
    fs::write(path.join("site/units/mine/0.js"), "mine").unwrap();
    symlink(photos.path(), path.join("sprites/photos")).unwrap();
    symlink(photos.path().join("me.jpg"), path.join("sprites/me.jpg")).unwrap();
    let with_mine = everything(&path);
    atlas(folder.path(), &[]);
    success(folder.path(), &["atlas", "merge", "atlas"]);
    assert!(everything(&path) == with_mine);
    assert_eq!(fs::read(photos.path().join("me.jpg")).unwrap(), b"my photo");
    assert!(
        expected
            .iter()
            .all(|(name, bytes)| fs::read(path.join(name)).unwrap() == *bytes)
    );
}

#[test]
fn a_page_that_its_user_changed_is_theirs_and_found_before_climbing() {
    let folder = TempDir::new().unwrap();
    begin(folder.path(), "0..3", &[]);
    let path = folder.path().join("atlas");
    let expected = contents(&path);
    for name in [
        "index.html",
        "manifest.json",
        "units.parquet",
        "site/style.css",
    ] {
        let own = fs::read(path.join(name)).unwrap();
        let mut changed = [&own[..], b" "].concat();
        if name == "manifest.json" {
            let own = String::from_utf8(own).unwrap();
            changed = own.replace("{\n", "{\n  \"mine\": 1,\n").into_bytes();
        }
        fs::write(path.join(name), &changed).unwrap();
        fs::remove_file(path.join("pictures/layer4.0.sum/1-v0.png")).unwrap();
        for arguments in [
            &["atlas", "--out", "atlas"][..],
            &["atlas", "merge", "atlas"],
        ] {
            is_refused(
                folder.path(),
                arguments,
                &[name, "not as percept wrote it", "move it"],
            );
        }
        fs::rename(path.join(name), folder.path().join("mine")).unwrap();
        atlas(folder.path(), &[]);
        assert!(contents(&path) == expected, "{name}");
        assert_eq!(fs::read(folder.path().join("mine")).unwrap(), changed);
    }
}

#[test]
fn a_file_of_which_nothing_is_recorded_is_replaced_only_by_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    let shard = [&["--units", "0..3", "--shard", "0/1"], &SMALL[..]].concat();
    let shards = [&["--units", "0..3", "--shard", "0/2"], &SMALL[..]].concat();
    atlas(folder.path(), &shards);
    let path = folder.path().join("atlas");
    fs::write(path.join("index.html"), "mine").unwrap();
    let before = everything(&path);
    refused(
        folder.path(),
        &shard,
        &["index.html is not as percept wrote it"],
    );
    for (name, bytes) in before.iter().filter(|(name, _)| name.is_file()) {
        let is_journal = name.extension().is_some_and(|ending| ending == "jsonl");
        assert!(
            is_journal || fs::read(name).unwrap() == *bytes,
            "{}",
            name.display()
        );
    }
    assert!(!path.join("units.parquet").exists() && !path.join("manifest.json").exists());
    assert_eq!(pictures(&path).len(), 3, "pictures stay");
    fs::remove_file(path.join("index.html")).unwrap();
    atlas(folder.path(), &[]);
    // Without its manifest the same page is the same page.
    let expected = contents(&path);
    fs::remove_file(path.join("manifest.json")).unwrap();
    atlas(folder.path(), &[]);
    assert!(contents(&path) == expected);
}

/// Makes the atlas one of a version that recorded its table only.
fn as_former_version(atlas: &Path) {
    let path = atlas.join("manifest.json");
    let mut manifest = json(&path);
    manifest.as_object_mut().unwrap().remove("digest");
    let files = manifest["files"].as_object_mut().unwrap();
    files.retain(|name, _| name == "units.parquet");
    fs::write(path, manifest.to_string()).unwrap();
}

#[test]
fn an_atlas_of_a_former_version_is_published_and_nothing_in_it_is_removed() {
    let folder = TempDir::new().unwrap();
    begin(folder.path(), "0..3", &[]);
    let path = folder.path().join("atlas");
    let mut expected = contents(&path);
    as_former_version(&path);
    fs::write(path.join("index.html"), "a former page").unwrap();
    fs::write(path.join("site/app.js"), "a former script").unwrap();
    fs::write(path.join("sprites/former.jpg"), "a former sheet").unwrap();
    atlas(folder.path(), &[]);
    expected.insert("sprites/former.jpg".into(), b"a former sheet".to_vec());
    assert!(contents(&path) == expected);
}

#[test]
fn the_manifest_vouches_for_what_was_published_and_for_itself() {
    let folder = TempDir::new().unwrap();
    begin(folder.path(), "0..3", &[]);
    let path = folder.path().join("atlas");
    let mut manifest = json(&path.join("manifest.json"));
    let listed = manifest["files"].as_object().unwrap();
    let published = contents(&path).into_iter().filter(|(name, _)| {
        let first = name.iter().next().unwrap().to_str().unwrap();
        ["index.html", "units.parquet", "site", "sprites"].contains(&first)
    });
    let published: Vec<_> = published.collect();
    assert_eq!(listed.len(), published.len());
    for (name, bytes) in published {
        let entry = &listed[name.to_str().unwrap()];
        assert_eq!(entry["sha256"], percept::input::sha256(&bytes));
        assert_eq!(entry["bytes"], bytes.len());
    }
    let digest = manifest.as_object_mut().unwrap().remove("digest").unwrap();
    assert_eq!(
        digest,
        percept::input::sha256(manifest.to_string().as_bytes())
    );
}

#[test]
fn nothing_is_written_through_a_link_inside_an_atlas() {
    for name in [
        "pictures",
        "responses",
        "journal",
        "site",
        "sprites",
        "site/units",
    ] {
        let folder = TempDir::new().unwrap();
        begin(folder.path(), "0..2", &[]);
        let path = folder.path().join("atlas");
        fs::rename(path.join(name), folder.path().join("elsewhere")).unwrap();
        symlink(folder.path().join("elsewhere"), path.join(name)).unwrap();
        if name != "journal" {
            fs::remove_file(path.join("responses/layer4.0.sum/1-v0.npy")).unwrap();
        }
        let expected = format!("atlas/{name} is a link");
        is_refused(
            folder.path(),
            &["atlas", "--out", "atlas"],
            &[&expected, "link that"],
        );
    }
    let folder = TempDir::new().unwrap();
    begin(folder.path(), "0..2", &[]);
    let path = folder.path().join("atlas");
    let journal = path.join("journal/0-of-1.jsonl");
    fs::rename(&journal, folder.path().join("elsewhere")).unwrap();
    symlink(folder.path().join("elsewhere"), &journal).unwrap();
    is_refused(
        folder.path(),
        &["atlas", "--out", "atlas"],
        &["0-of-1.jsonl is a link"],
    );
}

#[test]
fn a_linked_file_of_the_site_is_not_replaced() {
    let folder = TempDir::new().unwrap();
    begin(folder.path(), "0..2", &[]);
    let path = folder.path().join("atlas");
    fs::rename(path.join("index.html"), folder.path().join("page.html")).unwrap();
    symlink("../page.html", path.join("index.html")).unwrap();
    is_refused(
        folder.path(),
        &["atlas", "--out", "atlas"],
        &["index.html is not as percept"],
    );
}

#[test]
fn a_whole_atlas_may_be_linked_to_another_file_system() {
    if !Need::SharedMemory.is_met() {
        return;
    }
    let elsewhere = TempDir::new_in(SHARED_MEMORY).unwrap();
    let expected = TempDir::new().unwrap();
    begin(expected.path(), "0..3", &[]);
    let folder = TempDir::new().unwrap();
    symlink(elsewhere.path(), folder.path().join("atlas")).unwrap();
    begin(folder.path(), "0..3", &[]);
    assert_same(elsewhere.path(), &expected.path().join("atlas"));
    fs::remove_file(elsewhere.path().join("pictures/layer4.0.sum/1-v0.png")).unwrap();
    atlas(folder.path(), &[]);
    assert_same(elsewhere.path(), &expected.path().join("atlas"));
}

#[test]
fn folders_of_files_in_the_making_lose_only_what_percept_made() {
    let folder = TempDir::new().unwrap();
    begin(folder.path(), "0..2", &[]);
    let path = folder.path().join("atlas");
    let photo = folder.path().join("photo.jpg");
    fs::write(&photo, "mine").unwrap();
    let folders = [
        "journal/0-of-1.pending",
        "journal/2-of-9.pending",
        ".publishing",
    ];
    for name in folders {
        let pending = path.join(name);
        fs::create_dir(&pending).unwrap();
        fs::write(
            pending.join(".percept-abc123"),
            "left by a run that was killed",
        )
        .unwrap();
        fs::write(pending.join("notes.txt"), "mine").unwrap();
        symlink(&photo, pending.join(".percept-abcdef")).unwrap();
    }
    fs::write(path.join("pictures/layer4.0.sum/.percept-abc123"), "left").unwrap();
    fs::write(path.join(".percept-abc123"), "left").unwrap();
    let being_written = path.join("journal/2-of-9.pending/.percept-locked");
    fs::write(&being_written, "by another process").unwrap();
    let lock = fs::File::options()
        .write(true)
        .open(&being_written)
        .unwrap();
    lock.lock().unwrap();
    atlas(folder.path(), &[]);
    let mut left: Vec<String> = Vec::new();
    for found in everything(&path).into_keys() {
        let found = found.strip_prefix(&path).unwrap().display().to_string();
        if found.contains(".percept-") || found.contains("notes") {
            left.push(found);
        }
    }
    assert_eq!(
        left,
        [
            ".publishing/.percept-abcdef",
            ".publishing/notes.txt",
            "journal/0-of-1.pending/.percept-abcdef",
            "journal/0-of-1.pending/notes.txt",
            "journal/2-of-9.pending/.percept-abcdef",
            "journal/2-of-9.pending/.percept-locked",
            "journal/2-of-9.pending/notes.txt",
        ]
    );
    assert_eq!(fs::read(photo).unwrap(), b"mine");
}

#[test]
fn a_picture_that_no_run_made_is_not_replaced() {
    let folder = TempDir::new().unwrap();
    let first = [&["--units", "0..4", "--shard", "0/2"], &SMALL[..]].concat();
    atlas(folder.path(), &first);
    let mine = folder.path().join("atlas/pictures/layer4.0.sum/1-v0.png");
    fs::write(&mine, "mine").unwrap();
    let before = everything(folder.path());
    refused(
        folder.path(),
        &[],
        &["1-v0.png is there already", "move it away"],
    );
    assert_eq!(fs::read(&mine).unwrap(), b"mine");
    let kept = before.keys().filter(|name| !name.exists()).count();
    assert_eq!(kept, 0);
    fs::remove_file(&mine).unwrap();
    let answer = atlas(folder.path(), &["--json"]);
    let answer: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(answer["rendered"], 2, "{answer}");
}

#[test]
fn files_of_the_source_delete_by_no_pattern() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut removing = Vec::new();
    for (path, bytes) in everything(&source) {
        if path.extension().is_none_or(|ending| ending != "rs") {
            continue;
        }
        let text = String::from_utf8(bytes).unwrap();
        let product = text.split("#[cfg(test)]").next().unwrap().to_owned();
        assert!(!product.contains("remove_dir_all"), "{}", path.display());
        if product.contains("remove_file") {
            removing.push(path.strip_prefix(&source).unwrap().display().to_string());
        }
    }
    // What each may remove is said there: its own lock and probe, what a manifest lists by its digest, temporary files
    // that nobody writes; in the hub's cache a file that it has begun to write, and the part of a download that turned
    // out not to be the file.
    let known = [
        "atlas/publish.rs",
        "atlas/published.rs",
        "atlas/within.rs",
        "model/weights/hub/cache.rs",
        "model/weights/hub/part.rs",
        "model/weights/hub/place.rs",
        "output/temporary.rs",
    ];
    assert_eq!(removing, known);
}

//! A hub on this machine, at two ports: the hub itself, and the storage that it redirects to. The first part of an
//! address is the mode: which of the things that go wrong with the public hub goes wrong here.

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::http::{Answer, Asked, End};

/// The commit that every repository is at.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The commit that repositories are at in the mode `forgotten`, in which there is no other any more.
pub const NEW_COMMIT: &str = "76543210fedcba9876543210fedcba9876543210";

/// Who may see gated and private repositories.
pub const TOKEN: &str = "hf_good";

/// A piece of a slow answer, and what comes before the next.
const PIECES: usize = 8;
const PAUSE: Duration = Duration::from_millis(40);

type Files = BTreeMap<String, Vec<u8>>;

/// A running hub.
pub struct Hub {
    shared: Arc<Shared>,
    port: u16,
}

struct Shared {
    repositories: BTreeMap<String, Files>,
    storage: u16,
    asked: Mutex<Vec<Asked>>,
    counts: Mutex<BTreeMap<String, usize>>,
}

/// Which of the two is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Hub,
    Storage,
}

impl Hub {
    /// A hub with these repositories, each with the files of a folder.
    pub fn start(repositories: &[(&str, &Path)]) -> Self {
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (hub, storage) = (listen(), listen());
        let port = hub.local_addr().unwrap().port();
        let read = |folder: &Path| -> Files {
            let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
            let file = |entry: fs::DirEntry| {
                let name = entry.file_name().into_string().unwrap();
                (name, fs::read(entry.path()).unwrap())
            };
            entries.map(file).collect()
        };
        let repositories = repositories
            .iter()
            .map(|(id, folder)| ((*id).to_owned(), read(folder)));
        let shared = Arc::new(Shared {
            repositories: repositories.collect(),
            storage: storage.local_addr().unwrap().port(),
            asked: Mutex::default(),
            counts: Mutex::default(),
        });
        for (role, listener) in [(Role::Hub, hub), (Role::Storage, storage)] {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                for stream in listener.incoming() {
                    let (shared, stream) = (Arc::clone(&shared), stream.unwrap());
                    thread::spawn(move || shared.serve(role, stream));
                }
            });
        }
        Self { shared, port }
    }

    /// The address of the hub that is in this mode.
    pub fn endpoint(&self, mode: &str) -> String {
        format!("http://127.0.0.1:{}/{mode}", self.port)
    }

    /// The bytes of a file.
    pub fn file(&self, id: &str, name: &str) -> &[u8] {
        &self.shared.repositories[id][name]
    }

    /// The files of a repository.
    pub fn files(&self, id: &str) -> &Files {
        &self.shared.repositories[id]
    }

    /// What was asked in this mode.
    pub fn asked(&self, mode: &str) -> Vec<Asked> {
        let asked = self.shared.asked.lock().unwrap();
        let prefix = format!("/{mode}/");
        let is_of_mode = |asked: &&Asked| asked.path.starts_with(&prefix);
        asked.iter().filter(is_of_mode).cloned().collect()
    }
}

/// The name of a mode without its number, and the number.
fn numbered(mode: &str) -> (&str, usize) {
    let name = mode.trim_end_matches(|c: char| c.is_ascii_digit());
    (name, mode[name.len()..].parse().unwrap_or(usize::MAX))
}

fn commit(mode: &str) -> &'static str {
    match mode {
        "forgotten" => NEW_COMMIT,
        _ => COMMIT,
    }
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Small files have ETags of 40 digits, as git has them.
fn etag(name: &str, bytes: &[u8]) -> String {
    let mut etag = sha256(bytes);
    if name.ends_with(".json") {
        etag.truncate(40);
    }
    etag
}

impl Shared {
    fn serve(&self, role: Role, stream: TcpStream) {
        // Whoever was killed has closed the connection.
        let _ = Asked::serve(stream, role, |asked| {
            self.asked.lock().unwrap().push(asked.clone());
            match role {
                Role::Hub => self.hub(asked),
                Role::Storage => self.stored(asked),
            }
        });
    }

    /// How often this was asked before.
    fn count(&self, key: String) -> usize {
        let mut counts = self.counts.lock().unwrap();
        let count = counts.entry(key).or_default();
        *count += 1;
        *count - 1
    }

    fn hub(&self, asked: &Asked) -> Answer {
        let (mode, path) = asked.path[1..].split_once('/').unwrap_or_default();
        if let Some(answer) = self.refusal(mode, path, asked) {
            return answer;
        }
        if let Some(rest) = path.strip_prefix("api/models/") {
            let (id, revision) = rest.split_once("/revision/").unwrap_or((rest, "main"));
            return self.listing(mode, id, revision);
        }
        if let Some(rest) = path.strip_prefix("small/") {
            let (_, name, bytes) = self.find(rest);
            return small(mode, name, bytes, asked);
        }
        let Some((id, rest)) = path.split_once("/resolve/") else {
            return Answer::of(404);
        };
        let (revision, name) = rest.rsplit_once('/').unwrap_or_default();
        if mode.starts_with("branches") && revision == COMMIT {
            return Answer::of(404).with("X-Error-Code", "RevisionNotFound");
        }
        if mode == "moved" && revision != COMMIT {
            // A newer commit, of which nothing tells.
            let newer = self.repositories[id][name].iter().map(|byte| !byte);
            let newer: Vec<_> = newer.collect();
            let quoted = format!("\"{}\"", etag(name, &newer));
            return ranged(Answer::of(200).with("X-Linked-ETag", quoted), &newer, asked);
        }
        match self.repositories.get(id).and_then(|files| files.get(name)) {
            Some(bytes) => self.resolved(mode, id, name, bytes, asked),
            None => Answer::of(404).with("X-Error-Code", "EntryNotFound"),
        }
    }

    /// The answer of a mode that does not get as far as the file.
    fn refusal(&self, mode: &str, path: &str, asked: &Asked) -> Option<Answer> {
        let is_listing = path.starts_with("api/");
        let has_token = asked.authorization.as_deref() == Some("Bearer hf_good");
        let is_anonymous = asked.authorization.is_none();
        match mode {
            // The list of a gated repository is for everybody.
            "gated" if !has_token && !is_listing => {
                let status = if is_anonymous { 401 } else { 403 };
                Some(Answer::of(status).with("X-Error-Code", "GatedRepo"))
            }
            "private" if !has_token => Some(Answer::of(401).with("X-Error-Code", "RepoNotFound")),
            "never" => Some(Answer::of(200).ending(End::Never)),
            "portal" => {
                let page = b"<html>please log in</html>";
                Some(Answer::of(200).with("Content-Type", "text/html").body(page))
            }
            _ => {
                // s503 answers 503 for ever, s503x2 twice.
                let (status, times) = mode.strip_prefix('s')?.split_at_checked(3)?;
                let status: u16 = status.parse().ok()?;
                let times = times
                    .strip_prefix('x')
                    .map_or(usize::MAX, |n| n.parse().unwrap());
                let is_over = self.count(mode.to_owned()) >= times;
                let answer = Answer::of(status).body(br#"{"error": "emulated"}"#);
                (!is_over).then(|| match status {
                    429 => answer.with("Retry-After", "1"),
                    404 => answer.with("X-Error-Code", "RepoNotFound"),
                    _ => answer,
                })
            }
        }
    }

    fn listing(&self, mode: &str, id: &str, revision: &str) -> Answer {
        let Some(files) = self.repositories.get(id) else {
            return Answer::of(401).with("X-Error-Code", "RepoNotFound");
        };
        if !["main", "v1", commit(mode)].contains(&revision) {
            return Answer::of(404).with("X-Error-Code", "RevisionNotFound");
        }
        // What is listed need not be there.
        let missing = "open_clip_model.safetensors".to_owned();
        let missing = (mode == "listed").then_some(&missing);
        let names: Vec<_> = files
            .keys()
            .chain(missing)
            .map(|name| serde_json::json!({ "rfilename": name }))
            .collect();
        let text =
            serde_json::json!({"id": id, "sha": commit(mode), "siblings": names}).to_string();
        match mode {
            "trickle" => Answer::of(200)
                .body(text.as_bytes())
                .ending(End::Slow(text.len(), PAUSE * 4)),
            "forced" => Answer::of(200).compressed(text.as_bytes()),
            _ => Answer::of(200).body(text.as_bytes()),
        }
    }

    /// The hub redirects to where the bytes are, and says what they are.
    fn resolved(&self, mode: &str, id: &str, name: &str, bytes: &[u8], asked: &Asked) -> Answer {
        let stored = |host: &str| {
            let port = self.storage;
            format!("http://{host}:{port}/{mode}/{id}/{name}?X-Amz-Signature=secret")
        };
        if ["mirror", "swap"].contains(&mode) {
            return Answer::of(302).with("Location", stored("127.0.0.1"));
        }
        let quoted = format!("\"{}\"", etag(name, bytes));
        let mut answer = Answer::of(302);
        if mode != "nosize" {
            answer = answer.with("X-Linked-Size", bytes.len());
        }
        if !["nocommit", "moved", "branchesonly"].contains(&mode) {
            answer = answer.with("X-Repo-Commit", commit(mode));
        }
        if mode != "noetag" {
            answer = answer.with("X-Linked-ETag", &quoted).with("ETag", &quoted);
        }
        match mode {
            "direct" => return ranged(answer.status(200), bytes, asked),
            _ if name.ends_with(".json") => {
                let location = format!("/{mode}/small/{id}/{name}");
                return answer.status(307).with("Location", location);
            }
            "noloc" => return answer,
            "badloc" => return answer.with("Location", "http://bad host/ x"),
            "loop" => return answer.with("Location", &asked.path),
            _ => {}
        }
        let host = if mode == "otherhost" {
            "localhost"
        } else {
            "127.0.0.1"
        };
        answer.with("Location", stored(host))
    }

    fn find(&self, path: &str) -> (&str, &str, &[u8]) {
        let (id, name) = path.rsplit_once('/').unwrap();
        let (id, files) = self.repositories.get_key_value(id).unwrap();
        let (name, bytes) = files.get_key_value(name).unwrap();
        (id, name, bytes)
    }

    fn stored(&self, asked: &Asked) -> Answer {
        let (mode, path) = asked.path[1..].split_once('/').unwrap();
        let (_, name, bytes) = self.find(path);
        let half = bytes.len() / 2;
        let (kind, times) = numbered(mode);
        let count = self.count(format!("{mode} {name}"));
        if mode == "swap" && count == 0 {
            // Another version begins to come.
            let other: Vec<_> = bytes.iter().map(|byte| !byte).collect();
            let quoted = format!("\"{}\"", etag(name, &other));
            let answer = Answer::of(200).with("X-Repo-Commit", COMMIT);
            return ranged(answer.with("ETag", quoted), &other, asked).ending(End::Half);
        }
        let answer = match mode {
            // A mirror gives in the end what the hub gives at first.
            "mirror" | "swap" => Answer::of(200)
                .with("X-Repo-Commit", COMMIT)
                .with("ETag", format!("\"{}\"", etag(name, bytes))),
            _ => Answer::of(200).with("ETag", "\"0123456789abcdef-2\""),
        };
        match kind {
            "gzall" if asked.takes_gzip => answer.compressed(bytes),
            "forced" if asked.range.is_none() => answer.compressed(bytes),
            "norange" => answer.body(bytes),
            "expired" if count < times => Answer::of(403),
            // cut1: the first answer ends at a half; without a number each does.
            "cut" if count < times => ranged(answer, bytes, asked).ending(End::Half),
            "whole" if count == 0 => ranged(answer, bytes, asked).ending(End::Half),
            "whole" => answer.body(bytes),
            "short" => {
                let range = format!("bytes 0-{}/{}", half - 1, bytes.len());
                answer
                    .status(206)
                    .with("Content-Range", range)
                    .body(&bytes[..half])
            }
            "close" => answer.body(&bytes[..half]).ending(End::Unmeasured),
            "corrupt" => {
                let mut bytes = bytes.to_vec();
                bytes[half] ^= 0x55;
                ranged(answer, &bytes, asked)
            }
            "stall" => ranged(answer, bytes, asked).ending(End::Stall),
            "slow" => ranged(answer, bytes, asked).ending(End::Slow(PIECES, PAUSE)),
            "page" => answer.body(b"<html>captive portal</html>"),
            _ => ranged(answer, bytes, asked),
        }
    }
}

/// A small file, as the hub's own storage gives it.
fn small(mode: &str, name: &str, bytes: &[u8], asked: &Asked) -> Answer {
    let quoted = format!("\"{}\"", etag(name, bytes));
    let answer = Answer::of(200).with("X-Repo-Commit", commit(mode));
    let is_long = bytes.len() >= 1000;
    let is_compressed = match mode {
        "gz" | "gzall" => asked.takes_gzip,
        "gz1000" => asked.takes_gzip && is_long,
        "forced" => true,
        _ => false,
    };
    match mode {
        _ if is_compressed => answer.with("ETag", format!("W/{quoted}")).compressed(bytes),
        "norange" => answer.with("ETag", quoted).body(bytes),
        _ => ranged(answer.with("ETag", quoted), bytes, asked),
    }
}

/// What was asked for of the bytes.
fn ranged(answer: Answer, bytes: &[u8], asked: &Asked) -> Answer {
    let Some(from) = asked.range else {
        return answer.body(bytes);
    };
    if from >= bytes.len() {
        return answer.status(416);
    }
    let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
    answer
        .status(206)
        .with("Content-Range", range)
        .body(&bytes[from..])
}

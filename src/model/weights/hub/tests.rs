use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use super::*;
use crate::model::spec::Activation;
use crate::model::weights::{MINI, package};

const ID: &str = "owner/clip";

const CONFIG: &[u8] = br#"{"model_cfg": {"quick_gelu": true}}"#;

/// A hub on this machine that has one repository; counts the requests for it.
struct Hub {
    address: String,
    requests: Arc<AtomicUsize>,
}

impl Hub {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                counter.fetch_add(1, Ordering::SeqCst);
                answer(stream.unwrap());
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn answer(mut stream: TcpStream) {
    let mut lines = BufReader::new(stream.try_clone().unwrap())
        .lines()
        .map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    let headers: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let listing = br#"{"sha": "c0ffee", "siblings": [
        {"rfilename": "open_clip_config.json"}, {"rfilename": "open_clip_model.safetensors"}]}"#;
    let (status, body): (_, &[u8]) = match path.trim_start_matches("/owner/clip/resolve/main/") {
        "/api/models/owner/clip/revision/main" => ("200 OK", listing),
        "open_clip_config.json" => ("206 Partial Content", CONFIG),
        "open_clip_model.safetensors" => ("206 Partial Content", MINI),
        _ => ("404 Not Found", b""),
    };
    let is_probe = headers
        .iter()
        .any(|line| line.eq_ignore_ascii_case("range: bytes=0-0"));
    let sent = if is_probe { &body[..1] } else { body };
    let head = format!(
        "HTTP/1.1 {status}\r\nx-repo-commit: c0ffee\r\netag: \"{}\"\r\ncontent-length: {}\r\n\
         content-range: bytes 0-{}/{}\r\nconnection: close\r\n\r\n",
        body.len(),
        sent.len(),
        sent.len().saturating_sub(1),
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(sent).unwrap();
}

fn repository(id: &str, cache: &Path, endpoint: Option<&str>) -> Repository {
    let cache = Cache::new(cache.to_owned());
    let repo = Repo::model(id.to_owned());
    let remote = endpoint.map(|endpoint| {
        let builder = ApiBuilder::from_cache(cache.clone()).with_progress(false);
        let api = builder.with_endpoint(endpoint.to_owned()).build().unwrap();
        api.repo(repo.clone())
    });
    Repository {
        repo,
        cache,
        remote,
        listing: OnceCell::new(),
    }
}

#[test]
fn weights_are_fetched_once_and_then_read_without_the_hub() {
    let (hub, cache) = (Hub::start(), TempDir::new().unwrap());
    let online = repository(ID, cache.path(), Some(&hub.address));
    let fetched = package::read(&online).unwrap().unwrap();
    assert_eq!(fetched.config.activation, Some(Activation::QuickGelu));
    assert_eq!(fetched.digest, crate::input::sha256(MINI));
    let requests = hub.requests();
    assert!(requests > 0);

    for endpoint in [Some(hub.address.as_str()), None] {
        let again = package::read(&repository(ID, cache.path(), endpoint))
            .unwrap()
            .unwrap();
        assert_eq!(again.digest, fetched.digest);
        assert_eq!(again.tensors.len(), fetched.tensors.len());
    }
    assert_eq!(hub.requests(), requests);
}

#[test]
fn a_repository_that_is_not_there_is_a_network_error() {
    let (hub, cache) = (Hub::start(), TempDir::new().unwrap());
    let error = package::read(&repository("owner/none", cache.path(), Some(&hub.address)));
    let error = error.err().unwrap();
    assert_eq!(error.kind(), Kind::Network);
    assert!(
        error.report().contains("no repository owner/none"),
        "{}",
        error.report()
    );
}

#[test]
fn a_hub_out_of_reach_is_a_network_error_and_the_cache_alone_is_not() {
    let cache = TempDir::new().unwrap();
    let closed = repository(ID, cache.path(), Some("http://127.0.0.1:9"));
    let error = package::read(&closed).err().unwrap();
    assert_eq!(error.kind(), Kind::Network);
    assert!(
        error.report().contains("cannot be reached"),
        "{}",
        error.report()
    );
    assert!(
        package::read(&repository(ID, cache.path(), None))
            .unwrap()
            .is_none()
    );
}

#[test]
fn offline_is_what_the_hub_tools_call_offline() {
    assert!(
        ["1", "true", "TRUE", "Yes", "on"]
            .iter()
            .all(|value| means_yes(value))
    );
    assert!(
        !["", "0", "false", "no", "off"]
            .iter()
            .any(|value| means_yes(value))
    );
}

use std::io::{Read, Write};
use std::net::TcpListener;

use super::*;

fn answered(status: u16, wait: Option<u64>) -> Trouble {
    let refusal = Refusal {
        storage: None,
        status,
        code: String::new(),
        address: "http://hub/x".to_owned(),
        wait: wait.map(Duration::from_secs),
    };
    Cause::Refused(refusal).into()
}

#[test]
fn what_may_pass_is_tried_a_few_times_and_longer_apart_each_time() {
    let mut attempts = Attempts::default();
    let waits: Vec<_> = (0..3)
        .map(|_| attempts.next(answered(503, None)).unwrap())
        .collect();
    assert_eq!(waits, [1, 2, 4].map(|times| FIRST_WAIT * times));
    let report = attempts
        .next(answered(503, None))
        .unwrap_err()
        .error("wait")
        .report();
    assert_eq!(
        report,
        "the hub answered 503 to http://hub/x, 4 times: wait"
    );
}

#[test]
fn what_lasts_is_not_tried_again() {
    for status in [400, 401, 403, 404, 501] {
        let trouble = Attempts::default()
            .next(answered(status, None))
            .unwrap_err();
        assert_eq!(trouble.attempts, 1, "{status}");
    }
}

#[test]
fn the_hub_says_how_long_to_wait_within_reason() {
    let wait = Attempts::default().next(answered(429, Some(7)));
    assert_eq!(wait.unwrap(), Duration::from_secs(7));
    assert!(Attempts::default().next(answered(429, Some(3600))).is_err());
}

/// What OpenSSL's `s_server -tls1_2` sends first: its certificate, which nobody signed, holds until 2126.
const UNTRUSTED_SERVER: &[u8] = include_bytes!("untrusted_server.tls");

/// A fatal alert, `internal_error`.
const ALERT: &[u8] = &[21, 3, 3, 0, 2, 2, 80];

/// What is said of somebody who answers a secure connection with these bytes, and whether it is tried again.
fn secured(answer: &'static [u8]) -> (String, bool) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = [0; 1];
        stream.read_exact(&mut hello).unwrap();
        stream.write_all(answer).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        // Until the client has gone.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let config = ureq::Agent::config_builder().proxy(None).build();
    let error = config.new_agent().get(&address).call().unwrap_err();
    server.join().unwrap();
    let limits = Limits {
        answer: Duration::from_secs(1),
        silence: Duration::from_secs(1),
    };
    let trouble = Trouble::of(error, "hub", limits);
    let again = trouble.cost().is_some();
    (trouble.error("try").report(), again)
}

#[test]
fn only_a_certificate_that_is_not_trusted_is_said_to_be_none() {
    for (answer, says, is_again) in [
        (
            UNTRUSTED_SERVER,
            "hub shows no certificate that this machine trusts: where a proxy",
            false,
        ),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            "hub does not speak TLS: check HF_ENDPOINT",
            false,
        ),
        (
            ALERT,
            "the secure connection to hub broke: check the network",
            true,
        ),
        (&[], "hub broke off the connection: check the network", true),
    ] {
        let (report, again) = secured(answer);
        assert!(report.starts_with(says), "{report}");
        assert_eq!(again, is_again, "{report}");
    }
}

//! Chromium by its DevTools protocol, over the pipe that `--remote-debugging-pipe` opens: JSON messages, each ended by
//! a zero byte.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long the browser may take to answer, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one page, which ends with this value.
pub struct Devtools {
    browser: Child,
    line: Mutex<Line>,
    session: String,
    _profile: TempDir,
}

struct Line {
    messages: ChildStdin,
    answers: Receiver<Value>,
    last: u64,
}

impl Devtools {
    /// Starts the browser with an empty profile; `note` gets the name and the parameters of every event.
    pub fn start(
        executable: PathBuf,
        arguments: &[&str],
        note: impl FnMut(&str, &Value) + Send + 'static,
    ) -> Self {
        let profile = TempDir::new().unwrap();
        // The protocol's pipe is the browser's third and fourth file.
        let mut browser = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 < /dev/null > /dev/null 2>&1"])
            .arg("sh")
            .arg(executable)
            .args(["--headless", "--remote-debugging-pipe", "--no-sandbox"])
            .args(["--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-sync"])
            .args(["--disable-component-update", "--disable-extensions"])
            .args(["--disable-dev-shm-usage"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, answers) = channel();
        let output = browser.stdout.take().unwrap();
        thread::spawn(move || listen(output, &sender, note));
        let line = Line {
            messages: browser.stdin.take().unwrap(),
            answers,
            last: 0,
        };
        let mut devtools = Self {
            browser,
            line: Mutex::new(line),
            session: String::new(),
            _profile: profile,
        };
        let about = json!({"url": "about:blank"});
        let target = devtools.call("Target.createTarget", about).unwrap();
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = devtools.call("Target.attachToTarget", attach).unwrap();
        devtools.session = attached["sessionId"].as_str().unwrap().to_owned();
        devtools
    }

    /// What the page's method answers.
    pub fn call(&self, method: &str, parameters: Value) -> Result<Value, String> {
        let mut line = self.line.lock().unwrap();
        line.last += 1;
        let id = line.last;
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let sent = line.messages.write_all(format!("{message}\0").as_bytes());
        sent.map_err(|error| format!("the browser is gone: {error}"))?;
        loop {
            let answer = line.answers.recv_timeout(PATIENCE);
            let mut answer = answer.map_err(|error| format!("{method}: no answer: {error}"))?;
            if answer["id"] == id {
                return match answer.get("error") {
                    Some(error) => Err(format!("{method}: {error}")),
                    None => Ok(answer["result"].take()),
                };
            }
        }
    }
}

impl Drop for Devtools {
    fn drop(&mut self) {
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}

fn listen(output: ChildStdout, answers: &Sender<Value>, mut note: impl FnMut(&str, &Value)) {
    for message in BufReader::new(output).split(0) {
        let Ok(message) = message else { return };
        let message: Value = serde_json::from_slice(&message).unwrap();
        match message["method"].as_str() {
            Some(method) => note(method, &message["params"]),
            // Nobody waits any more when the page was dropped.
            None => drop(answers.send(message)),
        }
    }
}

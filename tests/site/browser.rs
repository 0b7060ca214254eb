//! A page in a real browser, and what went wrong in it.

use std::fmt::Debug;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::needs::{Need, browser};
use crate::site::devtools::Devtools;

/// How long a page may take to get where a test wants it, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A page in a browser of its own.
pub struct Page {
    devtools: Devtools,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    requests: Vec<String>,
    problems: Vec<String>,
}

/// An empty page, or nothing but a remark where there is no browser.
pub fn page() -> Option<Page> {
    if !Need::Browser.is_met() {
        return None;
    }
    let seen = Arc::new(Mutex::new(Seen::default()));
    let noted = seen.clone();
    let devtools = Devtools::start(
        browser()?,
        &["--hide-scrollbars", "--force-prefers-reduced-motion"],
        move |method, parameters| noted.lock().unwrap().note(method, parameters),
    );
    for domain in ["Network", "Log", "Runtime", "Page"] {
        let enable = format!("{domain}.enable");
        devtools.call(&enable, json!({})).unwrap();
    }
    let page = Page { devtools, seen };
    page.resize(1280, 900, false);
    Some(page)
}

impl Seen {
    fn note(&mut self, method: &str, parameters: &Value) {
        let problem = match method {
            "Network.requestWillBeSent" => {
                let url = parameters["request"]["url"].as_str();
                self.requests.extend(url.map(str::to_owned));
                return;
            }
            "Network.loadingFailed" if parameters["canceled"] != true => &parameters["errorText"],
            "Log.entryAdded" => &parameters["entry"],
            "Runtime.exceptionThrown" => &parameters["exceptionDetails"],
            "Runtime.consoleAPICalled" => &parameters["args"],
            _ => return,
        };
        self.problems.push(format!("{method}: {problem}"));
    }
}

impl Page {
    #[track_caller]
    fn call(&self, method: &str, parameters: Value) -> Value {
        self.devtools.call(method, parameters).unwrap()
    }

    /// Opens an address as somebody who was not there before.
    pub fn go(&self, address: &str) {
        for url in ["about:blank", address] {
            self.call("Page.navigate", json!({"url": url}));
        }
        self.until("location.href !== 'about:blank' && document.readyState === 'complete'");
    }

    /// Opens an atlas from the disk, at what comes after the `#`.
    pub fn open(&self, folder: &Path, hash: &str) {
        self.go(&format!("file://{}/index.html{hash}", folder.display()));
    }

    pub fn resize(&self, width: u32, height: u32, is_phone: bool) {
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({
                "width": width,
                "height": height,
                "deviceScaleFactor": if is_phone { 2.0 } else { 1.0 },
                "mobile": is_phone,
            }),
        );
    }

    /// What an expression is.
    #[track_caller]
    pub fn eval<T: DeserializeOwned>(&self, expression: &str) -> T {
        self.try_eval(expression)
            .unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// Runs a statement.
    #[track_caller]
    pub fn run(&self, statement: &str) {
        let body = format!("(() => {{ {statement}; }})()");
        self.evaluate(&body, false).unwrap();
    }

    fn evaluate(&self, expression: &str, awaits: bool) -> Result<Value, String> {
        let parameters = json!({
            "expression": expression,
            "awaitPromise": awaits,
            "returnByValue": true,
        });
        let mut answer = self.devtools.call("Runtime.evaluate", parameters)?;
        match answer.get("exceptionDetails") {
            Some(thrown) => Err(thrown.to_string()),
            None => Ok(answer["result"]["value"].take()),
        }
    }

    fn try_eval<T: DeserializeOwned>(&self, expression: &str) -> Result<T, String> {
        let value = self.evaluate(&format!("JSON.stringify({expression})"), true)?;
        let text = value.as_str().ok_or("is nothing")?;
        serde_json::from_str(text).map_err(|error| format!("{error} in {text}"))
    }

    /// Waits until an expression is what it should be.
    #[track_caller]
    pub fn expect<T: DeserializeOwned + PartialEq + Debug>(&self, expression: &str, value: T) {
        let start = Instant::now();
        loop {
            let found = self.try_eval(expression);
            if found.as_ref() == Ok(&value) {
                return;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{expression} is {found:?}, not {value:?}"
            );
            sleep(Duration::from_millis(20));
        }
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn until(&self, expression: &str) {
        self.expect(&format!("Boolean({expression})"), true);
    }

    /// Clicks the middle of what a selector finds, as a mouse does.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        let found = format!("document.querySelector({})", json!(selector));
        self.until(&found);
        self.run(&format!(
            "{found}.scrollIntoView({{block: 'center', inline: 'center'}})"
        ));
        let [x, y]: [f64; 2] = self.eval(&format!(
            "((box) => [box.x + box.width / 2, box.y + box.height / 2])({found}.getBoundingClientRect())"
        ));
        for (event, buttons) in [("mouseMoved", 0), ("mousePressed", 1), ("mouseReleased", 0)] {
            let button = if event == "mouseMoved" {
                "none"
            } else {
                "left"
            };
            self.call(
                "Input.dispatchMouseEvent",
                json!({
                    "type": event, "x": x, "y": y,
                    "button": button, "buttons": buttons, "clickCount": 1,
                }),
            );
        }
    }

    /// Presses a key by the name that a page gets to see: `a`, `/`, `Enter`, `ArrowLeft`.
    #[track_caller]
    pub fn press(&self, key: &str) {
        let (code, text) = match key {
            "Backspace" => (8, ""),
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            "End" => (35, ""),
            "Home" => (36, ""),
            "ArrowLeft" => (37, ""),
            "ArrowUp" => (38, ""),
            "ArrowRight" => (39, ""),
            "ArrowDown" => (40, ""),
            character => {
                let mut characters = character.chars();
                let (Some(only), None) = (characters.next(), characters.next()) else {
                    panic!("the key {key} is not known here");
                };
                let code = if only.is_ascii_alphanumeric() {
                    only.to_ascii_uppercase() as u32
                } else {
                    0
                };
                (code, character)
            }
        };
        for event in ["keyDown", "keyUp"] {
            let text = if event == "keyDown" { text } else { "" };
            self.call(
                "Input.dispatchKeyEvent",
                json!({"type": event, "key": key, "text": text, "windowsVirtualKeyCode": code}),
            );
        }
    }

    #[track_caller]
    pub fn type_text(&self, text: &str) {
        for character in text.chars() {
            self.press(&character.to_string());
        }
    }

    /// Fails if since the last time the console had anything to say, or anything was asked for outside
    /// `base`.
    #[track_caller]
    pub fn assert_quiet(&self, base: &str) {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        assert!(seen.problems.is_empty(), "{:#?}", seen.problems);
        let mut requests = seen.requests.iter().filter(|url| *url != "about:blank");
        assert!(requests.clone().count() > 5, "{:?}", seen.requests);
        assert!(
            requests.all(|request| request.starts_with(base)),
            "not only {base}: {:#?}",
            seen.requests
        );
    }
}

//! A real browser, and what went wrong in it.

use std::ffi::OsStr;
use std::fmt::Debug;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use headless_chrome::browser::default_executable;
use headless_chrome::protocol::cdp::types::Event;
use headless_chrome::protocol::cdp::{Emulation, Log, Network, Page as Pages, Runtime};
use headless_chrome::{Browser, LaunchOptions, Tab};
use serde::de::DeserializeOwned;

/// Set where a browser must be there.
const DEMANDED: &str = "PERCEPT_TEST_BROWSER";

/// How long a page may take to get where a test wants it, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A page in a browser of its own.
pub struct Page {
    tab: Arc<Tab>,
    seen: Arc<Mutex<Seen>>,
    _browser: Browser,
}

#[derive(Default)]
struct Seen {
    requests: Vec<String>,
    problems: Vec<String>,
}

/// An empty page, or nothing but a remark where there is no browser.
pub fn page() -> Option<Page> {
    let executable = match default_executable() {
        Ok(executable) => executable,
        Err(error) => {
            assert!(std::env::var_os(DEMANDED).is_none(), "{error}");
            crate::skipped(&format!("no Chromium: {error}"));
            return None;
        }
    };
    let options = LaunchOptions {
        path: Some(executable),
        sandbox: false,
        window_size: Some((1280, 900)),
        idle_browser_timeout: Duration::from_secs(600),
        args: ["--hide-scrollbars", "--force-prefers-reduced-motion"]
            .map(OsStr::new)
            .to_vec(),
        ..LaunchOptions::default()
    };
    let browser = Browser::new(options).unwrap();
    let tab = browser.new_tab().unwrap();
    tab.set_default_timeout(PATIENCE);
    let seen = Arc::new(Mutex::new(Seen::default()));
    let noted = seen.clone();
    tab.add_event_listener(Arc::new(move |event: &Event| {
        note(&mut noted.lock().unwrap(), event);
    }))
    .unwrap();
    let enable = Network::Enable {
        max_total_buffer_size: None,
        max_resource_buffer_size: None,
        max_post_data_size: None,
        report_direct_socket_traffic: None,
        enable_durable_messages: None,
    };
    tab.call_method(enable).unwrap();
    tab.call_method(Log::Enable(None)).unwrap();
    tab.call_method(Runtime::Enable(None)).unwrap();
    tab.call_method(Pages::Enable {
        enable_file_chooser_opened_event: None,
    })
    .unwrap();
    let page = Page {
        tab,
        seen,
        _browser: browser,
    };
    page.resize(1280, 900, false);
    Some(page)
}

fn note(seen: &mut Seen, event: &Event) {
    match event {
        Event::NetworkRequestWillBeSent(sent) => {
            seen.requests.push(sent.params.request.url.clone());
        }
        Event::NetworkLoadingFailed(failed) if failed.params.canceled != Some(true) => {
            seen.problems
                .push(format!("failed: {}", failed.params.error_text));
        }
        Event::LogEntryAdded(added) => {
            let entry = &added.params.entry;
            seen.problems
                .push(format!("{:?}: {} {:?}", entry.level, entry.text, entry.url));
        }
        Event::RuntimeExceptionThrown(thrown) => {
            seen.problems
                .push(format!("{:?}", thrown.params.exception_details));
        }
        Event::RuntimeConsoleAPICalled(called) => {
            seen.problems
                .push(format!("console: {:?}", called.params.args));
        }
        _ => {}
    }
}

impl Page {
    /// Opens an address as somebody who was not there before.
    pub fn go(&self, address: &str) {
        for url in ["about:blank", address] {
            self.tab
                .call_method(Pages::Navigate {
                    url: url.to_owned(),
                    referrer: None,
                    transition_Type: None,
                    frame_id: None,
                    referrer_policy: None,
                })
                .unwrap();
        }
        self.until("location.href !== 'about:blank' && document.readyState === 'complete'");
    }

    /// Opens an atlas from the disk, at what comes after the `#`.
    pub fn open(&self, folder: &Path, hash: &str) {
        self.go(&format!("file://{}/index.html{hash}", folder.display()));
    }

    pub fn resize(&self, width: u32, height: u32, is_phone: bool) {
        self.tab
            .call_method(Emulation::SetDeviceMetricsOverride {
                width,
                height,
                device_scale_factor: if is_phone { 2.0 } else { 1.0 },
                mobile: is_phone,
                scale: None,
                screen_width: None,
                screen_height: None,
                position_x: None,
                position_y: None,
                dont_set_visible_size: None,
                screen_orientation: None,
                viewport: None,
                display_feature: None,
                device_posture: None,
            })
            .unwrap();
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
        self.tab.evaluate(&body, false).unwrap();
    }

    fn try_eval<T: DeserializeOwned>(&self, expression: &str) -> Result<T, String> {
        let text = self
            .tab
            .evaluate(&format!("JSON.stringify({expression})"), true)
            .map_err(|error| error.to_string())?;
        let text = text.value.ok_or("is nothing")?;
        let text = text.as_str().ok_or("is not JSON")?;
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

    pub fn click(&self, selector: &str) {
        self.tab
            .wait_for_element(selector)
            .unwrap()
            .click()
            .unwrap();
    }

    pub fn press(&self, key: &str) {
        self.tab.press_key(key).unwrap();
    }

    pub fn type_text(&self, text: &str) {
        self.tab.type_str(text).unwrap();
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

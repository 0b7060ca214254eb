//! How a run is ended from outside: by Ctrl-C, by a scheduler, by a terminal that closes.
//!
//! The first signal asks the run to stop: between two images it then keeps what is finished, and ends. One
//! that is not there after [`PATIENCE`] is ended as it is: every file in an output folder is whole at any
//! moment. A signal that was ignored when percept was started, as `nohup` has it, stays ignored.

use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;
use std::time::Duration;

use super::options::remark;
use crate::error::{Error, Kind, Result};

/// The signal that asked the run to stop, 0 until then.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// How long a run may take to stop: on cores with ten times the load that they can bear it is gone within five
/// seconds then. Slurm and Kubernetes kill what is still there after 30.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often a run that stops is looked after.
const TICK: Duration = Duration::from_millis(20);

/// Lets signals stop the run from now on; until then they end it at once.
///
/// # Errors
/// When the system has no room for a thread that listens.
pub fn listen() -> Result<()> {
    system::listen()
        .map_err(|source| Error::new(Kind::Internal, "cannot listen for signals").caused_by(source))
}

/// Whether the run is to stop.
pub fn is_asked() -> bool {
    SIGNAL.load(Ordering::SeqCst) != 0
}

/// The exit code of a run that was stopped: as shells have it, 128 and the signal's number.
pub fn exit_code() -> u8 {
    code_of(SIGNAL.load(Ordering::SeqCst)) as u8
}

fn code_of(signal: i32) -> i32 {
    128 + signal
}

/// Prints a line on a thread of its own: whoever reads standard error may have stopped reading.
fn remark_beside(line: &'static str) {
    let _ = thread::Builder::new().spawn(move || remark(line));
}

fn ask(signal: i32) {
    SIGNAL.store(signal, Ordering::SeqCst);
    remark_beside("\nstopping: what is finished is kept; Ctrl-C once more stops at once");
}

fn give_up() {
    remark_beside("percept: stopped, without what could not be finished in time");
    thread::sleep(TICK);
}

#[cfg(unix)]
mod system {
    use std::mem::MaybeUninit;
    use std::time::Instant;
    use std::{io, ptr, thread};

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::exit;

    use super::{PATIENCE, TICK, ask, code_of, give_up};

    pub fn listen() -> io::Result<()> {
        let signals = [SIGINT, SIGTERM, SIGHUP].into_iter();
        let heard: Vec<i32> = signals.filter(|&signal| !is_ignored(signal)).collect();
        let mut signals = Signals::new(heard)?;
        let listener = thread::Builder::new().name("signals".to_owned());
        listener.spawn(move || {
            if let Some(signal) = signals.forever().next() {
                end(&mut signals, signal);
            }
        })?;
        Ok(())
    }

    /// Ends the process, unless it ends before.
    fn end(signals: &mut Signals, signal: i32) -> ! {
        ask(signal);
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            thread::sleep(TICK);
            if signals.pending().any(|signal| signal == SIGINT) {
                exit(code_of(SIGINT));
            }
        }
        give_up();
        exit(code_of(signal))
    }

    fn is_ignored(signal: i32) -> bool {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: without a new action the call only writes the present one, a struct of numbers, to a
        // place that has room for it and is valid as it is.
        unsafe {
            libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) == 0
                && action.assume_init().sa_sigaction == libc::SIG_IGN
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::{io, process, thread};

    use super::{PATIENCE, ask, code_of, give_up, is_asked};

    /// What Unix calls Ctrl-C.
    const INTERRUPT: i32 = 2;

    pub fn listen() -> io::Result<()> {
        let listening = ctrlc::set_handler(|| {
            if is_asked() {
                process::exit(code_of(INTERRUPT));
            }
            ask(INTERRUPT);
            let _ = thread::Builder::new().spawn(|| {
                thread::sleep(PATIENCE);
                give_up();
                process::exit(code_of(INTERRUPT));
            });
        });
        listening.map_err(io::Error::other)
    }
}

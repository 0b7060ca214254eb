//! Who is told how a download goes.

use std::fmt::Debug;

/// Is told of what is fetched from the hub, and asked whether to go on.
pub trait Downloads: Debug {
    /// Nothing comes at the moment: what is waited for, in the words of a status line.
    fn waits(&self, what: &str);

    /// A file begins to come, of so many bytes where that is known; `done` of them are there already.
    fn begins(&self, file: &str, bytes: Option<u64>, done: u64);

    /// So many bytes of the file are there now.
    fn reaches(&self, bytes: u64);

    /// Nothing is fetched any more, for now.
    fn ends(&self);

    /// A line that the user should read: a damaged file, another process that is waited for.
    fn remark(&self, line: &str);

    /// Whether the run is to end; what was fetched by then stays, and is gone on with the next time.
    fn should_stop(&self) -> bool {
        false
    }
}

/// Tells nobody.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Downloads for Silent {
    fn waits(&self, _: &str) {}

    fn begins(&self, _: &str, _: Option<u64>, _: u64) {}

    fn reaches(&self, _: u64) {}

    fn ends(&self) {}

    fn remark(&self, _: &str) {}
}

//! What a run says at its end.

use std::fmt;

use serde::Serialize;

use crate::error::printable;

#[derive(Serialize)]
pub struct Answer<'a> {
    pub folder: &'a str,
    pub shard: &'a str,
    pub pictures: usize,
    pub done: usize,
    pub rendered: usize,
    pub seconds: f64,
    pub units_per_minute: f64,
    pub failed: Vec<String>,
}

impl fmt::Display for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { folder, done, .. } = self;
        let folder = printable(folder);
        write!(f, "{folder}: {done} of {} pictures", self.pictures)?;
        if self.rendered > 0 {
            let time = match self.seconds {
                ..60.0 => format!("{:.1} s", self.seconds),
                _ => format!("{:.1} min", self.seconds / 60.0),
            };
            write!(
                f,
                ", {} of them now, in {time}: {:.1} units/min",
                self.rendered, self.units_per_minute
            )?;
        }
        Ok(())
    }
}

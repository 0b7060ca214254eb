//! Requests for what an encoder does not have.

use super::Encoder;
use super::tap::TapId;
use crate::error::{Result, bail};

impl Encoder {
    /// # Errors
    /// When the weights give no embedding: says why.
    pub fn check_embedding(&self) -> Result<()> {
        match self.embedding.missing() {
            None => Ok(()),
            Some(why) => bail!(
                Request,
                "this model has no embedding: {why}; its taps are there (`percept layers` lists them)"
            ),
        }
    }

    /// # Errors
    /// When a tap has no unit of this number: says how many there are.
    pub fn check_unit(&self, tap: TapId, unit: usize) -> Result<()> {
        let tap = self.tap(tap);
        if unit >= tap.channels {
            bail!(
                Request,
                "{tap} has {} units, 0 to {}; there is no unit {unit} (`percept layers` lists the taps)",
                tap.channels,
                tap.channels - 1
            );
        }
        Ok(())
    }
}

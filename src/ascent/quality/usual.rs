//! How units usually respond: what a picture's response is compared with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::go_on;
use super::seen::see_here;
use crate::ascent::Watch;
use crate::encoder::tap::TapId;
use crate::error::Result;
use crate::model::Model;
use crate::model::statistics::Statistics;
use crate::objective::{Bound, Objective, Position, Sources, UnitRead};
use crate::param::{Basis, Parameterisation};
use crate::seed::{Key, Purpose};
use crate::size::Size;

/// Noise images on which a tap's usual responses are measured where none are shipped.
const NOISE_IMAGES: u64 = 32;

/// How much stronger than an ascent's first image the noise is: its pixels then vary about as
/// much as a photograph's.
const NOISE_CONTRAST: f64 = 30.0;

/// A tap, a canvas' size, and where the tap is read.
type Place = (TapId, Size, Position);

/// The usual responses of one model's units.
pub struct Usual<'a> {
    model: &'a Model,
    known: Mutex<HashMap<Place, Arc<Statistics>>>,
}

impl<'a> Usual<'a> {
    /// None are known yet.
    pub fn new(model: &'a Model) -> Self {
        Self {
            model,
            known: Mutex::default(),
        }
    }

    /// Those of all units of a unit's tap, where it is read: shipped for means over positions, or measured once on
    /// noise of this size.
    ///
    /// # Errors
    /// When the noise cannot be looked at, or `watch` stops it.
    pub fn statistics(
        &self,
        unit: UnitRead,
        size: Size,
        watch: &dyn Watch,
    ) -> Result<Arc<Statistics>> {
        let place = (unit.tap, size, unit.position);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(statistics) = known.get(&place) {
            return Ok(statistics.clone());
        }
        let shipped = match unit.position {
            Position::Mean => self.model.statistics(unit.tap),
            _ => None,
        };
        let statistics = match shipped {
            Some(shipped) => shipped,
            None => self.on_noise(place, watch)?,
        };
        let statistics = Arc::new(statistics);
        known.insert(place, statistics.clone());
        Ok(statistics)
    }

    fn on_noise(&self, (tap, size, position): Place, watch: &dyn Watch) -> Result<Statistics> {
        let encoder = &self.model.encoder;
        let name = encoder.tap(tap).name.clone();
        let any_unit = Objective::unit(Some(name), 0, position);
        let any_unit = Arc::new(Bound::new(&any_unit, &Sources::new(self.model))?);
        let parameterisation = Parameterisation::new(Basis::Fourier { decay: 1.0 }, size);
        let mut images = Vec::new();
        for index in 0..NOISE_IMAGES {
            go_on(watch)?;
            let mut stream = Key::new(0, "noise", 0).stream(Purpose::Statistics, index);
            let parameters = parameterisation.initial(&mut stream, encoder.dtype())?;
            let (image, _) = parameterisation.forward(&(parameters * NOISE_CONTRAST)?)?;
            let seen = see_here(self.model, &any_unit, &image, None, watch)?;
            images.push(seen.activity.channels);
        }
        let place = match position {
            Position::Mean => "",
            _ => ", at that position",
        };
        let source = format!("{NOISE_IMAGES} images of 1/f noise{place}");
        Ok(Statistics::of(&images, source))
    }
}

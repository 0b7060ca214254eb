//! One forward pass, as tensors.

use candle_core::Tensor;

use super::engine::Cpu;
use super::layer::Rules;
use super::program::{Program, Run};
use super::tap::{Tap, TapId};
use crate::backend::cpu::Real;
use crate::backend::field::Field;
use crate::error::{Result, bail};

/// A field of either element type.
pub enum AnyField<'a> {
    /// In `f32`.
    Single(&'a Field<f32>),
    /// In `f64`.
    Double(&'a Field<f64>),
}

/// One forward pass: the activations at its taps, and the way back.
pub struct Pass<'a> {
    /// Every tap of the encoder.
    taps: &'a [Tap],
    kept: Kept<'a>,
}

/// A program and what one pass through it kept.
pub enum Kept<'a> {
    Single(&'a Program<Cpu<f32>>, Run<Cpu<f32>>),
    Double(&'a Program<Cpu<f64>>, Run<Cpu<f64>>),
}

impl<'a> Pass<'a> {
    pub(super) fn new(taps: &'a [Tap], kept: Kept<'a>) -> Self {
        Self { taps, kept }
    }

    /// The activation at a tap that the pass was asked for: `(n, channels, h, w)`,
    /// `(n, tokens, channels)` or `(n, channels)`, as the tap's layout says.
    ///
    /// # Errors
    /// When the pass was not asked for it.
    pub fn activation(&self, tap: TapId) -> Result<Tensor> {
        let Tap { name, layout, .. } = &self.taps[tap.0];
        let activation = match &self.kept {
            Kept::Single(_, run) => run.activation(tap).map(|x| Cpu::to_tensor(x, *layout)),
            Kept::Double(_, run) => run.activation(tap).map(|x| Cpu::to_tensor(x, *layout)),
        };
        match activation {
            Some(activation) => activation,
            None => bail!(Internal, "the pass did not keep {name}"),
        }
    }

    /// The activations at a tap that the pass was asked for, as they lie: `(n, positions, channels)`.
    ///
    /// # Errors
    /// When the pass was not asked for it.
    pub fn field(&self, tap: TapId) -> Result<AnyField<'_>> {
        let field = match &self.kept {
            Kept::Single(_, run) => run.activation(tap).map(AnyField::Single),
            Kept::Double(_, run) => run.activation(tap).map(AnyField::Double),
        };
        match field {
            Some(field) => Ok(field),
            None => bail!(Internal, "the pass did not keep {}", self.taps[tap.0]),
        }
    }

    /// The cotangent of the normalised pixels, `(n, 3, h, w)`, from cotangents at taps that the pass was
    /// asked for, each of its activation's shape and the encoder's element type.
    ///
    /// # Errors
    /// When there is no cotangent, one has another number of dimensions or element type, or belongs to a tap that the
    /// pass did not reach.
    pub fn pullback(&self, cotangents: &[(TapId, Tensor)], rules: Rules) -> Result<Tensor> {
        match &self.kept {
            Kept::Single(program, run) => self.back(program, run, cotangents, rules),
            Kept::Double(program, run) => self.back(program, run, cotangents, rules),
        }
    }

    fn back<T: Real>(
        &self,
        program: &Program<Cpu<T>>,
        run: &Run<Cpu<T>>,
        cotangents: &[(TapId, Tensor)],
        rules: Rules,
    ) -> Result<Tensor> {
        let fields = cotangents
            .iter()
            .map(|(tap, cotangent)| {
                let layout = self.taps[tap.0].layout;
                Ok((*tap, Cpu::from_tensor(cotangent, layout)?))
            })
            .collect::<Result<_>>()?;
        program.pullback(run, fields, rules)?.to_planes()
    }
}

//! The frozen vision towers: activations at taps on the way forward, the cotangent of the image
//! on the way back.

pub mod affine;
pub mod architecture;
pub mod attention;
mod check;
pub mod embedding;
pub mod engine;
pub mod layer;
pub mod overflow;
mod pass;
pub mod positions;
pub mod program;
pub mod resnet;
pub mod tap;
pub mod transformer;
pub mod vit;
pub mod weights;

#[cfg(feature = "cuda")]
use std::sync::Arc;

use candle_core::{DType, Tensor};

use crate::backend::cpu::Real;
#[cfg(feature = "cuda")]
use crate::backend::cuda::{Float, Gpu};
use crate::backend::field::Field;
use crate::error::{Result, bail, did_you_mean, shorten};
use crate::size::Size;
use architecture::{Architecture, RESNET_STRIDE, Vision};
use embedding::Embedding;
use engine::Cpu;
#[cfg(feature = "cuda")]
use engine::cuda::Cuda;
use pass::Kept;
pub use pass::{AnyField, Pass};
use program::Program;
use tap::{Layout, Tap, TapId, canonical};
use weights::Weights;

/// A CLIP image encoder whose weights never change.
pub struct Encoder {
    program: Precision,
    default_tap: TapId,
    vision: Vision,
    resolution: usize,
    embedding: Embedding,
}

/// The program in the element type that it computes in.
enum Precision {
    Single(Program<Cpu<f32>>),
    Double(Program<Cpu<f64>>),
}

impl Encoder {
    /// Takes the vision tower's tensors out of `weights`; computes in `dtype` (`F32`, or `F64`
    /// for checks).
    ///
    /// # Errors
    /// When a tensor is missing or misshapen, or the tower has no block.
    pub fn new(architecture: &Architecture, weights: &mut Weights, dtype: DType) -> Result<Self> {
        let (program, default_tap) = match dtype {
            DType::F64 => {
                let (program, tap) = build(architecture, weights)?;
                (Precision::Double(program), tap)
            }
            _ => {
                let (program, tap) = build(architecture, weights)?;
                (Precision::Single(program), tap)
            }
        };
        Ok(Self {
            program,
            default_tap,
            vision: architecture.vision,
            resolution: architecture.resolution,
            embedding: architecture.embedding,
        })
    }

    /// Every tap, in the order of the forward pass.
    pub fn taps(&self) -> &[Tap] {
        match &self.program {
            Precision::Single(program) => program.taps(),
            Precision::Double(program) => program.taps(),
        }
    }

    /// A tap by its canonical name.
    pub fn find(&self, name: &str) -> Option<TapId> {
        self.taps()
            .iter()
            .position(|tap| tap.name == name)
            .map(TapId)
    }

    /// A tap by a name of the user's: the canonical one or one of the literature's.
    ///
    /// # Errors
    /// When there is none: says which there are, and which may be meant.
    pub fn tap_named(&self, name: &str) -> Result<TapId> {
        let wanted = canonical(name);
        if let Some(id) = self.find(&wanted) {
            return Ok(id);
        }
        if wanted == "embedding" {
            self.check_embedding()?;
        }
        let names = self.taps().iter().map(|tap| tap.name.as_str());
        bail!(
            Request,
            "this model has no tap {}; its default is {}, and `percept layers` lists all {}{}",
            shorten(name),
            self.tap(self.default_tap()),
            self.taps().len(),
            did_you_mean(&wanted, names)
        )
    }

    /// What is known of a tap.
    pub fn tap(&self, id: TapId) -> &Tap {
        &self.taps()[id.0]
    }

    /// The tap that a bare unit number means: the last block's residual sum for a ResNet, the
    /// hidden units of the last but one block's MLP for a ViT.
    pub fn default_tap(&self) -> TapId {
        self.default_tap
    }

    /// The height and width of the images that the model was trained on.
    pub fn resolution(&self) -> usize {
        self.resolution
    }

    /// The element type that the encoder computes in.
    pub fn dtype(&self) -> DType {
        match &self.program {
            Precision::Single(_) => DType::F32,
            Precision::Double(_) => DType::F64,
        }
    }

    /// Does something with the program that computes the encoder on the CPU.
    pub fn visit<V: Visit>(&self, visitor: V) -> V::Output {
        match &self.program {
            Precision::Single(program) => visitor.visit(program),
            Precision::Double(program) => visitor.visit(program),
        }
    }

    /// Whether the second tap's values are made of the first's.
    pub fn lies_before(&self, first: TapId, second: TapId) -> bool {
        match &self.program {
            Precision::Single(program) => program.lies_before(first, second),
            Precision::Double(program) => program.lies_before(first, second),
        }
    }

    /// The weights that lead into a tap's units, `(units, inputs)`, batch normalisation folded in: of the
    /// affine map that makes them (before a ReLU, an activation or pooling), and beside it of the map
    /// that makes a residual sum's other part, where there is one. `None` where no map makes them.
    ///
    /// # Errors
    /// When memory is short.
    pub fn incoming(&self, tap: TapId) -> Result<Option<Tensor>> {
        match &self.program {
            Precision::Single(program) => program.incoming(tap),
            Precision::Double(program) => program.incoming(tap),
        }
    }

    /// The size of the encoder's input for a canvas, when these taps are read: where they allow any size, the nearest
    /// multiples of the trunk's stride; where they do not, the model's square.
    pub fn view(&self, canvas: Size, taps: &[TapId]) -> Size {
        let nearest = |side: usize| {
            let cells = (side + RESNET_STRIDE / 2) / RESNET_STRIDE;
            cells.max(1) * RESNET_STRIDE
        };
        match self.vision {
            Vision::ResNet(_) if !self.reads_embedding(taps) => Size {
                height: nearest(canvas.height),
                width: nearest(canvas.width),
            },
            _ => Size::square(self.resolution),
        }
    }

    fn reads_embedding(&self, taps: &[TapId]) -> bool {
        taps.iter()
            .any(|&tap| self.tap(tap).layout == Layout::Vector)
    }

    /// Runs `(n, 3, h, w)` normalised pixels up to the deepest of `taps` and keeps their
    /// activations, with what a pullback needs.
    ///
    /// # Errors
    /// When the image's size does not fit the model and these taps.
    pub fn forward(&self, x: &Tensor, taps: &[TapId]) -> Result<Pass<'_>> {
        let Ok((_, 3, height, width)) = x.dims4() else {
            bail!(
                Input,
                "an image batch has the shape (n, 3, h, w), not {:?}",
                x.dims()
            );
        };
        let resolution = self.resolution;
        match self.vision {
            Vision::ResNet(_) if !self.reads_embedding(taps) => {
                let smallest = RESNET_STRIDE;
                if height < smallest || width < smallest {
                    bail!(
                        Input,
                        "a {height}x{width} image is too small for this model: give at least {smallest}x{smallest}"
                    );
                }
            }
            _ if (height, width) != (resolution, resolution) => {
                bail!(
                    Input,
                    "this model reads images of {resolution}x{resolution} pixels at this tap, not {height}x{width}"
                )
            }
            _ => {}
        }
        let x = x.to_dtype(self.dtype())?;
        let kept = match &self.program {
            Precision::Single(program) => {
                Kept::Single(program, program.run(Field::from_planes(&x)?, taps)?)
            }
            Precision::Double(program) => {
                Kept::Double(program, program.run(Field::from_planes(&x)?, taps)?)
            }
        };
        Ok(Pass::new(self.taps(), kept))
    }
}

#[cfg(feature = "cuda")]
impl Encoder {
    /// The same encoder on a device, activations stored as `T`.
    ///
    /// # Errors
    /// When the device's memory is full, or this build needs cuDNN for 16 bits and it is missing.
    pub fn upload<T: Float>(&self, gpu: &Arc<Gpu>) -> Result<Program<Cuda<T>>> {
        match &self.program {
            Precision::Single(program) => Cuda::upload(program, gpu),
            Precision::Double(program) => Cuda::upload(program, gpu),
        }
    }
}

/// A tower's program, and the tap that a bare unit number means.
fn build<T: Real>(
    architecture: &Architecture,
    weights: &mut Weights,
) -> Result<(Program<Cpu<T>>, TapId)> {
    match architecture.vision {
        Vision::ResNet(shape) => resnet::build(shape, architecture, weights),
        Vision::Vit(shape) => vit::build(shape, architecture, weights),
    }
}

/// What is done with an encoder's program, whatever element type it computes in.
pub trait Visit {
    /// What comes of it.
    type Output;

    /// Is called with the program.
    fn visit<T: Real>(self, program: &Program<Cpu<T>>) -> Self::Output;
}

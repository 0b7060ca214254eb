//! The kernels that pictures are resized with, as Pillow defines them.

use std::f64::consts::PI;
use std::fmt;

/// A resampling filter: what a source pixel weighs by its distance from the centre, in source pixels of an
/// enlargement, in target pixels of a reduction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// The mean of what a target pixel covers.
    Box,
    /// A triangle.
    Bilinear,
    /// A sinc under Hamming's window, as far as its first zero.
    Hamming,
    /// Keys' cubic with a = -1/2.
    Bicubic,
    /// A sinc under a sinc of three times its width.
    Lanczos,
}

impl Filter {
    /// How far the kernel reaches.
    pub(super) fn support(self) -> f64 {
        match self {
            Self::Box => 0.5,
            Self::Bilinear | Self::Hamming => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    /// The kernel at a distance.
    pub(super) fn weight(self, x: f64) -> f64 {
        let distance = x.abs();
        if self == Self::Box {
            return f64::from(u8::from(x > -0.5 && x <= 0.5));
        }
        if distance >= self.support() {
            return 0.0;
        }
        match self {
            Self::Box | Self::Bilinear => 1.0 - distance,
            Self::Hamming => sinc(distance) * (0.54 + 0.46 * (PI * distance).cos()),
            Self::Bicubic => bicubic(distance),
            Self::Lanczos => sinc(distance) * sinc(distance / 3.0),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Box => "box",
            Self::Bilinear => "bilinear",
            Self::Hamming => "hamming",
            Self::Bicubic => "bicubic",
            Self::Lanczos => "lanczos",
        })
    }
}

fn sinc(x: f64) -> f64 {
    match x == 0.0 {
        true => 1.0,
        false => (PI * x).sin() / (PI * x),
    }
}

/// Keys' cubic, in the order of operations that Pillow rounds in.
fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    match x < 1.0 {
        true => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        false => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
    }
}

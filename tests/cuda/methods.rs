//! The table of the methods of convolutions (`src/ops/conv/cuda/choice.rs`), for networks that are known.

use half::{bf16, f16};
use percept::ops::conv::Window;
use percept::ops::conv::cuda::GpuMethod::{self, Patches, Winograd};

const fn window(side: usize, stride: usize, padding: usize) -> Window {
    Window {
        side,
        stride,
        padding,
    }
}

/// The method of 16-bit numbers where windows overlap, and what it is without cuDNN.
#[cfg(feature = "cudnn")]
const fn narrow(_without: GpuMethod) -> GpuMethod {
    GpuMethod::Cudnn
}
#[cfg(not(feature = "cudnn"))]
const fn narrow(without: GpuMethod) -> GpuMethod {
    without
}

/// The convolutions of RN50 at 224 pixels, of RN50x4 at 288, and of ViT-B/32 and ViT-L/14, that are not 1x1: side
/// and channels of their inputs.
#[test]
fn methods_of_known_networks() {
    const STEM: Window = window(3, 2, 1);
    const SPATIAL: Window = Window::SPATIAL;
    for (window, side, inputs, single, narrow) in [
        (STEM, 224, 3, Patches, narrow(Patches)),
        (SPATIAL, 112, 32, Winograd, narrow(Winograd)),
        (SPATIAL, 56, 64, Winograd, narrow(Winograd)),
        (SPATIAL, 56, 128, Winograd, narrow(Patches)),
        (SPATIAL, 28, 128, Winograd, narrow(Patches)),
        (SPATIAL, 28, 256, Winograd, narrow(Patches)),
        (SPATIAL, 14, 256, Winograd, narrow(Patches)),
        (SPATIAL, 14, 512, Winograd, narrow(Patches)),
        (SPATIAL, 7, 512, Patches, narrow(Patches)),
        (STEM, 288, 3, Patches, narrow(Patches)),
        (SPATIAL, 144, 40, Winograd, narrow(Winograd)),
        (SPATIAL, 72, 80, Winograd, narrow(Winograd)),
        (SPATIAL, 72, 160, Winograd, narrow(Patches)),
        (SPATIAL, 36, 160, Winograd, narrow(Patches)),
        (SPATIAL, 36, 320, Winograd, narrow(Patches)),
        (SPATIAL, 18, 320, Winograd, narrow(Patches)),
        (SPATIAL, 18, 640, Winograd, narrow(Patches)),
        (SPATIAL, 9, 640, Patches, narrow(Patches)),
        (window(32, 32, 0), 224, 3, Patches, Patches),
        (window(14, 14, 0), 224, 3, Patches, Patches),
    ] {
        let positions = side * side;
        let methods = [
            GpuMethod::of::<f32>(window, inputs, positions),
            GpuMethod::of::<f16>(window, inputs, positions),
            GpuMethod::of::<bf16>(window, inputs, positions),
        ];
        assert_eq!(
            methods,
            [single, narrow, narrow],
            "{window:?}, {side}, {inputs}"
        );
    }
}

/// Of few channels, which the CPU takes through patches too.
#[test]
fn few_channels_go_through_patches() {
    let few = 31;
    assert_eq!(GpuMethod::of::<f32>(Window::SPATIAL, few, 10_000), Patches);
    assert_eq!(
        GpuMethod::of::<f16>(Window::SPATIAL, few, 10_000),
        narrow(Patches)
    );
}

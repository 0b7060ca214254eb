//! What follows products in a ResNet: epilogues, windows, patches, and Winograd's transforms.

use percept::backend::cuda::launch::{
    epilogue_bwd, epilogue_fwd, epilogue_pool_fwd, patches_bwd, patches_fwd, pool_bwd, pool_fwd,
    relu_alive_bwd, relu_redirect_bwd, winograd_input_fwd, winograd_output_fwd, winograd_pool_fwd,
};
use percept::backend::cuda::{Float, Grid, Out};

use super::Bench;

/// The sizes of a field, as kernels take them.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub images: u32,
    pub side: u32,
    pub channels: u32,
}

impl Sizes {
    fn rows(self) -> u32 {
        self.images * self.side * self.side
    }

    fn count(self) -> usize {
        self.rows() as usize * self.channels as usize
    }

    fn words(self) -> usize {
        self.rows() as usize * self.channels.div_ceil(32) as usize
    }

    fn tiles(self) -> usize {
        self.images as usize * (self.side.div_ceil(4) as usize).pow(2)
    }
}

pub fn all<T: Float>(bench: &mut Bench, own: Sizes) {
    let gpu = bench.clock.gpu.clone();
    let Sizes {
        images,
        side,
        channels,
    } = own;
    let (rows, n, e, mask) = (own.rows(), own.count(), size_of::<T>(), 4 * own.words());
    let (mut x, y) = (bench.zeros::<T>(n), bench.zeros::<T>(n));
    let bias = bench.zeros::<f32>(channels as usize);
    let mut words = bench.zeros::<u32>(own.words());
    let mut alive = bench.zeros::<u32>(images as usize);
    let mut small = bench.zeros::<T>(n / 4);
    let name = |kernel: &str| format!("{kernel} {}, {side}x{side}x{channels}", T::SUFFIX);
    let a_word = Grid::warps(own.words());

    bench.kernel(&name("epilogue_fwd"), 3 * e * n + mask, 3 * n, || {
        let (from, to) = Out::in_place(&mut x);
        epilogue_fwd(
            &gpu,
            a_word,
            from,
            (&bias).into(),
            (&y).into(),
            to,
            (&mut words).into(),
            rows,
            channels,
        )
    });
    bench.kernel(&name("epilogue_bwd"), 3 * e * n + mask, 2 * n, || {
        let (from, to) = Out::in_place(&mut x);
        epilogue_bwd(
            &gpu,
            a_word,
            from,
            (&y).into(),
            (&words).into(),
            to,
            rows,
            channels,
        )
    });
    bench.kernel(
        &name("epilogue_pool_fwd"),
        e * n * 5 / 4 + mask,
        3 * n,
        || {
            let grid = Grid::warps(own.words() / 4);
            let (x, bias) = ((&x).into(), (&bias).into());
            epilogue_pool_fwd(
                &gpu,
                grid,
                x,
                bias,
                (&mut small).into(),
                (&mut words).into(),
                images,
                side,
                side,
                channels,
            )
        },
    );
    bench.kernel(&name("relu_alive_bwd"), e * n + mask, n, || {
        let grid = Grid::blocks(images as usize);
        relu_alive_bwd(
            &gpu,
            grid,
            (&x).into(),
            (&words).into(),
            (&mut alive).into(),
            side * side,
            channels,
        )
    });
    bench.kernel(&name("relu_redirect_bwd"), 2 * e * n + mask, 2 * n, || {
        let (from, to) = Out::in_place(&mut x);
        let grid = Grid::elements(n);
        relu_redirect_bwd(
            &gpu,
            grid,
            from,
            (&words).into(),
            (&alive).into(),
            to,
            images,
            side * side,
            channels,
        )
    });
    bench.kernel(&name("pool_fwd"), e * n * 5 / 4, n, || {
        let grid = Grid::elements(n / 4);
        pool_fwd(
            &gpu,
            grid,
            (&x).into(),
            (&mut small).into(),
            images,
            side,
            side,
            channels,
            2,
        )
    });
    bench.kernel(&name("pool_bwd"), e * n * 5 / 4 + mask, 2 * n, || {
        let (dy, gate) = ((&small).into(), (&words).into());
        let grid = Grid::elements(n);
        pool_bwd(
            &gpu,
            grid,
            dy,
            None.into(),
            gate,
            (&mut x).into(),
            images,
            side,
            side,
            channels,
            2,
        )
    });

    let mut patches = bench.zeros::<T>(9 * n);
    bench.kernel(&name("patches_fwd"), 10 * e * n, 0, || {
        let (x, to, grid) = ((&x).into(), (&mut patches).into(), Grid::elements(9 * n));
        patches_fwd(
            &gpu, grid, x, to, images, side, side, channels, 3, 1, 1, side, side,
        )
    });
    bench.kernel(&name("patches_bwd"), 10 * e * n, 9 * n, || {
        let (dy, to, grid) = ((&patches).into(), (&mut x).into(), Grid::elements(n));
        patches_bwd(
            &gpu, grid, dy, to, images, side, side, channels, 3, 1, 1, side, side,
        )
    });
    drop(patches);

    let transformed = 36 * own.tiles() * channels as usize;
    let mut tiles = bench.zeros::<f32>(transformed);
    let a_tile = Grid::warps(own.tiles() * channels.div_ceil(32) as usize);
    bench.kernel(
        &name("winograd_input_fwd"),
        e * n + 4 * transformed,
        4 * transformed,
        || {
            winograd_input_fwd(
                &gpu,
                a_tile,
                (&x).into(),
                (&mut tiles).into(),
                images,
                side,
                side,
                channels,
            )
        },
    );
    bench.kernel(
        &name("winograd_output_fwd"),
        e * n + 4 * transformed + mask,
        3 * transformed,
        || {
            let (from, bias, to, made) = (
                (&tiles).into(),
                (&bias).into(),
                (&mut x).into(),
                (&mut words).into(),
            );
            winograd_output_fwd(
                &gpu,
                a_tile,
                from,
                bias,
                None.into(),
                to,
                made,
                None.into(),
                images,
                side,
                side,
                channels,
            )
        },
    );
    bench.kernel(
        &name("winograd_pool_fwd"),
        e * n / 4 + 4 * transformed + mask,
        3 * transformed,
        || {
            let (from, bias, to, made) = (
                (&tiles).into(),
                (&bias).into(),
                (&mut small).into(),
                (&mut words).into(),
            );
            winograd_pool_fwd(
                &gpu, a_tile, from, bias, to, made, images, side, side, channels,
            )
        },
    );
}

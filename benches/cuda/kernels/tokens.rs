//! Transformers: norms, activations, heads, softmax, tokens.

use percept::backend::cuda::launch::{
    class_tokens_bwd, class_tokens_fwd, first_token_bwd, first_token_fwd, gelu_bwd, gelu_fwd,
    heads_bwd, heads_fwd, layer_norm_bwd, layer_norm_fwd, mean_tokens_bwd, mean_tokens_fwd,
    quick_gelu_bwd, quick_gelu_fwd, softmax_bwd, softmax_fwd,
};
use percept::backend::cuda::{Float, Grid, Out};
use percept::ops::layer_norm::EPSILON;

use super::Bench;

pub fn all<T: Float>(bench: &mut Bench, images: u32, cells: u32, heads: u32) {
    const HEAD: u32 = 64;
    let gpu = bench.clock.gpu.clone();
    let (tokens, channels) = (cells + 1, heads * HEAD);
    let rows = images * tokens;
    let (n, e) = ((rows * channels) as usize, size_of::<T>());
    let (x, mut y, dy) = (
        bench.zeros::<T>(n),
        bench.zeros::<T>(n),
        bench.zeros::<T>(n),
    );
    let (gain, positions) = (bench.zeros::<f32>(n), bench.zeros::<f32>(n));
    let mut moments = bench.zeros::<f32>(2 * rows as usize);
    let name = |kernel: &str| format!("{kernel} {}, {tokens}x{channels}", T::SUFFIX);
    let (height, width) = (rows as i32, channels as i32);

    bench.kernel(&name("layer_norm_fwd"), 2 * e * n, 8 * n, || {
        let (grid, gain) = (Grid::every_row(rows as usize), (&gain).into());
        let (bias, to, moments) = ((&positions).into(), (&mut y).into(), (&mut moments).into());
        layer_norm_fwd(
            &gpu,
            grid,
            (&x).into(),
            gain,
            bias,
            to,
            moments,
            height,
            width,
            EPSILON as f32,
        )
    });
    bench.kernel(&name("layer_norm_bwd"), 3 * e * n, 14 * n, || {
        let (grid, moments) = (Grid::every_row(rows as usize), (&moments).into());
        let (gain, dy, to) = ((&gain).into(), (&dy).into(), (&mut y).into());
        layer_norm_bwd(
            &gpu,
            grid,
            (&x).into(),
            moments,
            gain,
            dy,
            to,
            height,
            width,
        )
    });
    let fours = Grid::elements(n.div_ceil(4));
    let count = n as u32;
    bench.kernel(&name("quick_gelu_fwd"), 2 * e * n, 12 * n, || {
        quick_gelu_fwd(&gpu, fours, (&x).into(), (&mut y).into(), count)
    });
    bench.kernel(&name("quick_gelu_bwd"), 3 * e * n, 16 * n, || {
        quick_gelu_bwd(
            &gpu,
            fours,
            (&x).into(),
            (&dy).into(),
            (&mut y).into(),
            count,
        )
    });
    bench.kernel(&name("gelu_fwd"), 2 * e * n, 20 * n, || {
        gelu_fwd(&gpu, fours, (&x).into(), (&mut y).into(), count)
    });
    bench.kernel(&name("gelu_bwd"), 3 * e * n, 25 * n, || {
        gelu_bwd(
            &gpu,
            fours,
            (&x).into(),
            (&dy).into(),
            (&mut y).into(),
            count,
        )
    });
    let each = Grid::elements(n);
    bench.kernel(&name("heads_fwd"), 2 * e * n, 0, || {
        heads_fwd(
            &gpu,
            each,
            (&x).into(),
            (&mut y).into(),
            images,
            tokens,
            1,
            heads,
            HEAD,
        )
    });
    bench.kernel(&name("heads_bwd"), 2 * e * n, 0, || {
        heads_bwd(
            &gpu,
            each,
            (&x).into(),
            (&mut y).into(),
            images,
            tokens,
            1,
            heads,
            HEAD,
        )
    });

    let keys = images * heads * tokens;
    let scores = (keys * tokens) as usize;
    let (mut p, ds) = (bench.zeros::<T>(scores), bench.zeros::<T>(scores));
    let a_row = Grid::every_row(keys as usize);
    bench.kernel(&name("softmax_fwd"), 2 * e * scores, 10 * scores, || {
        let (from, to) = Out::in_place(&mut p);
        softmax_fwd(&gpu, a_row, from, to, 0.1, keys, tokens)
    });
    bench.kernel(&name("softmax_bwd"), 3 * e * scores, 5 * scores, || {
        let (from, to) = Out::in_place(&mut p);
        softmax_bwd(&gpu, a_row, (&ds).into(), from, to, 0.1, keys, tokens)
    });

    let of_cells = (images * cells * channels) as usize;
    let of_images = (images * channels) as usize;
    bench.kernel(&name("class_tokens_fwd"), 2 * e * n, n, || {
        let (first, positions, to) = ((&gain).into(), (&positions).into(), (&mut y).into());
        class_tokens_fwd(
            &gpu,
            each,
            (&x).into(),
            first,
            positions,
            to,
            images,
            cells,
            channels,
        )
    });
    bench.kernel(&name("class_tokens_bwd"), 2 * e * of_cells, 0, || {
        class_tokens_bwd(
            &gpu,
            Grid::elements(of_cells),
            (&dy).into(),
            (&mut y).into(),
            images,
            cells,
            channels,
        )
    });
    bench.kernel(&name("first_token_fwd"), 2 * e * of_images, 0, || {
        first_token_fwd(
            &gpu,
            Grid::elements(of_images),
            (&x).into(),
            (&mut y).into(),
            images,
            tokens,
            channels,
        )
    });
    bench.kernel(&name("first_token_bwd"), e * n, 0, || {
        first_token_bwd(
            &gpu,
            each,
            (&dy).into(),
            (&mut y).into(),
            images,
            tokens,
            channels,
        )
    });
    bench.kernel(
        &name("mean_tokens_fwd"),
        2 * e * of_cells,
        2 * of_cells,
        || {
            let (grid, positions, to) = (
                Grid::elements(of_images),
                (&positions).into(),
                (&mut y).into(),
            );
            mean_tokens_fwd(
                &gpu,
                grid,
                (&x).into(),
                positions,
                to,
                images,
                cells,
                channels,
            )
        },
    );
    bench.kernel(
        &name("mean_tokens_bwd"),
        2 * e * of_cells,
        3 * of_cells,
        || {
            let (grid, dy, query) = (Grid::elements(of_cells), (&dy).into(), (&x).into());
            mean_tokens_bwd(
                &gpu,
                grid,
                dy,
                query,
                (&mut y).into(),
                images,
                cells,
                channels,
            )
        },
    );
}

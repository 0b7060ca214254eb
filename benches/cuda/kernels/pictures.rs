//! Around the encoder: warp, terms, synthesis, colours, penalties, norms, Adam.

use percept::backend::cuda::launch::{
    adam_fwd, penalty_bwd, reduce_guard_bwd, reduce_norm_fwd, reduce_terms_bwd,
    synthesis_colour_bwd, synthesis_colour_fwd, synthesis_spectrum_bwd, synthesis_spectrum_fwd,
    warp_bwd, warp_fwd,
};
use percept::backend::cuda::{Array, Float, Grid};

use super::Bench;

/// The warp, and one unit's term an image, of a tap of 7x7 positions.
pub fn on_the_encoders_side<T: Float>(bench: &mut Bench, images: u32, side: u32, channels: u32) {
    let gpu = bench.clock.gpu.clone();
    let pixels = (images * side * side) as usize;
    let e = size_of::<T>();
    let name = |kernel: &str| format!("{kernel} {}, {side}x{side}", T::SUFFIX);
    let upload = |numbers: &[f32]| Array::upload(&gpu, numbers).expect("memory");
    let (sine, cosine) = 0.2f32.sin_cos();
    let map = [
        cosine, -sine, sine, cosine, 1.5, -2.5, cosine, sine, -sine, cosine,
    ];
    let maps = upload(&map.repeat(images as usize));
    let fills = bench.zeros::<u32>(4 * images as usize);
    let norm = upload(&[0.5, 0.5, 0.5, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0]);
    let scales = upload(&vec![1.0; images as usize]);
    let mut rgb = bench.zeros::<f32>(3 * pixels);
    let mut view = bench.zeros::<T>(3 * pixels);
    let (grid, of, h) = (Grid::elements(pixels), images as i32, side as i32);
    bench.kernel(
        &name("warp_fwd"),
        (12 + 3 * e) * pixels,
        60 * pixels,
        || {
            let (maps, fills, norm) = ((&maps).into(), (&fills).into(), (&norm).into());
            warp_fwd(
                &gpu,
                grid,
                (&rgb).into(),
                maps,
                fills,
                norm,
                (&mut view).into(),
                of,
                h,
                h,
                h,
                h,
            )
        },
    );
    bench.kernel(
        &name("warp_bwd"),
        (12 + 3 * e) * pixels,
        400 * pixels,
        || {
            let (maps, fills, norm) = ((&maps).into(), (&fills).into(), (&norm).into());
            warp_bwd(
                &gpu,
                grid,
                (&view).into(),
                maps,
                fills,
                norm,
                (&scales).into(),
                (&mut rgb).into(),
                of,
                h,
                h,
                h,
                h,
            )
        },
    );

    let rows = 49;
    let n = (images * rows * channels) as usize;
    let tap = bench.zeros::<T>(n);
    let mut cotangent = bench.zeros::<T>(n);
    let mut table = bench.zeros::<f32>((images * rows) as usize);
    let starts: Vec<i32> = (0..=images as i32).collect();
    let starts = Array::upload(&gpu, &starts).expect("memory");
    let terms = [0, 3, 0, rows as i32, 0].repeat(images as usize);
    let terms = Array::upload(&gpu, &terms).expect("memory");
    let name = format!("reduce_terms_bwd {}, {rows}x{channels}", T::SUFFIX);
    bench.kernel(&name, e * n, (images * rows) as usize, || {
        let grid = Grid::warps((images * rows) as usize);
        let (starts, terms, weights) = ((&starts).into(), (&terms).into(), (&scales).into());
        let (vectors, cotangent, table) =
            ((&norm).into(), (&mut cotangent).into(), (&mut table).into());
        reduce_terms_bwd(
            &gpu,
            grid,
            (&tap).into(),
            starts,
            terms,
            weights,
            vectors,
            (&scales).into(),
            cotangent,
            table,
            images,
            rows,
            channels,
        )
    });
}

/// What is in `f32` whatever the network's type: synthesis, colours, penalties, norms, Adam.
pub fn on_the_pictures_side(bench: &mut Bench, images: u32, side: u32) {
    let gpu = bench.clock.gpu.clone();
    let (planes, pixels) = (3 * images, (images * side * side) as usize);
    let bins = side * (side / 2 + 1);
    let count = (planes * bins) as usize;
    let name = |kernel: &str| format!("{kernel} f32, {side}x{side}");
    let (mut parts, mut spectrum) = (bench.zeros::<f32>(2 * count), bench.zeros::<f32>(2 * count));
    let (mut first, mut second) = (bench.zeros::<f32>(2 * count), bench.zeros::<f32>(2 * count));
    let scale = bench.zeros::<f32>(bins as usize);
    let (grid, of, across) = (Grid::elements(count), planes as i32, bins as i32);
    bench.kernel(
        &name("synthesis_spectrum_fwd"),
        16 * count,
        2 * count,
        || {
            synthesis_spectrum_fwd(
                &gpu,
                grid,
                (&spectrum).into(),
                (&scale).into(),
                (&mut parts).into(),
                of,
                across,
            )
        },
    );
    bench.kernel(
        &name("synthesis_spectrum_bwd"),
        16 * count,
        2 * count,
        || {
            synthesis_spectrum_bwd(
                &gpu,
                grid,
                (&parts).into(),
                (&scale).into(),
                (&mut spectrum).into(),
                of,
                across,
            )
        },
    );
    let (t, mut rgb, mut gradient) = (
        bench.zeros::<f32>(3 * pixels),
        bench.zeros::<f32>(3 * pixels),
        bench.zeros::<f32>(3 * pixels),
    );
    let colours = bench.zeros::<f32>(9);
    let (grid, of, across) = (Grid::elements(pixels), images as i32, (side * side) as i32);
    bench.kernel(
        &name("synthesis_colour_fwd"),
        24 * pixels,
        50 * pixels,
        || {
            synthesis_colour_fwd(
                &gpu,
                grid,
                (&t).into(),
                (&colours).into(),
                (&mut rgb).into(),
                of,
                across,
            )
        },
    );
    bench.kernel(
        &name("synthesis_colour_bwd"),
        36 * pixels,
        27 * pixels,
        || {
            let (rgb, drgb, colours) = ((&rgb).into(), (&t).into(), (&colours).into());
            synthesis_colour_bwd(
                &gpu,
                grid,
                rgb,
                drgb,
                colours,
                (&mut gradient).into(),
                of,
                across,
            )
        },
    );
    let a_picture = Grid::blocks(images as usize);
    let weights = bench.zeros::<f32>(2 * images as usize);
    let step = bench.zeros::<u32>(2);
    let mut values = bench.zeros::<f32>(2 * images as usize);
    bench.kernel(&name("penalty_bwd"), 36 * pixels, 60 * pixels, || {
        let (gradient, values) = ((&mut gradient).into(), (&mut values).into());
        penalty_bwd(
            &gpu,
            a_picture,
            (&rgb).into(),
            (&weights).into(),
            (&step).into(),
            gradient,
            values,
            side,
            side,
        )
    });
    let mut squares = bench.zeros::<f64>(images as usize);
    bench.kernel(&name("reduce_norm_fwd"), 12 * pixels, 6 * pixels, || {
        reduce_norm_fwd(
            &gpu,
            a_picture,
            (&rgb).into(),
            (&step).into(),
            (&mut squares).into(),
            3 * side * side,
        )
    });
    let mut scales = bench.zeros::<f32>(images as usize);
    let mut lost = bench.zeros::<u32>(2 * images as usize);
    bench.kernel(&name("reduce_guard_bwd"), 12 * pixels, 6 * pixels, || {
        let (scales, lost) = ((&mut scales).into(), (&mut lost).into());
        let squares = (&mut squares).into();
        reduce_guard_bwd(
            &gpu,
            a_picture,
            (&gradient).into(),
            scales,
            lost,
            (&step).into(),
            squares,
            3 * side * side,
        )
    });
    let constants = bench.zeros::<f32>(4);
    let corrections = bench.zeros::<f32>(2);
    bench.kernel(&name("adam_fwd"), 28 * 2 * count, 14 * 2 * count, || {
        let grid = Grid::elements((2 * count).div_ceil(4));
        let (first, second) = ((&mut first).into(), (&mut second).into());
        let gradient = (&parts).into();
        adam_fwd(
            &gpu,
            grid,
            (&mut spectrum).into(),
            first,
            second,
            gradient,
            (&constants).into(),
            (&corrections).into(),
            (&lost).into(),
            (&step).into(),
            1,
            2 * count as u32 / images,
            2 * count as u32,
        )
    });
}

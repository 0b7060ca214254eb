//! What is computed over whole images, against plain sums in `f64`: norms, penalties, terms; and Adam.

use std::sync::Arc;

use half::{bf16, f16};
use percept::backend::cuda::launch::{
    adam_fwd, penalty_bwd, reduce_guard_bwd, reduce_norm_fwd, reduce_terms_bwd, reduce_values_fwd,
};
use percept::backend::cuda::{Array, Float, Gpu, Grid};

use super::{assert_close, extent, field, gpu, wave};

const IMAGES: usize = 3;

/// The words of a step that measures at a place.
fn step(gpu: &Arc<Gpu>, place: u32) -> Array<u32> {
    Array::upload(gpu, &[4, place]).unwrap()
}

/// Lengths below, at and above the threads of a block, and of several rounds.
const LENGTHS: [usize; 6] = [1, 31, 255, 256, 257, 1000];

#[test]
fn norms_of_a_batch() {
    let Some(gpu) = gpu() else { return };
    for length in LENGTHS {
        let x = wave(IMAGES * length, 0.4);
        let there = Array::upload(&gpu, &x).unwrap();
        let mut squares = Array::<f64>::any(&gpu, 2 * IMAGES).unwrap();
        reduce_norm_fwd(
            &gpu,
            Grid::blocks(IMAGES),
            (&there).into(),
            (&step(&gpu, 1)).into(),
            (&mut squares).into(),
            length as u32,
        )
        .unwrap();
        let squares = squares.download().unwrap();
        for (ours, image) in squares[IMAGES..].iter().zip(x.chunks(length)) {
            let gold: f64 = image.iter().map(|&x| f64::from(x).powi(2)).sum();
            assert!(
                (ours - gold).abs() <= 1e-12 * gold,
                "{ours} instead of {gold} for {length} numbers"
            );
        }
    }
}

/// Of a gradient that is not finite anywhere the image's scale becomes half of what it was. It is counted once the
/// next one is looked at.
#[test]
fn gradients_that_are_lost_are_counted() {
    let Some(gpu) = gpu() else { return };
    for length in LENGTHS {
        for wrong in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            let mut x = wave(IMAGES * length, 0.4);
            x[2 * length - 1] = wrong;
            let wrong = Array::upload(&gpu, &x).unwrap();
            x[2 * length - 1] = 0.5;
            let right = Array::upload(&gpu, &x).unwrap();
            let mut scales = Array::upload(&gpu, &[2.0f32, 1024.0, 0.5]).unwrap();
            let mut lost = Array::upload(&gpu, &[0, 0, 5, 0, 2, 1]).unwrap();
            for (gradient, halved, counted) in [
                (&wrong, 512.0, [0, 0, 5, 1, 3, 0]),
                (&wrong, 256.0, [0, 0, 6, 1, 3, 0]),
                (&right, 256.0, [0, 0, 7, 0, 3, 0]),
                (&right, 256.0, [0, 0, 7, 0, 3, 0]),
            ] {
                let mut squares = Array::<f64>::any(&gpu, 2 * IMAGES).unwrap();
                reduce_guard_bwd(
                    &gpu,
                    Grid::blocks(IMAGES),
                    gradient.into(),
                    (&mut scales).into(),
                    (&mut lost).into(),
                    (&step(&gpu, 1)).into(),
                    (&mut squares).into(),
                    length as u32,
                )
                .unwrap();
                assert_eq!(scales.download().unwrap(), [2.0, halved, 0.5]);
                assert_eq!(lost.download().unwrap(), counted);
                let are_finite = squares.download().unwrap()[IMAGES..]
                    .iter()
                    .map(|squares| squares.is_finite())
                    .collect::<Vec<_>>();
                assert_eq!(are_finite, [true, counted[3] == 0, true]);
            }
        }
    }
}

/// Mean of `(x - 1/2)^2` and mean difference between neighbours, and the sum of their gradients.
fn penalties(x: &[f32], (h, w): (usize, usize), weights: &[f32]) -> ([f64; 2], Vec<f64>) {
    let count = x.len() as f64;
    let pairs = (3 * (h * (w - 1) + (h - 1) * w)).max(1) as f64;
    let mut values = [0.0; 2];
    let mut gradient = vec![0.0; x.len()];
    for i in 0..x.len() {
        let centred = f64::from(x[i]) - 0.5;
        values[0] += centred * centred / count;
        gradient[i] += f64::from(weights[0]) * 2.0 * centred / count;
        let right = (i % w + 1 < w).then_some(i + 1);
        let below = (i / w % h + 1 < h).then_some(i + w);
        for other in right.into_iter().chain(below) {
            let difference = f64::from(x[i]) - f64::from(x[other]);
            values[1] += difference.abs() / pairs;
            let slope = if difference == 0.0 {
                0.0
            } else {
                difference.signum()
            };
            gradient[i] += f64::from(weights[1]) * slope / pairs;
            gradient[other] -= f64::from(weights[1]) * slope / pairs;
        }
    }
    (values, gradient)
}

#[test]
fn penalties_of_a_batch() {
    let Some(gpu) = gpu() else { return };
    for (h, w) in [(1, 1), (1, 5), (5, 1), (9, 7), (8, 32), (13, 17)] {
        let length = 3 * h * w;
        let x = wave(IMAGES * length, 0.4);
        let before = wave(IMAGES * length, 1.9);
        let weights = wave(2 * IMAGES, 2.9);
        let there = Array::upload(&gpu, &x).unwrap();
        let weights_there = Array::upload(&gpu, &weights).unwrap();
        let mut gradient = Array::upload(&gpu, &before).unwrap();
        let mut values = Array::<f32>::any(&gpu, 3 * 2 * IMAGES).unwrap();
        penalty_bwd(
            &gpu,
            Grid::blocks(IMAGES),
            (&there).into(),
            (&weights_there).into(),
            (&step(&gpu, 2)).into(),
            (&mut gradient).into(),
            (&mut values).into(),
            h as u32,
            w as u32,
        )
        .unwrap();
        let (gradient, values) = (gradient.download().unwrap(), values.download().unwrap());
        let values = &values[2 * 2 * IMAGES..];
        for image in 0..IMAGES {
            let pixels = image * length..(image + 1) * length;
            let (gold, slopes) = penalties(
                &x[pixels.clone()],
                (h, w),
                &weights[2 * image..2 * image + 2],
            );
            let sums: Vec<f32> = slopes
                .iter()
                .zip(&before[pixels.clone()])
                .map(|(slope, before)| (slope + f64::from(*before)) as f32)
                .collect();
            let what = format!("penalties of {h}x{w}");
            assert_close::<f32>(&what, &gradient[pixels], &sums);
            assert_close::<f32>(
                &what,
                &values[2 * image..2 * image + 2],
                &gold.map(|v| v as f32),
            );
        }
    }
}

/// Each image by the corrections of the steps that it has taken; one that lost its gradient stays as it is.
#[test]
fn steps_of_adam() {
    let Some(gpu) = gpu() else { return };
    let corrections = [0.5f32, 0.1, 0.25, 0.2, 0.125, 0.3];
    // How many were lost before the step of number 4, whether this one is, and the corrections that count: the last
    // ones for what is past them.
    let images = [
        (2, 0, Some(2)),
        (3, 1, None),
        (0, 0, Some(2)),
        (3, 0, Some(1)),
        (4, 0, Some(0)),
    ];
    let lost: Vec<u32> = images
        .iter()
        .flat_map(|&(before, now, _)| [before, now])
        .collect();
    // A multiple of four numbers, and not; of more than a block.
    for length in [1, 3, 8, 1023, 2050] {
        let count = images.len() * length;
        let mut numbers = [0.1, 0.7, 1.3, 1.9].map(|phase| wave(count, phase));
        // Where there is no second moment, rate and correction are not one product.
        for (numbers, first) in numbers[1..].iter_mut().zip([1e-9, 0.0, 0.0]) {
            numbers[0] = first;
        }
        numbers[3][length..2 * length].fill(f32::NAN);
        let [x, m, v, g] = &numbers;
        let v: Vec<f32> = v.iter().map(|v| v.abs()).collect();
        let up = |numbers: &[f32]| Array::upload(&gpu, numbers).unwrap();
        let (mut x_there, mut m_there, mut v_there) = (up(x), up(m), up(&v));
        adam_fwd(
            &gpu,
            Grid::elements(count.div_ceil(4)),
            (&mut x_there).into(),
            (&mut m_there).into(),
            (&mut v_there).into(),
            (&up(g)).into(),
            (&up(&[0.1, 0.999, 0.001, 1e-8])).into(),
            (&up(&corrections)).into(),
            (&Array::upload(&gpu, &lost).unwrap()).into(),
            (&step(&gpu, 0)).into(),
            corrections.len() as u32 / 2,
            length as u32,
            count as u32,
        )
        .unwrap();
        let mut gold = [vec![], vec![], vec![]];
        for i in 0..count {
            let [mut x, mut m, mut v, g] = [x[i], m[i], v[i], g[i]].map(f64::from);
            if let (_, _, Some(taken)) = images[i / length] {
                let [rate, correction] = [0, 1].map(|k| f64::from(corrections[2 * taken + k]));
                m = 0.9 * m + 0.1 * g;
                v = 0.999 * v + 0.001 * g * g;
                x += rate * m / (v.sqrt() / correction + 1e-8);
            }
            for (gold, number) in gold.iter_mut().zip([x, m, v]) {
                gold.push(number as f32);
            }
        }
        for (there, gold) in [&x_there, &m_there, &v_there].into_iter().zip(&gold) {
            for (there, gold) in there
                .download()
                .unwrap()
                .chunks(length)
                .zip(gold.chunks(length))
            {
                assert_close::<f32>("Adam", there, gold);
            }
        }
    }
}

/// kind, channel or vector, first row, rows, power.
type Term = [i32; 5];

/// The value of a term at a row and its slope along the row's channels.
fn term(term: Term, row: &[f64], vectors: &[Vec<f64>]) -> (f64, Vec<f64>) {
    let [kind, which, _, _, power] = term;
    if kind == 0 {
        let mut slope = vec![0.0; row.len()];
        slope[which as usize] = 1.0;
        return (row[which as usize], slope);
    }
    let vector = &vectors[which as usize];
    let norm = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
    let value = |row: &[f64]| {
        let dot: f64 = row.iter().zip(vector).map(|(a, b)| a * b).sum();
        match kind {
            1 => {
                let cosine = dot / ((norm(row) + 1e-4) * (norm(vector) + 1e-4));
                dot * cosine.max(0.1).powi(power)
            }
            2 => norm(row).powi(2) / row.len() as f64,
            _ => dot / norm(row),
        }
    };
    let slope = (0..row.len()).map(|channel| {
        let moved = |by: f64| {
            let mut row = row.to_vec();
            row[channel] += by;
            value(&row)
        };
        (moved(1e-6) - moved(-1e-6)) / 2e-6
    });
    (value(row), slope.collect())
}

fn terms_of_a_batch<T: Float>(gpu: &Arc<Gpu>) {
    for channels in [5, 32, 45] {
        let shape = extent(IMAGES, 4, 5, channels);
        let rows = shape.positions();
        let (a, a_here) = field::<T>(gpu, shape, 0.4);
        let vectors = [wave(channels, 0.9), wave(channels, 5.3)];
        let whole = rows as i32;
        // Units, directions, a mean square, a cosine. The second image has none; two of the third are at the same
        // channel.
        let terms: [Term; 8] = [
            [0, channels as i32 - 1, 0, whole, 0],
            [1, 1, 0, whole, 2],
            [1, 0, 3, 7, 0],
            [0, 2, 7, 1, 0],
            [0, 2, 0, whole, 0],
            [1, 0, rows as i32 - 1, 1, 1],
            [2, 0, 0, whole, 0],
            [3, 1, 2, 5, 0],
        ];
        let starts = [0, 3, 3, 8];
        let weights = wave(terms.len(), 1.2);
        let scales = [0.5, 64.0, 2.0];
        let up = |numbers: &[f32]| Array::upload(gpu, numbers).unwrap();
        let terms_there = Array::upload(gpu, terms.as_flattened()).unwrap();
        let mut cotangent = Array::<T>::any(gpu, shape.count()).unwrap();
        let mut table = Array::<f32>::any(gpu, terms.len() * rows).unwrap();
        let mut values = Array::<f32>::any(gpu, 2 * terms.len()).unwrap();
        reduce_terms_bwd(
            gpu,
            Grid::warps(IMAGES * rows),
            (&a.elements).into(),
            (&Array::upload(gpu, &starts).unwrap()).into(),
            (&terms_there).into(),
            (&up(&weights)).into(),
            (&up(&vectors.concat())).into(),
            (&up(&scales)).into(),
            (&mut cotangent).into(),
            (&mut table).into(),
            IMAGES as u32,
            rows as u32,
            channels as u32,
        )
        .unwrap();
        reduce_values_fwd(
            gpu,
            Grid::every_row(terms.len()),
            (&table).into(),
            (&terms_there).into(),
            (&step(gpu, 1)).into(),
            (&mut values).into(),
            terms.len() as u32,
            rows as u32,
        )
        .unwrap();

        let exact = vectors
            .each_ref()
            .map(|v| v.iter().map(|&v| f64::from(v)).collect::<Vec<_>>());
        let mut gold = vec![0.0; shape.count()];
        let mut gold_values = vec![0.0; terms.len()];
        for image in 0..IMAGES {
            for t in starts[image] as usize..starts[image + 1] as usize {
                for row in terms[t][2] as usize..(terms[t][2] + terms[t][3]) as usize {
                    let first = (image * rows + row) * channels;
                    let numbers: Vec<f64> = a_here.elements[first..first + channels]
                        .iter()
                        .map(|&x| f64::from(x))
                        .collect();
                    let (value, slope) = term(terms[t], &numbers, &exact);
                    gold_values[t] += value / f64::from(terms[t][3]);
                    for (gold, slope) in gold[first..].iter_mut().zip(slope) {
                        let weight = f64::from(weights[t]) * f64::from(scales[image]);
                        *gold += weight * slope / f64::from(terms[t][3]);
                    }
                }
            }
        }
        let single = |numbers: &[f64]| numbers.iter().map(|&v| v as f32).collect::<Vec<_>>();
        let ours: Vec<f32> = cotangent
            .download()
            .unwrap()
            .into_iter()
            .map(T::value)
            .collect();
        assert_close::<T>("cotangents of terms", &ours, &single(&gold));
        let ours = &values.download().unwrap()[terms.len()..];
        assert_close::<f32>("values of terms", ours, &single(&gold_values));
    }
}

#[test]
fn terms_in_every_type() {
    let Some(gpu) = gpu() else { return };
    terms_of_a_batch::<f32>(&gpu);
    terms_of_a_batch::<f16>(&gpu);
    terms_of_a_batch::<bf16>(&gpu);
}

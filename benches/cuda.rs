//! Times the CUDA half on a GPU: `cargo bench --features cuda --bench cuda`.
//!
//! First the machine's own rates: copies for the memory, products for the arithmetic. Then 3x3
//! convolutions by each way that there is, every kernel as a share of the rate that bounds it, whole steps of known
//! networks beside what `kernels/roofline.py` predicts from those rates, and renders of the embedded model. Tables
//! follow Criterion's lines. Without a device, or without the feature, it says so; on a CPU that acts as a GPU sizes
//! are tiny, so that CI sees that it runs.

#[cfg(feature = "cuda")]
#[path = "cuda/convolutions.rs"]
mod convolutions;
#[cfg(feature = "cuda")]
#[path = "cuda/kernels.rs"]
mod kernels;
#[cfg(feature = "cuda")]
#[path = "../tests/common/networks.rs"]
mod networks;
#[cfg(feature = "cuda")]
#[path = "cuda/rates.rs"]
mod rates;
#[cfg(feature = "cuda")]
#[path = "cuda/steps.rs"]
mod steps;

#[cfg(not(feature = "cuda"))]
fn main() {
    eprintln!("SKIPPED: the CUDA half is timed with cargo bench --features cuda --bench cuda");
}

#[cfg(feature = "cuda")]
fn main() {
    let gpu = match percept::backend::cuda::Gpu::open(0) {
        Ok(gpu) => gpu,
        Err(error) => {
            eprintln!("SKIPPED, no device: {}", error.report());
            return;
        }
    };
    let mut criterion = criterion::Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1))
        .sample_size(10)
        .nresamples(1_000)
        .configure_from_args();
    let clock = rates::Clock::new(gpu);
    let rates = rates::measure(&mut criterion, &clock);
    convolutions::all(&mut criterion, &clock);
    kernels::all(&mut criterion, &clock, &rates);
    steps::steps(&mut criterion, &clock, &rates);
    steps::renders(&mut criterion, &clock);
    criterion.final_summary();
}

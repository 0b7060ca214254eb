//! How much memory there is, and how much of it a device's arrays take.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many bytes arrays hold now, and the most that they held.
#[derive(Debug, Default)]
pub struct Meter {
    held: AtomicUsize,
    most: AtomicUsize,
}

impl Meter {
    /// Nothing held yet.
    pub const fn new() -> Self {
        Self {
            held: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }
    }

    /// Counts an array's bytes.
    pub fn take(&self, bytes: usize) {
        let held = self.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.most.fetch_max(held, Ordering::Relaxed);
    }

    /// Counts them no longer.
    pub fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes that arrays hold now.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// The most bytes that arrays held at once while `work` was done, beyond those before it.
    pub fn peak_of(&self, work: impl FnOnce()) -> usize {
        let before = self.held();
        self.most.store(before, Ordering::Relaxed);
        work();
        self.most.load(Ordering::Relaxed).saturating_sub(before)
    }
}

/// Bytes of main memory that this process may still take: what is free, or what a container or a
/// Slurm job has left of its own where that is less. `held` are the bytes that the process holds.
pub fn available(held: usize) -> usize {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let mut bytes = system.available_memory();
    if let Some(limits) = system.cgroup_limits() {
        bytes = bytes.min(limits.total_memory.saturating_sub(limits.rss));
    }
    if let Some(limit) = slurm(|name| std::env::var(name).ok()) {
        bytes = bytes.min(limit.saturating_sub(held as u64));
    }
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// What a Slurm job may take of its node's memory, in bytes; Slurm counts MiB, and 0 is all.
fn slurm(variable: impl Fn(&str) -> Option<String>) -> Option<u64> {
    let number = |name: &str| variable(name)?.parse::<u64>().ok();
    let a_processor = || Some(number("SLURM_MEM_PER_CPU")? * number("SLURM_CPUS_ON_NODE")?);
    let limit = number("SLURM_MEM_PER_NODE").or_else(a_processor)?;
    (limit > 0).then(|| limit.saturating_mul(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_what_was_held_at_once() {
        let meter = Meter::new();
        meter.take(100);
        let peak = meter.peak_of(|| {
            meter.take(10);
            meter.take(20);
            meter.give_back(10);
            meter.take(5);
        });
        assert_eq!((peak, meter.held()), (30, 125));
        assert_eq!(meter.peak_of(|| meter.give_back(25)), 0);
    }

    #[test]
    fn there_is_memory_and_a_slurm_job_may_have_less() {
        assert!(available(0) > 1 << 20);
        let of = |name, value: &'static str| {
            move |asked: &str| (asked == name).then(|| value.to_owned())
        };
        assert_eq!(slurm(of("SLURM_MEM_PER_NODE", "16384")), Some(16 << 30));
        assert_eq!(slurm(of("SLURM_MEM_PER_NODE", "0")), None);
        assert_eq!(slurm(of("SLURM_MEM_PER_CPU", "100")), None);
        let each = |asked: &str| match asked {
            "SLURM_MEM_PER_CPU" => Some("1024".to_owned()),
            "SLURM_CPUS_ON_NODE" => Some("8".to_owned()),
            _ => None,
        };
        assert_eq!(slurm(each), Some(8 << 30));
    }
}

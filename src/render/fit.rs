//! How many images fit into the memory that there is.

use super::Renderer;
use super::machine::Room;
use crate::ascent::Settings;
use crate::error::Result;
use crate::recipe::Recipe;

/// The part of the free memory that a batch may take.
const SHARE: f64 = 0.8;

/// The most images that `auto` gives a GPU: more are no faster, and a batch is what is lost when a run is
/// killed.
#[cfg(feature = "cuda")]
const MOST_ON_A_GPU: usize = 256;

/// Images for each thread of the CPU: a batch's threads wait for each other after every step, the less
/// the more images there are for each.
const IMAGES_A_THREAD: usize = 4;

/// Numbers that an image holds for each of its colour values between steps, and while it is
/// transformed: parameters, two moments, gradients, spectra and copies of the image.
const NUMBERS_A_VALUE: usize = 16;

/// A size of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// Images on each device.
    pub images: usize,
    /// Bytes that one image's step takes.
    pub step: usize,
    /// Bytes that are free.
    pub free: usize,
}

impl Renderer<'_> {
    /// How many images of a recipe to render side by side on each device: measures two steps.
    ///
    /// # Errors
    /// When a device fails.
    pub fn fit(&self, recipe: &Recipe) -> Result<Fit> {
        let settings = Settings {
            steps: 1,
            checkpoints: Vec::new(),
            ..recipe.ascent.clone()
        };
        let rooms = self.machine.rooms(&settings, &recipe.job(self.sources)?)?;
        let held = recipe.pictures()
            * 3
            * recipe.ascent.size.pixels()
            * NUMBERS_A_VALUE
            * size_of::<f32>();
        let fits = rooms.into_iter().map(|room| match room {
            Room::Cpu { step, free } => Fit {
                images: on_threads(rayon::current_num_threads(), step, held, free),
                step,
                free,
            },
            #[cfg(feature = "cuda")]
            Room::Gpu { common, step, free } => Fit {
                images: (part(free).saturating_sub(common) / step.max(1)).clamp(1, MOST_ON_A_GPU),
                step,
                free,
            },
        });
        // What was measured is a group's step.
        let fits = fits.map(|fit| Fit {
            images: fit.images * recipe.pictures(),
            ..fit
        });
        let smallest = fits.min_by_key(|fit| fit.images);
        Ok(smallest.unwrap_or(Fit {
            images: 1,
            step: 0,
            free: 0,
        }))
    }
}

fn part(free: usize) -> usize {
    (free as f64 * SHARE) as usize
}

/// As many images as keep all threads busy; one, which then has all threads, where the memory does not
/// hold an image's step for each of them.
fn on_threads(threads: usize, step: usize, held: usize, free: usize) -> usize {
    let room = part(free).saturating_sub(threads * step);
    let rounds = room / (threads * held).max(1);
    match rounds.min(IMAGES_A_THREAD) {
        0 => 1,
        rounds => threads * rounds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_get_equal_shares_or_one_image_together() {
        let mib = |mib: usize| mib << 20;
        assert_eq!(on_threads(8, mib(100), mib(1), mib(16_000)), 32);
        assert_eq!(on_threads(8, mib(100), mib(1), mib(1_022)), 16);
        assert_eq!(on_threads(8, mib(100), mib(1), mib(1_000)), 1);
        assert_eq!(on_threads(8, mib(100), mib(1), 0), 1);
        assert_eq!(on_threads(1, mib(100), mib(1), mib(126)), 1);
    }
}

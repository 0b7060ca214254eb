//! A batch of finished pictures seen once more, without a gradient, for their quality numbers.

use super::stepper::WORDS;
use super::terms::Terms;
use super::{GpuModel, Stored};
use crate::ascent::groups::grouped;
use crate::ascent::quality::{Seen, looks};
use crate::ascent::{Job, Rendered, View};
use crate::backend::cpu::Elements as Slice;
use crate::backend::cuda::{Array, Float};
use crate::encoder::engine::Cpu;
use crate::encoder::engine::cuda::Cuda;
use crate::encoder::program::Program;
use crate::encoder::tap::TapId;
use crate::error::Result;
use crate::objective::Bound;

/// Pictures that are looked at together: of one size, after as many steps, by one tap.
type Group = (usize, usize, TapId);

struct Picture<'a> {
    objective: Bound,
    rendered: &'a mut Rendered,
}

impl GpuModel<'_> {
    /// Notes what the jobs' objectives read of their pictures. Those that read no tap, or several, are left to
    /// be looked at by the CPU.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn look_at(&self, jobs: &[Job], results: &mut [Result<Rendered>]) -> Result<()> {
        let mut found: Vec<(Group, Picture)> = Vec::new();
        for (job, result) in jobs.iter().zip(results) {
            let Ok(rendered) = result else { continue };
            let objective = Bound::new(&job.objective, &self.model.encoder)?;
            let &[tap] = objective.taps() else { continue };
            let group = (rendered.image.dim(2)?, rendered.steps_done, tap);
            let picture = Picture {
                objective,
                rendered,
            };
            found.push((group, picture));
        }
        for (group, mut pictures) in grouped(found) {
            let seen = match &self.program {
                Stored::F32(program) => self.see(program, group, &pictures)?,
                Stored::F16(program) => self.see(program, group, &pictures)?,
                Stored::Bf16(program) => self.see(program, group, &pictures)?,
            };
            for (picture, seen) in pictures.iter_mut().zip(seen) {
                picture.rendered.seen = Some(seen);
            }
        }
        Ok(())
    }

    fn see<T: Float>(
        &self,
        program: &Program<Cuda<T>>,
        (side, steps, tap): Group,
        pictures: &[Picture],
    ) -> Result<Vec<Seen>> {
        let (encoder, gpu) = (&self.model.encoder, &self.gpu);
        let view = View::new(self.model, side, &[tap]);
        let mut rgb = Vec::with_capacity(pictures.len() * 3 * side * side);
        let mut readings = Vec::with_capacity(pictures.len());
        let mut penalties = Vec::with_capacity(pictures.len());
        for Picture {
            objective,
            rendered,
        } in pictures
        {
            rgb.extend_from_slice(&Slice::<f32>::of(&rendered.image)?);
            readings.push(objective.readings(encoder, view.side())?);
            penalties.push(objective.penalty(&rendered.image)?);
        }
        let rgb = Array::upload(gpu, &rgb)?;
        let terms = Terms::new(gpu, tap, &readings)?;
        let scales = Array::upload(gpu, &vec![1.0; pictures.len()])?;
        let place = Array::zeros(gpu, WORDS)?;
        let mut values = Array::any(gpu, terms.count())?;
        let mut activities = Vec::new();
        let mut seen = vec![Vec::new(); pictures.len()];
        for look in looks(&view, side, steps) {
            let warp = view.warps(vec![look; pictures.len()]).upload(gpu)?;
            let run = program.run(warp.forward(&rgb, (side, side))?, &[tap])?;
            let activation = terms.activation(&run)?;
            if activities.is_empty() {
                let layout = encoder.tap(tap).layout;
                let activation = Cpu::to_tensor(&activation.download()?, layout)?;
                for (image, picture) in pictures.iter().enumerate() {
                    let activity = picture
                        .objective
                        .activity(encoder, |_| Ok(activation.narrow(0, image, 1)?))?;
                    activities.push(activity);
                }
            }
            terms.read(activation, &scales, &place, &mut values)?;
            let mut sums = penalties.clone();
            terms.add_to(&mut sums, &values.download()?);
            for (seen, sum) in seen.iter_mut().zip(sums) {
                seen.push(sum);
            }
        }
        let seen = seen.into_iter().zip(activities);
        Ok(seen
            .map(|(values, activity)| Seen::new(values, activity))
            .collect())
    }
}

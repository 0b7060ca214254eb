//! A batch of images that climb on one engine: the step of an ascent, written once.

use std::sync::Arc;
use std::time::Instant;

use super::climber::Climber;
use super::engine::{Objectives, StepEngine};
use super::plan::Plan;
use super::viewport::Viewport;
use super::{Job, Rendered, Settings, Watch, common, missing};
use crate::encoder::layer::Rules;
use crate::encoder::program::{Program, Run};
use crate::encoder::tap::TapId;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::param::Parameterisation;
use crate::seed::Purpose;
use crate::size::Size;

/// Groups of images that climb together; all read the same taps.
pub struct Batch<'a, E: StepEngine> {
    model: &'a Model,
    settings: &'a Settings,
    viewport: Viewport,
    climbers: Vec<Climber<'a>>,
    work: Work<'a, E>,
    launcher: E::Launcher,
    steps_done: usize,
    /// Steps whose measurements were not read yet.
    pending: usize,
}

/// What a step works on.
struct Work<'a, E: StepEngine> {
    device: &'a E::Device,
    program: &'a Program<E>,
    objectives: Objectives<'a>,
    /// The size of the canvas.
    canvas: Size,
    parameterisation: E::Parameterisation,
    warp: E::Warp,
    terms: Vec<E::Terms>,
    on_canvas: Option<E::OnCanvas>,
    numbers: E::Numbers,
    optimiser: E::Optimiser,
    ledger: E::Ledger,
}

impl<'a, E: StepEngine> Batch<'a, E> {
    /// Before the first step.
    ///
    /// # Errors
    /// When a position lies outside its tap's grid, or the device's memory is full.
    pub fn new(
        model: &'a Model,
        (device, program): (&'a E::Device, &'a Program<E>),
        settings: &'a Settings,
        parameterisation: &Arc<Parameterisation>,
        jobs: &[&'a Job],
        launcher: E::Launcher,
    ) -> Result<Self> {
        let encoder = &model.encoder;
        let taps = jobs.first().map_or(&[][..], |job| job.objective.taps());
        let viewport = Viewport::new(model, settings.size, taps);
        let objectives = Objectives::of_groups(encoder, jobs, viewport.size());
        let climbers: Vec<Climber> = jobs
            .iter()
            .flat_map(|job| job.keys.iter().map(|key| Climber::new(job, key)))
            .collect();
        let initial = climbers.iter().map(|climber| {
            let mut stream = climber.key.stream(Purpose::Initial, 0);
            parameterisation.initial(&mut stream, encoder.dtype())
        });
        let numbers = E::numbers(device, &initial.collect::<Result<Vec<_>>>()?)?;
        let terms = objectives.terms::<E>(device)?;
        let on_canvas = E::on_canvas(device, &objectives)?;
        let keys = climbers.iter().map(|climber| climber.key);
        let first = Plan::draw(settings, &viewport, 0, keys);
        let work = Work {
            device,
            program,
            canvas: settings.size,
            parameterisation: E::parameterisation(device, parameterisation)?,
            warp: E::warp(device, &first.warp)?,
            optimiser: E::optimiser(device, &numbers, climbers.len(), settings)?,
            ledger: E::ledger(device, &objectives, &terms, on_canvas.as_ref())?,
            objectives,
            terms,
            on_canvas,
            numbers,
        };
        Ok(Self {
            model,
            settings,
            viewport,
            climbers,
            work,
            launcher,
            steps_done: 0,
            pending: 0,
        })
    }

    /// Steps that were asked of the device.
    #[cfg(feature = "cuda")]
    pub fn steps_done(&self) -> usize {
        self.steps_done
    }

    /// Why no image climbs on, if none does.
    pub fn take_failure(&mut self) -> Option<Error> {
        match self.is_climbing() {
            true => None,
            false => self.climbers.first_mut()?.failed.take(),
        }
    }

    /// Whether any image climbs on.
    pub fn is_climbing(&self) -> bool {
        self.climbers.iter().any(|climber| climber.failed.is_none())
    }

    /// Does the steps that are left until `end`, until no image climbs on, or until it is stopped.
    ///
    /// # Errors
    /// When the device fails.
    pub fn climb(&mut self, end: usize, start: Instant, watch: &dyn Watch) -> Result<()> {
        while self.steps_done < end && self.is_climbing() && !watch.should_stop() {
            self.step(start)?;
        }
        Ok(())
    }

    fn step(&mut self, start: Instant) -> Result<()> {
        let step = self.steps_done;
        let keys = self.climbers.iter().map(|climber| climber.key);
        let Plan { warp, rules } = Plan::draw(self.settings, &self.viewport, step, keys);
        E::set_warp(&mut self.work.warp, &warp)?;
        E::begin(&mut self.work.ledger, step, self.pending)?;
        self.pending += 1;
        let work = &mut self.work;
        E::launch(&mut self.launcher, rules, || work.step(rules))?;
        self.steps_done += 1;
        // The first step, too: a dead unit must not climb on.
        if step.is_multiple_of(E::READ_EVERY) {
            self.read(start)?;
        }
        if self.settings.checkpoints.contains(&self.steps_done) {
            let pictures = self.work.pictures()?;
            for (climber, picture) in self.climbers.iter_mut().zip(pictures) {
                climber.checkpoints.push((self.steps_done, picture));
            }
        }
        Ok(())
    }

    /// Adds what the pending steps measured to the traces, and finds out who failed.
    ///
    /// # Errors
    /// When the device fails.
    pub fn read(&mut self, start: Instant) -> Result<()> {
        let places = std::mem::take(&mut self.pending);
        let Work {
            ledger,
            terms,
            on_canvas,
            ..
        } = &mut self.work;
        let measured = E::measured(ledger, places, terms, on_canvas.as_ref())?;
        let seconds = start.elapsed().as_secs_f32();
        let encoder = &self.model.encoder;
        for (step, all) in (self.steps_done - places..).zip(measured) {
            for (image, (climber, measured)) in self.climbers.iter_mut().zip(all).enumerate() {
                if climber.failed.is_some() {
                    continue;
                }
                let seen = match E::has_lost(ledger, measured, &mut climber.lost) {
                    Ok(lost) => climber.see(step, measured, lost, encoder, self.settings, seconds),
                    Err(error) => Err(error),
                };
                let explained = |error| E::explained(ledger, encoder, image, error);
                climber.failed = seen.err().map(explained);
            }
        }
        for group in &self.work.objectives.groups {
            let own = &mut self.climbers[group.clone()];
            if let Some(error) = own.iter().find_map(|climber| climber.failed.as_ref()) {
                let error = common(error);
                for climber in own.iter_mut().filter(|climber| climber.failed.is_none()) {
                    climber.failed = Some(common(&error));
                }
            }
        }
        Ok(())
    }

    /// What the images have become, in the order of the jobs and of their keys.
    pub fn finish(mut self, start: Instant) -> Vec<Result<Rendered>> {
        let pictures = self.read(start).and_then(|()| self.work.pictures());
        let steps_done = self.steps_done;
        match pictures {
            Ok(pictures) => {
                let mut pictures = pictures.into_iter();
                let finish = |climber: Climber| match pictures.next() {
                    Some(picture) => climber.finish(picture, steps_done),
                    None => Err(missing()),
                };
                self.climbers.into_iter().map(finish).collect()
            }
            Err(error) => self.fail(&error),
        }
    }

    /// Every image's own error, or else this one.
    pub fn fail(self, error: &Error) -> Vec<Result<Rendered>> {
        let failed = |climber: Climber| Err(climber.failed.unwrap_or_else(|| common(error)));
        self.climbers.into_iter().map(failed).collect()
    }
}

impl<E: StepEngine> Work<'_, E> {
    /// Image, warp, encoder, evaluation, and all the way back to the free numbers.
    fn step(&mut self, rules: Rules) -> Result<()> {
        let images = self.objectives.bound.len();
        let (canvas, saved) = E::canvas(&self.parameterisation, &self.numbers, images)?;
        let mut gradient = match self.terms.is_empty() {
            true => E::zeros(self.device, &canvas)?,
            false => self.gradient_of_units(&canvas, rules)?,
        };
        E::note_gradient(&mut self.ledger, &gradient)?;
        if let Some(terms) = &self.on_canvas {
            let canvas = (&*canvas, self.canvas);
            E::read_canvas(terms, canvas, &mut gradient, &mut self.ledger)?;
        }
        let gradient = E::canvas_pullback(&self.parameterisation, &saved, &gradient, images)?;
        E::ascend(
            &mut self.optimiser,
            &mut self.numbers,
            &gradient,
            &self.ledger,
        )
    }

    /// The gradient of what reads the encoder, on the canvas.
    fn gradient_of_units(&mut self, canvas: &E::Numbers, rules: Rules) -> Result<E::Numbers> {
        let (size, taps) = (self.canvas, &self.objectives.taps);
        let input = E::view(&self.warp, canvas, size)?;
        E::note_view(&mut self.ledger, &self.warp, canvas);
        let run = self.program.run(input, taps)?;
        let mut cotangents = Vec::with_capacity(taps.len());
        for (index, (&tap, terms)) in taps.iter().zip(&self.terms).enumerate() {
            let activation = run.activation(tap).ok_or_else(missing)?;
            let cotangent = E::read(terms, index, activation, &mut self.ledger)?;
            cotangents.push((tap, cotangent));
        }
        self.add_on_the_way(&run, &mut cotangents, rules)?;
        let dx = self.program.pullback(&run, cotangents, rules)?;
        E::view_pullback(&self.warp, &dx, size, &self.ledger)
    }

    /// Adds what the terms on the way back make of the others' cotangent. A pullback is linear in its cotangents: what
    /// is added where they pass a tap may as well begin there.
    fn add_on_the_way(
        &mut self,
        run: &Run<E>,
        cotangents: &mut [(TapId, E::Field)],
        rules: Rules,
    ) -> Result<()> {
        let terms = self.terms.iter().enumerate();
        let acting: Vec<usize> = terms
            .filter(|(_, terms)| E::act_on_the_way(terms))
            .map(|(index, _)| index)
            .collect();
        if acting.is_empty() {
            return Ok(());
        }
        let taps: Vec<TapId> = acting.iter().map(|&index| cotangents[index].0).collect();
        let pure = self.program.cotangents_at(run, cotangents, &taps, rules)?;
        for (index, pure) in acting.into_iter().zip(pure) {
            let (tap, cotangent) = &mut cotangents[index];
            let activation = run.activation(*tap).ok_or_else(missing)?;
            let (terms, ledger) = (&self.terms[index], &mut self.ledger);
            E::read_on_the_way(terms, index, activation, &pure, cotangent, ledger)?;
        }
        Ok(())
    }

    fn pictures(&self) -> Result<Vec<candle_core::Tensor>> {
        let images = self.objectives.bound.len();
        let (canvas, _) = E::canvas(&self.parameterisation, &self.numbers, images)?;
        E::pictures(&canvas, self.canvas)
    }
}

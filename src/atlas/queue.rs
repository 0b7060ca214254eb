//! Pictures that are still to be made, and what becomes of those that fail.

use std::collections::VecDeque;

use super::plan::{Item, Plan};
use crate::error::{Error, Kind, Result};
use crate::recipe::Recipe;

/// How often a picture is tried before it is given up.
const ATTEMPTS: usize = 2;

/// A picture that is to be made.
pub struct Task {
    /// Which.
    pub item: Item,
    /// How.
    pub recipe: Recipe,
    attempts: usize,
}

/// Pictures in the order in which they are to be made.
pub struct Queue {
    tasks: VecDeque<Task>,
    batch: usize,
    device_failed: bool,
}

impl Queue {
    /// These pictures of a plan, `batch` of them at a time.
    ///
    /// # Errors
    /// When the plan has not such a picture.
    pub fn new(plan: &Plan, items: Vec<Item>, batch: usize) -> Result<Self> {
        let lost = || Error::new(Kind::Internal, "a picture is in no part of the plan");
        let task = |item| {
            Ok(Task {
                recipe: plan.recipe(&item).ok_or_else(lost)?,
                item,
                attempts: 0,
            })
        };
        Ok(Self {
            tasks: items.into_iter().map(task).collect::<Result<_>>()?,
            batch: batch.max(1),
            device_failed: false,
        })
    }

    /// The next batch: pictures of one tap, whose recipes differ in nothing that a batch shares.
    pub fn next_batch(&mut self) -> Option<Vec<Task>> {
        let tap = self.tasks.front()?.item.tap.clone();
        let alike = self.tasks.iter().take(self.batch);
        let count = alike.take_while(|task| task.item.tap == tap).count();
        Some(self.tasks.drain(..count).collect())
    }

    /// Puts a picture that failed behind all others; gives it back when it has failed too often. What
    /// a device does with a batch is not the picture's fault.
    pub fn try_again(&mut self, mut task: Task, error: &Error) -> Option<Task> {
        if error.kind() == Kind::Device && self.batch > 1 {
            self.device_failed = true;
        } else {
            task.attempts += 1;
        }
        if task.attempts == ATTEMPTS {
            return Some(task);
        }
        self.tasks.push_back(task);
        None
    }

    /// Halves the batches after one on which a device failed; returns how large they are then.
    pub fn halve_after_failure(&mut self) -> Option<usize> {
        let failed = std::mem::take(&mut self.device_failed);
        failed.then(|| {
            self.batch = (self.batch / 2).max(1);
            self.batch
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Model, Options};
    use crate::recipe::Request;

    fn queue(units: &[&str], batch: usize) -> Queue {
        let model = Model::load("mini", Options::default()).unwrap();
        let request = Request {
            units: units.iter().map(|&text| text.to_owned()).collect(),
            ..Request::default()
        };
        let plan = Plan::new(&request, &model).unwrap();
        let items = plan.items().collect();
        Queue::new(&plan, items, batch).unwrap()
    }

    fn channels(tasks: &[Task]) -> Vec<usize> {
        tasks.iter().map(|task| task.item.channel).collect()
    }

    #[test]
    fn a_batch_is_of_one_tap() {
        let mut queue = queue(&["layer4:0..3", "layer3:5..7"], 2);
        let batches = std::iter::from_fn(|| queue.next_batch());
        let batches: Vec<_> = batches.map(|tasks| channels(&tasks)).collect();
        assert_eq!(batches, [vec![0, 1], vec![2], vec![5, 6]]);
    }

    #[test]
    fn a_picture_that_fails_waits_for_the_others_and_is_given_up_the_second_time() {
        let mut queue = queue(&["layer4:0..2"], 1);
        let error = Error::new(Kind::Numeric, "no gradient");
        let first = queue.next_batch().unwrap().remove(0);
        assert!(queue.try_again(first, &error).is_none());
        assert_eq!(channels(&queue.next_batch().unwrap()), [1]);
        let again = queue.next_batch().unwrap().remove(0);
        assert_eq!(queue.try_again(again, &error).unwrap().item.channel, 0);
        assert!(queue.next_batch().is_none());
        assert_eq!(queue.halve_after_failure(), None);
    }

    #[test]
    fn a_device_that_fails_gets_smaller_batches_and_no_picture_is_lost() {
        let mut queue = queue(&["layer4:0..9"], 8);
        let error = Error::new(Kind::Device, "out of memory");
        let mut sizes = Vec::new();
        let mut made = Vec::new();
        while let Some(tasks) = queue.next_batch() {
            sizes.push(tasks.len());
            if tasks.len() > 2 {
                for task in tasks {
                    assert!(queue.try_again(task, &error).is_none());
                }
            } else {
                made.extend(channels(&tasks));
            }
            queue.halve_after_failure();
        }
        assert_eq!(sizes[..3], [8, 4, 2]);
        made.sort_unstable();
        assert_eq!(made, (0..9).collect::<Vec<_>>());
    }
}

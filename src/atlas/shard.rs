//! Which part of a plan one process renders.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result, bail};

/// One of `count` parts of a plan's units: every `count`-th unit, from unit `index` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

/// A shard that a cluster's scheduler gave a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Which.
    pub shard: Shard,
    /// The variable that told it.
    pub by: &'static str,
    /// Whether the array's size is all that tells the number of shards: some of an array's jobs that are
    /// submitted again are an array of another size.
    pub is_counted: bool,
}

/// The number of shards, where a scheduler does not tell it or tells another.
const SHARDS: &str = "PERCEPT_SHARDS";

/// A task's number in an array of Slurm jobs.
const SLURM: &str = "SLURM_ARRAY_TASK_ID";

/// A pod's number in an indexed Kubernetes job.
const KUBERNETES: &str = "JOB_COMPLETION_INDEX";

impl Shard {
    /// The whole plan.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// # Errors
    /// When there is no such part.
    pub fn new(index: usize, count: usize) -> Result<Self> {
        if count == 0 {
            bail!(
                Request,
                "there are no 0 shards: give --shard 0/1 for all of the work"
            );
        }
        if index >= count {
            bail!(
                Request,
                "there is no shard {index} of {count}: they are counted from 0 to {}",
                count - 1
            );
        }
        Ok(Self { index, count })
    }

    /// The shard that a cluster's scheduler gave this process; `variable` reads the environment.
    ///
    /// # Errors
    /// When the variables do not tell one.
    pub fn from_scheduler(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Told>> {
        let number = |name: &str| match variable(name) {
            None => Ok(None),
            Some(text) => match text.parse::<usize>() {
                Ok(number) => Ok(Some(number)),
                Err(_) => bail!(
                    Request,
                    "{name} is \"{text}\", which is no number: give --shard i/n"
                ),
            },
        };
        let shards = number(SHARDS)?;
        if let Some(id) = number(SLURM)? {
            let shard = match shards {
                Some(count) => Self::new(id, count)?,
                None => {
                    let of_array = |what: &str| number(&format!("SLURM_ARRAY_TASK_{what}"));
                    let step = of_array("STEP")?.unwrap_or(1);
                    Self::of_array(
                        id,
                        of_array("MIN")?.unwrap_or(0),
                        of_array("MAX")?,
                        step,
                        of_array("COUNT")?,
                    )?
                }
            };
            return Ok(Some(Told {
                shard,
                by: SLURM,
                is_counted: shards.is_none(),
            }));
        }
        match (number(KUBERNETES)?, shards) {
            (Some(index), Some(count)) => Ok(Some(Told {
                shard: Self::new(index, count)?,
                by: KUBERNETES,
                is_counted: false,
            })),
            (Some(_), None) => bail!(
                Request,
                "{KUBERNETES} is set, and the number of shards is not: set {SHARDS} to the job's completions, or give --shard i/n"
            ),
            (None, _) => Ok(None),
        }
    }

    /// The shard of task `id` of a Slurm array, `first` to `last` in strides of `step`. An array that
    /// does not begin at 0 or 1, or has gaps, is some tasks of another array, submitted again.
    fn of_array(
        id: usize,
        first: usize,
        last: Option<usize>,
        step: usize,
        count: Option<usize>,
    ) -> Result<Self> {
        let place = |id: usize| Some(id.checked_sub(first)? / step.max(1));
        let tasks = last.and_then(place).map(|last| last + 1);
        match (place(id), count) {
            (Some(index), Some(count)) if first <= 1 && index < count && tasks == Some(count) => {
                Self::new(index, count)
            }
            _ => bail!(
                Request,
                "the numbers of this Slurm array do not tell how many shards there are: use an array such as 0-15, set {SHARDS}, or give --shard {id}/n"
            ),
        }
    }

    /// How many parts there are.
    pub fn count(self) -> usize {
        self.count
    }

    /// Whether there is no other.
    pub fn is_whole(self) -> bool {
        self.count == 1
    }

    /// Whether the plan's unit of this number is this shard's.
    pub fn takes(self, unit: usize) -> bool {
        unit % self.count == self.index
    }

    /// What its files are called.
    pub fn name(self) -> String {
        format!("{}-of-{}", self.index, self.count)
    }
}

impl Told {
    /// Checks that it is a shard of those that the journals tell of, where the scheduler alone says how many
    /// there are. What one process rendered, or whoever was told its shard by hand, counts for nothing.
    ///
    /// # Errors
    /// When they were others.
    pub fn check(&self, begun: &[Shard]) -> Result<()> {
        let own = self.shard.count;
        let divided = begun.iter().filter(|shard| !shard.is_whole());
        let counts: BTreeSet<usize> = divided.map(|shard| shard.count).collect();
        let Some(last) = counts.last().filter(|_| self.is_counted) else {
            return Ok(());
        };
        if counts.contains(&own) {
            return Ok(());
        }
        let tasks = match own {
            1 => "1 task".to_owned(),
            own => format!("{own} tasks"),
        };
        bail!(
            Request,
            "this array has {tasks}, and the atlas was rendered in {last} shards until now: if these are some of them again, set {SHARDS}={last} (or give --shard i/{last}); to divide what is left among {tasks}, set {SHARDS}={own}"
        )
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers = text
            .split_once('/')
            .and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match numbers {
            Some((index, count)) => Self::new(index, count),
            None => bail!(Request, "\"{text}\" is no shard: write i/n, such as 0/16"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn told(variables: &[(&str, &str)]) -> Result<Option<Told>> {
        let variables: HashMap<_, _> = variables.iter().copied().collect();
        Shard::from_scheduler(|name| variables.get(name).map(|&value| value.to_owned()))
    }

    #[test]
    fn shards_are_disjoint_and_complete() {
        for count in 1..9 {
            let shards: Vec<_> = (0..count).map(|i| Shard::new(i, count).unwrap()).collect();
            for unit in 0..40 {
                let takers = shards.iter().filter(|shard| shard.takes(unit)).count();
                assert_eq!(takers, 1);
            }
        }
    }

    #[test]
    fn a_shard_is_spelled_from_zero() {
        assert_eq!("3/16".parse::<Shard>().unwrap().to_string(), "3/16");
        assert_eq!("0/1".parse::<Shard>().unwrap(), Shard::WHOLE);
        for text in ["16/16", "1", "a/b", "0/0", "-1/2", "1/2/3", ""] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_array_of_another_size_is_refused_where_nothing_else_tells_the_shards() {
        let shards = |texts: &[&str]| -> Vec<Shard> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let array = |shard: &str, is_counted| Told {
            shard: shard.parse().unwrap(),
            by: SLURM,
            is_counted,
        };
        let known = shards(&["3/16", "7/16", "0/1"]);
        let error = array("0/1", true).check(&known).unwrap_err().to_string();
        for word in [
            "1 task,",
            "16 shards",
            "PERCEPT_SHARDS=16",
            "--shard i/16",
            "PERCEPT_SHARDS=1",
        ] {
            assert!(error.contains(word), "{word} is not in {error}");
        }
        assert!(array("0/4", true).check(&known).is_err());
        assert!(array("5/16", true).check(&known).is_ok());
        assert!(array("0/1", false).check(&known).is_ok());
        for known in [&[][..], &["0/1"]] {
            assert!(array("5/16", true).check(&shards(known)).is_ok());
        }
    }

    #[test]
    fn schedulers_tell_the_shard() {
        let shard = |text: &str| text.parse::<Shard>().unwrap();
        let slurm = |id: usize, first: usize, last: usize, step: usize, count: usize| {
            let [id, first, last, step, count] =
                [id, first, last, step, count].map(|number| number.to_string());
            told(&[
                ("SLURM_ARRAY_TASK_ID", &id),
                ("SLURM_ARRAY_TASK_MIN", &first),
                ("SLURM_ARRAY_TASK_MAX", &last),
                ("SLURM_ARRAY_TASK_STEP", &step),
                ("SLURM_ARRAY_TASK_COUNT", &count),
            ])
            .map(|told| told.unwrap().shard)
        };
        assert_eq!(slurm(3, 0, 15, 1, 16).unwrap(), shard("3/16"));
        assert_eq!(slurm(16, 1, 16, 1, 16).unwrap(), shard("15/16"));
        assert_eq!(slurm(12, 0, 12, 4, 4).unwrap(), shard("3/4"));
        assert_eq!(slurm(0, 0, 0, 1, 1).unwrap(), Shard::WHOLE);
        for task in [1, 7] {
            assert!(
                slurm(task, 1, 7, 1, 2).is_err(),
                "tasks 1 and 7 of another array"
            );
        }
        assert!(slurm(3, 3, 3, 1, 1).is_err(), "task 3 of another array");
        assert!(told(&[("SLURM_ARRAY_TASK_ID", "x")]).is_err());
        let resubmitted = told(&[
            ("SLURM_ARRAY_TASK_ID", "3"),
            ("SLURM_ARRAY_TASK_COUNT", "1"),
            ("PERCEPT_SHARDS", "16"),
        ])
        .unwrap()
        .unwrap();
        let expected = Told {
            shard: shard("3/16"),
            by: "SLURM_ARRAY_TASK_ID",
            is_counted: false,
        };
        assert_eq!(resubmitted, expected);
        let pod = ("JOB_COMPLETION_INDEX", "2");
        let pods = told(&[pod, ("PERCEPT_SHARDS", "4")]).unwrap().unwrap();
        assert_eq!(pods.shard, shard("2/4"));
        assert!(
            told(&[pod])
                .unwrap_err()
                .to_string()
                .contains("PERCEPT_SHARDS")
        );
        assert_eq!(told(&[("PERCEPT_SHARDS", "4")]).unwrap(), None);
        assert_eq!(told(&[]).unwrap(), None);
    }
}

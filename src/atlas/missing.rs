//! Pictures that are missing, and whose they are.

use std::collections::{BTreeSet, HashSet};

use super::plan::{Item, Plan};
use super::shard::Shard;
use super::units::Units;
use crate::error::shorten;

/// The longest list of units that is written out: more numbers than that say nothing.
const LONGEST_LIST: usize = 40;

/// Which shards have yet to make the missing pictures, where journals tell of `begun`, and how many units
/// they are of: `shard 2/3 has not finished: 180 units`.
pub fn described(plan: &Plan, missing: &[Item], begun: &[Shard]) -> String {
    let lacking: HashSet<(&str, usize)> = missing
        .iter()
        .map(|item| (item.tap.as_str(), item.channel))
        .collect();
    let units = plan.units().enumerate();
    let units: Vec<(usize, (&str, usize))> =
        units.filter(|(_, unit)| lacking.contains(unit)).collect();
    let count = match units.len() {
        1 => "1 unit".to_owned(),
        count => format!("{count} units"),
    };
    let list = spelled(units.iter().map(|(_, unit)| *unit));
    let what = match list.len() {
        ..=LONGEST_LIST => format!("{count}, {list}"),
        _ => count,
    };
    let places: Vec<usize> = units.iter().map(|(place, _)| *place).collect();
    let shards = owners(&places, begun);
    let (waiting, fresh): (Vec<Shard>, Vec<Shard>) =
        shards.iter().partition(|shard| begun.contains(shard));
    let mut who = Vec::new();
    for (shards, how) in [(waiting, "not finished"), (fresh, "not begun")] {
        let names: Vec<String> = shards.iter().map(Shard::to_string).collect();
        match &names[..] {
            [] => {}
            [only] => who.push(format!("shard {only} has {how}")),
            names => who.push(format!("shards {} have {how}", shorten(&names.join(", ")))),
        }
    }
    match who.is_empty() {
        true => what,
        false => format!("{}: {what}", who.join("; ")),
    }
}

/// The shards that the units at these places of a plan are of; none where nobody divided the work. Where it was
/// divided in several ways, by that in which the fewest have anything left.
fn owners(places: &[usize], begun: &[Shard]) -> Vec<Shard> {
    let divided = begun.iter().filter(|shard| !shard.is_whole());
    let ways: BTreeSet<usize> = divided.map(|shard| shard.count()).collect();
    let owners = ways.into_iter().rev().map(|count| {
        let all = (0..count).filter_map(|index| Shard::new(index, count).ok());
        let own = |shard: &Shard| places.iter().any(|&place| shard.takes(place));
        all.filter(own).collect::<Vec<_>>()
    });
    owners.min_by_key(Vec::len).unwrap_or_default()
}

/// The units, tap by tap.
fn spelled<'a>(units: impl Iterator<Item = (&'a str, usize)>) -> String {
    let mut taps: Vec<Units> = Vec::new();
    for (tap, channel) in units {
        match taps.last_mut() {
            Some(units) if units.tap == tap => units.channels.push(channel),
            _ => taps.push(Units {
                tap: tap.to_owned(),
                channels: vec![channel],
            }),
        }
    }
    let taps: Vec<String> = taps.iter().map(Units::to_string).collect();
    taps.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Model, Options};
    use crate::recipe::Request;

    #[test]
    fn whose_pictures_are_missing_is_said_in_few_words() {
        let model = Model::load("mini", Options::default()).unwrap();
        let request = Request {
            units: vec!["layer4:0..200".into(), "layer3:0..100".into()],
            ..Request::default()
        };
        let plan = Plan::new(&request, &model).unwrap();
        let says = |begun: &[&str], is_missing: &dyn Fn(usize) -> bool| {
            let begun: Vec<Shard> = begun.iter().map(|text| text.parse().unwrap()).collect();
            let missing = plan.items().enumerate();
            let missing = missing.filter(|(place, _)| is_missing(*place));
            let missing: Vec<Item> = missing.map(|(_, item)| item).collect();
            described(&plan, &missing, &begun)
        };
        let third = |place: usize| place % 3 == 2;
        let known = ["0/3", "1/3", "2/3"];
        assert_eq!(
            says(&known, &third),
            "shard 2/3 has not finished: 100 units"
        );
        assert_eq!(
            says(&known[..2], &third),
            "shard 2/3 has not begun: 100 units"
        );
        assert_eq!(
            says(&known[1..], &|place| place < 2 || third(place)),
            "shards 1/3, 2/3 have not finished; shard 0/3 has not begun: 102 units"
        );
        assert_eq!(
            says(&["0/3", "0/8", "2/8", "2/3"], &third),
            "shard 2/3 has not finished: 100 units"
        );
        assert_eq!(
            says(&["0/1"], &|place| (198..203).contains(&place)),
            "5 units, layer4:198..200 layer3:0..3"
        );
        assert_eq!(says(&[], &|place| place == 0), "1 unit, layer4:0");
        assert_eq!(says(&[], &third), "100 units");
    }
}

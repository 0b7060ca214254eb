//! What a user should know of what was read from a file and what was not.

use std::collections::BTreeMap;

use super::choice::{Choice, Member};
use super::names::Name;
use super::towers::{Tower, shared};

/// Groups of tensors that are named.
const MOST_GROUPS: usize = 3;

/// Scales and offsets of logits, which no embedding has and nobody misses.
const LOGITS: [&str; 2] = ["logit_scale", "logit_bias"];

/// Where open_clip's `CustomTextCLIP` has its text tower.
const CUSTOM_TEXT: &str = "text.";

/// The prefixes that were stripped and the tensors that were left out, on one line, where there are any; `members`
/// are read.
pub(super) fn remark(choice: &Choice, names: &[Name], members: &[Member]) -> Option<String> {
    let mut is_read = vec![false; names.len()];
    for Member { index, .. } in members {
        is_read[*index] = true;
    }
    let is_missed =
        |name: &Name| name.is_weight() && LOGITS.iter().all(|end| name.before(end).is_none());
    let mut groups: BTreeMap<String, usize> = BTreeMap::new();
    for (name, is_read) in names.iter().zip(is_read) {
        if !is_read && is_missed(name) {
            *groups.entry(group(choice, name.raw)).or_default() += 1;
        }
    }
    let is_home = |tower: &Tower| {
        let prefix = tower.prefix.as_str();
        prefix.is_empty() || prefix == tower.naming.home || prefix == CUSTOM_TEXT
    };
    let mut said = Vec::new();
    if !is_home(&choice.image) {
        said.push(format!("its image encoder is {}*", choice.image.prefix));
    }
    if let Some(text) = choice.text.as_ref().filter(|text| !is_home(text)) {
        said.push(format!("its text encoder is {}*", text.prefix));
    }
    let count: usize = groups.values().sum();
    if count > 0 {
        let labels = groups.keys().map(String::as_str);
        let mut labels: Vec<&str> = labels.take(MOST_GROUPS).collect();
        if groups.len() > MOST_GROUPS {
            labels.push("...");
        }
        let parts = labels.join(", ");
        said.push(match count {
            1 => format!("1 tensor of another part is left out ({parts})"),
            _ => format!("{count} tensors of other parts are left out ({parts})"),
        });
    }
    (!said.is_empty()).then(|| said.join(", "))
}

/// The beginning of a name, as far as it takes to leave both towers.
fn group(choice: &Choice, raw: &str) -> String {
    let with = |tower: &Tower| shared(raw, &tower.prefix);
    let with_text = choice.text.as_ref().map_or(0, with);
    let depth = with(&choice.image).max(with_text) + 1;
    let parts: Vec<&str> = raw.split('.').collect();
    match parts.len() > depth {
        true => format!("{}.*", parts[..depth].join(".")),
        false => raw.to_owned(),
    }
}

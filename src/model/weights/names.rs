//! A tensor's name without what wrappers and parametrisations put into it.

/// Modules that hold one other module and pass everything on: PyTorch's for several devices, its compiler, its
/// sharding and its checkpointing of activations.
const WRAPPERS: [&str; 4] = [
    "module",
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
];

/// Last parts of the names of counters, masks and settings, which are no weights.
const NO_WEIGHTS: [&str; 8] = [
    "num_batches_tracked",
    "position_ids",
    "attn_mask",
    "mask1",
    "mask2",
    "input_resolution",
    "context_length",
    "vocab_size",
];

/// What a tensor is to the parameter that its name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Whole,
    /// The length of each row, where length and direction are stored apart.
    Length,
    /// The direction of each row.
    Direction,
    /// A part of a parametrisation that percept does not know, or of an adapter.
    Unknown,
}

/// A name, taken apart.
pub(super) struct Name<'a> {
    /// As the file has it.
    pub raw: &'a str,
    parts: Vec<Part<'a>>,
    /// What the tensor is to the parameter that `parts` name.
    pub role: Role,
}

#[derive(Clone, Copy)]
struct Part<'a> {
    text: &'a str,
    /// Where it begins in the whole name.
    start: usize,
}

impl<'a> Name<'a> {
    pub fn new(raw: &'a str) -> Self {
        let mut parts = Vec::new();
        let mut start = 0;
        for text in raw.split('.') {
            parts.push(Part { text, start });
            start += text.len() + 1;
        }
        let last = parts.pop();
        parts.retain(|part| !WRAPPERS.contains(&part.text));
        parts.extend(last);
        let role = parametrised(&mut parts);
        Self { raw, parts, role }
    }

    /// Whether it may name a weight.
    pub fn is_weight(&self) -> bool {
        let last = self.parts.last();
        last.is_none_or(|last| !NO_WEIGHTS.contains(&last.text))
    }

    /// What comes before this end, where the name has it: `model.` before `visual.proj`.
    pub fn before(&self, end: &str) -> Option<&'a str> {
        let at = self.parts.len().checked_sub(end.split('.').count())?;
        let parts = self.parts[at..].iter().map(|part| part.text);
        parts
            .eq(end.split('.'))
            .then(|| &self.raw[..self.parts[at].start])
    }

    /// What comes after this beginning, without wrappers.
    pub fn after(&self, beginning: &str) -> Option<String> {
        if !self.raw.starts_with(beginning) {
            return None;
        }
        let parts = self.parts.iter();
        let own: Vec<&str> = parts
            .filter(|part| part.start >= beginning.len())
            .map(|part| part.text)
            .collect();
        Some(own.join("."))
    }

    /// The whole name, without wrappers.
    pub fn plain(&self) -> String {
        let parts: Vec<&str> = self.parts.iter().map(|part| part.text).collect();
        parts.join(".")
    }
}

/// Takes a parametrisation out of a name's end: `weight_g`, `weight_v` and
/// `parametrizations.weight.original0`, `original1` of PyTorch's weight normalisation, old and new; `r` and `theta`
/// of the geometric parametrisation.
fn parametrised(parts: &mut Vec<Part>) -> Role {
    let texts: Vec<&str> = parts.iter().map(|part| part.text).collect();
    if let Some(at) = texts.iter().position(|&text| text == "parametrizations")
        && texts.len() > at + 2
    {
        let role = match texts[at + 2..] {
            ["original0"] => Role::Length,
            ["original1"] => Role::Direction,
            _ => Role::Unknown,
        };
        parts.truncate(at + 2);
        parts.remove(at);
        return role;
    }
    if texts.iter().any(|text| text.starts_with("lora_")) {
        return Role::Unknown;
    }
    let Some(last) = parts.last_mut() else {
        return Role::Whole;
    };
    let (text, role) = match (last.text.strip_suffix("_g"), last.text.strip_suffix("_v")) {
        (Some(name), _) => (name, Role::Length),
        (_, Some(name)) => (name, Role::Direction),
        _ if last.text == "r" => ("weight", Role::Length),
        _ if last.text == "theta" => ("weight", Role::Direction),
        _ => return Role::Whole,
    };
    last.text = text;
    role
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_are_seen_through_and_still_begin_a_prefix() {
        let name = Name::new("net.module.visual._orig_mod.conv1.module.weight");
        assert_eq!(name.plain(), "net.visual.conv1.weight");
        assert_eq!(
            name.before("conv1.weight"),
            Some("net.module.visual._orig_mod.")
        );
        assert_eq!(name.after("net.").as_deref(), Some("visual.conv1.weight"));
        assert_eq!(name.before("onv1.weight"), None);
        assert_eq!(name.after("other."), None);
        assert_eq!(Name::new("module").plain(), "module");
    }

    #[test]
    fn a_parametrisation_stands_for_the_parameter_that_it_makes() {
        for (raw, plain, role) in [
            ("a.c_fc.weight_g", "a.c_fc.weight", Role::Length),
            ("a.in_proj_weight_v", "a.in_proj_weight", Role::Direction),
            (
                "a.parametrizations.weight.original0",
                "a.weight",
                Role::Length,
            ),
            (
                "a.parametrizations.weight.original1",
                "a.weight",
                Role::Direction,
            ),
            (
                "a.parametrizations.weight.original",
                "a.weight",
                Role::Unknown,
            ),
            ("a.parametrizations.weight.0._u", "a.weight", Role::Unknown),
            ("a.lora_A.b.weight", "a.lora_A.b.weight", Role::Unknown),
            ("a.c_fc.r", "a.c_fc.weight", Role::Length),
            ("a.c_fc.theta", "a.c_fc.weight", Role::Direction),
            ("a.bias", "a.bias", Role::Whole),
            (
                "parametrizations.weight",
                "parametrizations.weight",
                Role::Whole,
            ),
            ("", "", Role::Whole),
        ] {
            let name = Name::new(raw);
            assert_eq!((&*name.plain(), name.role), (plain, role), "{raw}");
        }
    }
}

//! Which of the towers in a file are read.

use std::collections::BTreeMap;

use super::family::{Marks, SUPPORTED, foreign_text};
use super::names::Name;
use super::torch::refuse;
use super::towers::{self, IMAGE, TEXT, TEXT_TRANSFORMERS, TRANSFORMERS_VIT, Tower, shared};
use crate::Result;
use crate::error::{bail, shorten};

/// A name that transformers gives to the layer after a tower, which lies beside it.
const PROJECTIONS: [&str; 2] = ["visual_projection.weight", "text_projection.weight"];

/// The towers that are read.
pub(super) struct Choice {
    pub image: Tower,
    pub text: Option<Tower>,
    /// Why there is no text tower, where the file has one.
    pub foreign_text: Option<String>,
    /// The image tower's prefix, where it is one of several.
    pub prefix: Option<String>,
}

/// What a tensor is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Image,
    Text,
    /// Of the logits, which nothing is computed of.
    Scale,
}

/// A tensor that belongs to a tower.
pub(super) struct Member {
    /// Its place among the names.
    pub index: usize,
    /// What it is called where the towers are the only ones, in the naming that they have.
    pub name: String,
    pub part: Part,
}

/// What is known of a file's tensors besides their names.
pub(super) struct Facts<'f> {
    /// Rows of the tables of tokens.
    pub vocabularies: &'f [usize],
    /// A class that stands where weights could have been.
    pub object: Option<&'f str>,
    /// Whether the tensors of these two places are the same under two names.
    pub is_alias: &'f dyn Fn(usize, usize) -> bool,
}

impl Choice {
    /// The one image tower, or the one under `prefix`, and the text tower that lies nearest to it.
    ///
    /// # Errors
    /// When there is none, or more than one and none was chosen: names the family, or the prefixes.
    pub fn of(names: &[Name], prefix: Option<&str>, facts: &Facts) -> Result<Self> {
        let mut images = Vec::new();
        let mut refusal = None;
        for tower in towers::find(names, &IMAGE)? {
            match foreign(names, &tower, facts) {
                None => images.push(tower),
                Some(why) => refusal = refusal.or(Some(why)),
            }
        }
        drop_aliases(&mut images, names, facts);
        if images.is_empty() {
            let marks = Marks::new(names.iter(), facts.vocabularies);
            let by_names = || {
                let (family, name) = marks.family()?;
                Some(format!("it is {family} ({name})"))
            };
            match (refusal.or_else(by_names), facts.object) {
                (Some(why), _) => bail!(
                    Weights,
                    "{why}, which percept does not compute: {SUPPORTED}"
                ),
                (None, Some(class)) => return Err(refuse(class)),
                (None, None) => bail!(Weights, "{}", nothing(names)),
            }
        }
        let is_one_of_several = images.len() > 1;
        let image = chosen(images, prefix)?;
        let (text, foreign_text) = text(names, &image, facts)?;
        Ok(Self {
            prefix: is_one_of_several.then(|| image.prefix.trim_end_matches('.').to_owned()),
            image,
            text,
            foreign_text,
        })
    }

    /// Whether the image tower has transformers' names.
    pub fn is_huggingface(&self) -> bool {
        *self.image.naming == TRANSFORMERS_VIT
    }

    /// Whether any tower has transformers' names.
    pub fn has_transformers_names(&self) -> bool {
        let text = self.text.as_ref();
        self.is_huggingface() || text.is_some_and(|text| *text.naming == TEXT_TRANSFORMERS)
    }

    /// The tensors that belong to the towers.
    pub fn members(&self, names: &[Name]) -> Vec<Member> {
        let mut members = Vec::new();
        for (index, name) in names.iter().enumerate() {
            if !name.is_weight() {
                continue;
            }
            let text = self.text.as_ref();
            let of_text = || Some((Part::Text, member(text?, name)?));
            let found = member(&self.image, name).map(|name| (Part::Image, name));
            let found = found.or_else(of_text);
            members.extend(found.map(|(part, name)| Member { index, name, part }));
        }
        let nearest = |end: &str, part, tower: &Tower, fits: &dyn Fn(&str) -> bool| {
            let candidates = names.iter().enumerate().filter_map(|(index, name)| {
                let before = name.before(end).filter(|before| fits(before))?;
                Some((shared(before, &tower.prefix), index))
            });
            let (_, index) = candidates.max()?;
            let name = end.to_owned();
            Some(Member { index, name, part })
        };
        let beside = |end: &str, part, tower: &Tower| {
            nearest(end, part, tower, &|before| tower.prefix.starts_with(before))
        };
        let [of_image, of_text] = PROJECTIONS;
        if self.is_huggingface() {
            members.extend(beside(of_image, Part::Image, &self.image));
        }
        if let Some(text) = &self.text {
            if *text.naming == TEXT_TRANSFORMERS {
                members.extend(beside(of_text, Part::Text, text));
            }
            members.extend(nearest("logit_scale", Part::Scale, text, &|_| true));
        }
        members
    }
}

fn member(tower: &Tower, name: &Name) -> Option<String> {
    Some(format!("{}{}", tower.naming.home, tower.own(name)?))
}

/// Why a tower that has the marks of CLIP's is none.
fn foreign(names: &[Name], tower: &Tower, facts: &Facts) -> Option<String> {
    let inside = names
        .iter()
        .filter(|name| name.raw.starts_with(&tower.prefix));
    let marks = Marks::new(inside, facts.vocabularies);
    if let Some((family, name)) = marks.family() {
        return Some(format!("it is {family} ({name})"));
    }
    let norm = tower.naming.norm?;
    let is_norm = |name: &Name| {
        let own = name.after(&tower.prefix);
        own.is_some_and(|own| own.starts_with(norm))
    };
    if names.iter().any(is_norm) {
        return None;
    }
    let prefix = &tower.prefix;
    Some(format!(
        "it has the image encoder of a CLIPA ({prefix}* without {norm}*)"
    ))
}

/// Of towers that are the same tensors under several prefixes, keeps the first.
fn drop_aliases(towers: &mut Vec<Tower>, names: &[Name], facts: &Facts) {
    let tensors = |tower: &Tower| -> BTreeMap<String, usize> {
        let own = |(index, name)| Some((tower.own(name)?, index));
        names.iter().enumerate().filter_map(own).collect()
    };
    // Towers within towers have most of a file's names each, so that not all of their lists are held at once.
    let count = |tower: &Tower| names.iter().filter_map(|name| tower.own(name)).count();
    let is_same = |a: &Tower, b: &Tower| {
        let (a, b) = (tensors(a), tensors(b));
        let mut pairs = a.values().zip(b.values());
        a.keys().eq(b.keys()) && pairs.all(|(&a, &b)| (facts.is_alias)(a, b))
    };
    let mut kept: Vec<(usize, Tower)> = Vec::new();
    towers.retain(|tower| {
        let own = count(tower);
        let mut alike = kept.iter().filter(|(other, _)| *other == own);
        let is_new = !alike.any(|(_, other)| is_same(tower, other));
        kept.push((own, tower.clone()));
        is_new
    });
}

fn chosen(mut images: Vec<Tower>, prefix: Option<&str>) -> Result<Tower> {
    let listed = |towers: &[Tower]| {
        let prefixes: Vec<String> = towers
            .iter()
            .map(|tower| format!("{}*", tower.prefix))
            .collect();
        prefixes.join(" and ")
    };
    let Some(prefix) = prefix else {
        if images.len() > 1 {
            bail!(
                Weights,
                "it holds {} image encoders, {}: choose one, as with --prefix {}",
                images.len(),
                listed(&images),
                images[0].spelled()
            );
        }
        return Ok(images.remove(0));
    };
    let wanted = prefix.trim_end_matches(['.', '*']);
    let is_exact = |tower: &Tower| tower.prefix.trim_end_matches('.') == wanted;
    let begins = |tower: &&Tower| {
        let rest = tower.prefix.strip_prefix(wanted);
        rest.is_some_and(|rest| wanted.is_empty() || rest.starts_with('.'))
    };
    if let Some(tower) = images.iter().find(|tower| is_exact(tower)) {
        return Ok(tower.clone());
    }
    let fitting: Vec<Tower> = images.iter().filter(begins).cloned().collect();
    match fitting.as_slice() {
        [tower] => Ok(tower.clone()),
        [] => bail!(
            Weights,
            "no image encoder lies under the prefix {prefix}: give one of {}, as with --prefix {}",
            listed(&images),
            images[0].spelled()
        ),
        several => bail!(
            Weights,
            "{} image encoders lie under the prefix {prefix}, {}: give more of it, as with --prefix {}",
            several.len(),
            listed(several),
            several[0].spelled()
        ),
    }
}

/// The text tower that shares most of the image tower's prefix, or why there is none.
fn text(names: &[Name], image: &Tower, facts: &Facts) -> Result<(Option<Tower>, Option<String>)> {
    let mut texts = towers::find(names, &TEXT)?;
    let nearest = texts
        .iter()
        .map(|text| shared(&text.prefix, &image.prefix))
        .max();
    texts.retain(|text| Some(shared(&text.prefix, &image.prefix)) == nearest);
    drop_aliases(&mut texts, names, facts);
    // CoCa's decoder has the names of a text tower without its tokens.
    let reads_tokens = |text: &Tower| names.iter().any(|name| text.is_trunk(name));
    if texts.iter().any(reads_tokens) {
        texts.retain(reads_tokens);
    }
    let Some(text) = texts.pop() else {
        return Ok((None, foreign_text(names, image)));
    };
    if !texts.is_empty() {
        let why = format!(
            "it holds several text encoders ({}* and {}*), and none is nearer to the image encoder",
            texts[0].prefix, text.prefix
        );
        return Ok((None, Some(why)));
    }
    Ok((Some(text), None))
}

fn nothing(names: &[Name]) -> String {
    let some: Vec<_> = names.iter().take(4).map(|name| shorten(name.raw)).collect();
    format!(
        "it holds no image encoder of CLIP: its {} tensors ({}) are no whole visual.* or vision_model.*, under any \
         prefix; {SUPPORTED}",
        names.len(),
        some.join(", ")
    )
}

//! The models that percept knows by name, and what a user may write for a model.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::{alike, bail};
use crate::ops::gelu::Gelu;
use crate::{Error, Result};

mod hub;

pub use hub::HubModel;

/// The non-linearity of the transformers' hidden layers; the weights do not tell which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// `x * sigmoid(1.702 x)`: every model that OpenAI trained.
    QuickGelu,
    /// `x * Φ(x)`, with the normal distribution's Φ: most models that open_clip trained.
    Gelu,
}

impl Activation {
    /// The operation.
    pub fn gelu(self) -> Gelu {
        match self {
            Self::QuickGelu => Gelu::Quick,
            Self::Gelu => Gelu::Exact,
        }
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::QuickGelu => "quick-gelu",
            Self::Gelu => "gelu",
        })
    }
}

impl FromStr for Activation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "quick-gelu" | "quick_gelu" | "quickgelu" => Ok(Self::QuickGelu),
            "gelu" => Ok(Self::Gelu),
            _ => bail!(
                Request,
                "there is no activation {text}: give quick-gelu or gelu"
            ),
        }
    }
}

/// A model that OpenAI published.
#[derive(Debug, PartialEq, Eq)]
pub struct KnownModel {
    /// OpenAI's spelling: `RN50x4`, `ViT-L/14@336px`.
    pub name: &'static str,
    /// The hub repository that holds the same weights as safetensors.
    pub hub_id: &'static str,
    /// The file name of OpenAI's TorchScript archive.
    pub openai_file: &'static str,
    /// The sha256 of that archive, which its address carries.
    pub openai_sha256: &'static str,
    /// The activation of the image and the text transformer.
    pub activation: Activation,
}

impl KnownModel {
    /// Where OpenAI publishes the archive.
    pub fn openai_url(&self) -> String {
        format!(
            "https://openaipublic.azureedge.net/clip/models/{}/{}",
            self.openai_sha256, self.openai_file
        )
    }
}

/// Every model that OpenAI published, smallest ResNet first.
pub const KNOWN: &[KnownModel] = &[
    openai(
        "RN50",
        "timm/resnet50_clip.openai",
        "RN50.pt",
        "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762",
    ),
    openai(
        "RN101",
        "timm/resnet101_clip.openai",
        "RN101.pt",
        "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599",
    ),
    openai(
        "RN50x4",
        "timm/resnet50x4_clip.openai",
        "RN50x4.pt",
        "7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd",
    ),
    openai(
        "RN50x16",
        "timm/resnet50x16_clip.openai",
        "RN50x16.pt",
        "52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa",
    ),
    openai(
        "RN50x64",
        "timm/resnet50x64_clip.openai",
        "RN50x64.pt",
        "be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c",
    ),
    openai(
        "ViT-B/32",
        "timm/vit_base_patch32_clip_224.openai",
        "ViT-B-32.pt",
        "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
    ),
    openai(
        "ViT-B/16",
        "timm/vit_base_patch16_clip_224.openai",
        "ViT-B-16.pt",
        "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f",
    ),
    openai(
        "ViT-L/14",
        "timm/vit_large_patch14_clip_224.openai",
        "ViT-L-14.pt",
        "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
    ),
    openai(
        "ViT-L/14@336px",
        "timm/vit_large_patch14_clip_336.openai",
        "ViT-L-14-336px.pt",
        "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02",
    ),
];

const fn openai(
    name: &'static str,
    hub_id: &'static str,
    openai_file: &'static str,
    openai_sha256: &'static str,
) -> KnownModel {
    KnownModel {
        name,
        hub_id,
        openai_file,
        openai_sha256,
        activation: Activation::QuickGelu,
    }
}

/// The known model of this name, in OpenAI's spelling or with `-` for `/` and `@`, in any case.
pub fn known(name: &str) -> Option<&'static KnownModel> {
    let plain = |text: &str| text.replace(['/', '@', '_'], "-").to_ascii_lowercase();
    let wanted = plain(name);
    KNOWN.iter().find(|model| {
        let own = plain(model.name);
        own == wanted || own.strip_suffix("px") == Some(&wanted)
    })
}

/// What the last part of a path or hub id says about the activation: `x.openai` and names with
/// `quickgelu` were trained with QuickGELU.
pub(super) fn activation_by_name(name: &str) -> Option<Activation> {
    let last = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let stem = WEIGHT_EXTENSIONS
        .iter()
        .find_map(|extension| last.strip_suffix(extension)?.strip_suffix('.'))
        .unwrap_or(&last);
    let quick = stem.ends_with(".openai") || stem.contains("quickgelu");
    quick.then_some(Activation::QuickGelu)
}

/// File name extensions that weights come with.
pub const WEIGHT_EXTENSIONS: [&str; 4] = ["safetensors", "pt", "pth", "bin"];

/// Where weights come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The small model inside the binary: `mini`.
    Embedded,
    /// A weight file, or a folder that holds one.
    Path(PathBuf),
    /// A model that OpenAI published.
    Known(&'static KnownModel),
    /// A repository of the Hugging Face hub.
    Hub(HubModel),
}

impl Source {
    /// Reads what a user writes for a model: `mini`, an existing path (a leading `~/` is the home
    /// folder), a known name, or a hub id or address ([`HubModel::parse`]), in this order.
    pub fn parse(text: &str) -> Result<Self> {
        if text == "mini" {
            return Ok(Self::Embedded);
        }
        let path = expand_home(text);
        if !text.is_empty() && path.exists() {
            return Ok(Self::Path(path));
        }
        if let Some(model) = known(text) {
            return Ok(Self::Known(model));
        }
        let hub = match looks_like_path(text) && !text.contains(':') {
            true => None,
            false => HubModel::parse(text)?,
        };
        if let Some(model) = hub {
            return Ok(Self::Hub(model));
        }
        if looks_like_path(text) {
            let name = path.file_name().unwrap_or_default();
            let is_asked = |model: &&KnownModel| name.eq_ignore_ascii_case(model.openai_file);
            if let Some(model) = KNOWN.iter().find(is_asked) {
                bail!(
                    Io,
                    "there is no file {}: download it from {}, or give --model {}",
                    path.display(),
                    model.openai_url(),
                    model.name
                );
            }
            bail!(Io, "there is no file or folder {}", path.display());
        }
        let names: Vec<_> = KNOWN.iter().map(|model| model.name).collect();
        bail!(
            Request,
            "there is no model {text:?}: give mini, a known name ({}), a hub id (owner/name), \
             or the path of a weight file or of a folder that holds one{}",
            names.join(", "),
            match meant(text) {
                Some(name) => format!("; did you mean {name}?"),
                None => String::new(),
            }
        )
    }
}

/// What else OpenAI's models are called: by open_clip's and timm's `hub_id`, by transformers, by torchvision.
const OTHER_NAMES: [(&str, &str); 9] = [
    ("RN50", "resnet50"),
    ("RN101", "resnet101"),
    ("RN50x4", "resnet50x4"),
    ("RN50x16", "resnet50x16"),
    ("RN50x64", "resnet50x64"),
    ("ViT-B/32", "clip-vit-base-patch32"),
    ("ViT-B/16", "clip-vit-base-patch16"),
    ("ViT-L/14", "clip-vit-large-patch14"),
    ("ViT-L/14@336px", "clip-vit-large-patch14-336"),
];

/// The name of the model that a text which is none was probably meant to be: one that is spelled alike, whatever
/// stands between its letters and digits.
pub fn meant(text: &str) -> Option<&'static str> {
    let letters = |text: &str| {
        text.replace(|c: char| !c.is_ascii_alphanumeric(), "")
            .to_lowercase()
    };
    let own = KNOWN.iter().map(|model| (model.name, model.name));
    let names: Vec<(String, &str)> = [("mini", "mini")]
        .into_iter()
        .chain(own)
        .chain(OTHER_NAMES)
        .map(|(name, spelling)| (letters(spelling), name))
        .collect();
    // Of two that are equally alike the last is taken, which is to be the smaller.
    let spellings = names.iter().rev().map(|(spelling, _)| spelling.as_str());
    let text = letters(text);
    let nearest = *alike(&text, spellings).first()?;
    let found = names.iter().find(|(spelling, _)| spelling == nearest);
    found.map(|(_, name)| *name)
}

fn expand_home(text: &str) -> PathBuf {
    match (text.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(text),
    }
}

fn looks_like_path(text: &str) -> bool {
    let extension = Path::new(text)
        .extension()
        .and_then(|extension| extension.to_str());
    text.starts_with(['.', '/', '~'])
        || extension.is_some_and(|extension| WEIGHT_EXTENSIONS.contains(&extension))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn every_known_model_is_found_in_each_spelling() {
        for model in KNOWN {
            let file_stem = model.openai_file.trim_end_matches(".pt");
            for spelling in [model.name, file_stem, &model.name.to_lowercase()] {
                assert_eq!(known(spelling), Some(model), "{spelling}");
            }
            assert_eq!(model.openai_sha256.len(), 64);
        }
        assert_eq!(known("ViT-L-14-336"), known("ViT-L/14@336px"));
        assert_eq!(known("RN50x5"), None);
        assert_eq!(known(""), None);
    }

    #[test]
    fn a_model_text_is_a_name_a_path_or_a_hub_id() {
        assert_eq!(Source::parse("mini").unwrap(), Source::Embedded);
        assert!(
            matches!(Source::parse("vit-b-32").unwrap(), Source::Known(m) if m.name == "ViT-B/32")
        );
        assert_eq!(
            Source::parse("timm/x.openai").unwrap(),
            Source::Hub(HubModel::main("timm/x.openai"))
        );
        assert_eq!(Source::parse("/").unwrap(), Source::Path("/".into()));
    }

    #[test]
    fn a_text_that_is_no_model_says_what_is() {
        for (text, kind, says) in [
            ("", Kind::Request, "RN50x64"),
            ("RN5O", Kind::Request, "hub id"),
            ("a/b/c", Kind::Request, "folder"),
            ("a/../b", Kind::Request, "mini"),
            (
                "models/none.pt",
                Kind::Io,
                "no file or folder models/none.pt",
            ),
            ("./none", Kind::Io, "no file or folder ./none"),
            ("~none", Kind::Io, "no file or folder ~none"),
        ] {
            let error = Source::parse(text).unwrap_err();
            assert_eq!(error.kind(), kind, "{text}");
            assert!(error.report().contains(says), "{text}: {}", error.report());
        }
    }

    #[test]
    fn a_misspelled_model_is_recognised() {
        for (text, name) in [
            ("RN5O", "RN50"),
            ("rn50-x4", "RN50x4"),
            ("rn50x44", "RN50x4"),
            ("resnet50", "RN50"),
            ("ViTB32", "ViT-B/32"),
            ("vit_b32", "ViT-B/32"),
            ("vitl14@336", "ViT-L/14@336px"),
            ("clip-vit-base", "ViT-B/32"),
            ("clip-vit-base-patch16", "ViT-B/16"),
            ("CLIP-ViT-Large-Patch14", "ViT-L/14"),
            ("Mini", "mini"),
        ] {
            assert_eq!(meant(text), Some(name), "{text}");
            let error = Source::parse(text).unwrap_err();
            let end = format!("; did you mean {name}?");
            assert!(error.report().ends_with(&end), "{}", error.report());
        }
        for text in ["", "alexnet", "dinov2", "a/b/c"] {
            assert_eq!(meant(text), None, "{text}");
        }
    }

    #[test]
    fn a_missing_file_of_openai_is_known_in_any_case() {
        let error = Source::parse("weights/rn50X4.pt").unwrap_err();
        assert!(
            error.report().ends_with("give --model RN50x4"),
            "{}",
            error.report()
        );
    }

    #[test]
    fn activations_are_read_as_they_are_written() {
        for activation in [Activation::QuickGelu, Activation::Gelu] {
            let text = activation.to_string();
            assert_eq!(text.parse::<Activation>().unwrap(), activation);
            assert_eq!(
                serde_json::to_value(activation).unwrap(),
                serde_json::Value::from(text)
            );
        }
        assert!("relu".parse::<Activation>().is_err());
    }

    #[test]
    fn names_tell_quick_gelu() {
        for name in [
            "timm/resnet50_clip.openai",
            "a/rn50-quickgelu-yfcc15m-455df137.pt",
            "x-quickgelu",
        ] {
            assert_eq!(
                activation_by_name(name),
                Some(Activation::QuickGelu),
                "{name}"
            );
        }
        for name in [
            "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
            "openai/clip",
            "weights.pt",
        ] {
            assert_eq!(activation_by_name(name), None, "{name}");
        }
    }
}

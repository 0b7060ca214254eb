//! What a user may write for a model on the hub.

use std::fmt;

use crate::Result;
use crate::error::{bail, shorten};

/// The branch that is meant where none is named.
const MAIN: &str = "main";

/// Hosts whose addresses are the hub's; that of `HF_ENDPOINT` is one too.
const HOSTS: [&str; 3] = ["huggingface.co", "www.huggingface.co", "hf.co"];

/// What other tools write before an id of the hub: open_clip and timm, huggingface_hub.
const SCHEMES: [&str; 4] = ["hf-hub:", "hf_hub:", "hf://models/", "hf://"];

/// A model on the hub: a repository at a revision, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubModel {
    /// `owner/name`.
    pub id: String,
    /// A branch, a tag or a commit.
    pub revision: String,
    /// The folder that holds the weights, with a slash at its end; empty for the repository's own.
    pub folder: String,
    /// The weight file in that folder, where one was named.
    pub file: Option<String>,
}

impl fmt::Display for HubModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)?;
        if self.revision != MAIN {
            write!(f, "@{}", self.revision)?;
        }
        match (&self.file, self.folder.as_str()) {
            (None, "") => Ok(()),
            (file, folder) => write!(f, " ({folder}{})", file.as_deref().unwrap_or_default()),
        }
    }
}

impl HubModel {
    /// The repository `owner/name`, as its main branch has it.
    pub fn main(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            revision: MAIN.to_owned(),
            folder: String::new(),
            file: None,
        }
    }

    /// Reads `ID`, `ID@REVISION`, either after `hf-hub:` or `hf://`, or an address of the hub; none where the text is
    /// something else.
    ///
    /// # Errors
    /// When the text is a web address that leads to no model.
    pub fn parse(text: &str) -> Result<Option<Self>> {
        if let Some(rest) = SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme)) {
            return match Self::of_id(rest) {
                Some(model) => Ok(Some(model)),
                None => bail!(
                    Request,
                    "{} names no model of the hub: give hf-hub:OWNER/NAME, or OWNER/NAME@REVISION",
                    shorten(text)
                ),
            };
        }
        if let Some((_, address)) = text
            .split_once("://")
            .filter(|(scheme, _)| matches!(*scheme, "http" | "https"))
        {
            return Self::of_address(address, text).map(Some);
        }
        Ok(Self::of_id(text))
    }

    /// The last part of the id, where the text is of a model on the hub.
    pub fn name_in(text: &str) -> Option<String> {
        let model = Self::parse(text).ok()??;
        model.id.rsplit('/').next().map(str::to_owned)
    }

    fn of_id(text: &str) -> Option<Self> {
        let (id, revision) = text.split_once('@').unwrap_or((text, MAIN));
        let model = Self {
            revision: revision.to_owned(),
            ..Self::main(id)
        };
        (is_id(id) && is_path(revision)).then_some(model)
    }

    /// Reads what follows `https://`: `HOST/OWNER/NAME`, with `/tree/REVISION`, a folder below it, or
    /// `/blob/REVISION/FILE` and `/resolve/REVISION/FILE`.
    fn of_address(address: &str, text: &str) -> Result<Self> {
        let address = address.split(['?', '#']).next().unwrap_or(address);
        let own = std::env::var("HF_ENDPOINT").unwrap_or_default();
        let own = own.split_once("://").map_or("", |(_, rest)| rest);
        let own = own.trim_end_matches('/');
        let mut hosts = HOSTS
            .into_iter()
            .chain([own])
            .filter(|host| !host.is_empty());
        let Some(path) = hosts.find_map(|host| address.strip_prefix(host)?.strip_prefix('/'))
        else {
            bail!(
                Request,
                "{} is no address of the hub: download the file and give its path, or give a hub id (owner/name)",
                shorten(text)
            );
        };
        let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
        let model = match parts.as_slice() {
            [owner, name] => Some(Self::main(&format!("{owner}/{name}"))),
            [owner, name, "tree", revision, folder @ ..] => {
                let folder: String = folder.iter().map(|part| format!("{part}/")).collect();
                Some(Self {
                    revision: (*revision).to_owned(),
                    folder,
                    ..Self::main(&format!("{owner}/{name}"))
                })
            }
            [owner, name, "blob" | "resolve", revision, folder @ .., file] => Some(Self {
                id: format!("{owner}/{name}"),
                revision: (*revision).to_owned(),
                folder: folder.iter().map(|part| format!("{part}/")).collect(),
                file: Some((*file).to_owned()),
            }),
            _ => None,
        };
        let is_usable = |model: &Self| {
            is_id(&model.id)
                && is_path(&model.revision)
                && model.folder.split_terminator('/').all(is_path)
                && model.file.as_deref().is_none_or(is_path)
        };
        match model.filter(is_usable) {
            Some(model) => Ok(model),
            None => bail!(
                Request,
                "{} is no model's address: give https://huggingface.co/OWNER/NAME, with /tree/REVISION or the \
                 /blob/REVISION/FILE of a weight file",
                shorten(text)
            ),
        }
    }
}

fn is_id(text: &str) -> bool {
    text.split_once('/')
        .is_some_and(|(owner, name)| is_part(owner) && is_part(name))
}

/// Parts of names that are safe in addresses and as folders.
fn is_path(text: &str) -> bool {
    text.split('/').all(is_part)
}

fn is_part(part: &str) -> bool {
    !part.is_empty()
        && !part.starts_with('.')
        && !part.contains("..")
        && part
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> HubModel {
        HubModel::parse(text).unwrap().expect(text)
    }

    #[test]
    fn a_model_is_an_id_a_revision_or_an_address() {
        let main = HubModel::main("o/n.a-b_c");
        for text in [
            "o/n.a-b_c",
            "hf-hub:o/n.a-b_c",
            "hf://o/n.a-b_c",
            "hf://models/o/n.a-b_c",
            "https://huggingface.co/o/n.a-b_c",
            "https://huggingface.co/o/n.a-b_c/",
            "http://hf.co/o/n.a-b_c?library=open_clip#use",
            "https://huggingface.co/o/n.a-b_c/tree/main",
        ] {
            assert_eq!(parsed(text), main, "{text}");
        }
        let revised = HubModel {
            revision: "v1.0".to_owned(),
            ..HubModel::main("o/n")
        };
        for text in [
            "o/n@v1.0",
            "hf-hub:o/n@v1.0",
            "https://huggingface.co/o/n/tree/v1.0",
        ] {
            assert_eq!(parsed(text), revised, "{text}");
        }
        assert_eq!(revised.to_string(), "o/n@v1.0");
        assert_eq!(parsed("o/n@refs/pr/1").revision, "refs/pr/1");
    }

    #[test]
    fn an_address_may_name_a_folder_or_a_file() {
        let file = parsed("https://huggingface.co/o/n/blob/main/a/b/model.safetensors");
        assert_eq!(
            (file.folder.as_str(), file.file.as_deref()),
            ("a/b/", Some("model.safetensors"))
        );
        assert_eq!(file.to_string(), "o/n (a/b/model.safetensors)");
        assert_eq!(
            parsed("https://hf.co/o/n/resolve/main/a/b/model.safetensors"),
            file
        );
        let folder = parsed("https://huggingface.co/o/n/tree/v2/a");
        assert_eq!(
            (
                folder.folder.as_str(),
                folder.file,
                folder.revision.as_str()
            ),
            ("a/", None, "v2")
        );
    }

    #[test]
    fn what_leads_nowhere_is_no_model() {
        for text in ["o", "a/b/c", "a/../b", "o/n@", "o/n@a/../b", "o/n@-/..", ""] {
            assert_eq!(HubModel::parse(text).unwrap(), None, "{text}");
        }
        for (text, says) in [
            ("https://huggingface.co/o", "no model's address"),
            ("https://huggingface.co/o/n/blob/main", "no model's address"),
            (
                "https://huggingface.co/o/n/blob/main/../x",
                "no model's address",
            ),
            ("https://huggingface.com/o/n", "no address of the hub"),
            ("https://huggingface.co.evil/o/n", "no address of the hub"),
            ("hf-hub:o", "names no model"),
        ] {
            let report = HubModel::parse(text).unwrap_err().report();
            assert!(report.contains(says), "{report}");
        }
    }

    #[test]
    fn a_model_has_the_name_of_its_repository() {
        assert_eq!(
            HubModel::name_in("https://hf.co/o/n/tree/main").as_deref(),
            Some("n")
        );
        assert_eq!(HubModel::name_in("o/n@v1").as_deref(), Some("n"));
        assert_eq!(HubModel::name_in("weights"), None);
    }
}

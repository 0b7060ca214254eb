//! From images to files, an image at a time.

use std::path::PathBuf;

use candle_core::Tensor;

use super::super::options::say;
use super::super::progress::Progress;
use super::otherwise;
use super::shards::Out;
use crate::encode::notes::{Notes, Skipped, name};
use crate::encode::{self, Images, Wanted};
use crate::error::{Error, Result, bail, printable};
use crate::model::Model;
use crate::output::tensors::{Array, Writer};

/// What is to be written.
pub struct Export<'a> {
    pub model: &'a Model,
    /// Images, and what is read off each.
    pub images: Option<(Images, Wanted)>,
    /// `(n, embedding)`.
    pub texts: Option<Tensor>,
    pub skip_bad: bool,
    pub quiet: bool,
}

impl Export<'_> {
    pub fn write(&self, notes: &Notes, outs: &[Out]) -> Result<()> {
        let layout = match &self.images {
            Some((_, wanted)) => wanted.layout(self.model)?,
            None => Vec::new(),
        };
        let layout = layout
            .into_iter()
            .map(|(name, shape)| Array { name, shape });
        let layout: Vec<Array> = layout.collect();
        let count = self.images.as_ref().map_or(0, |(images, _)| images.count());
        let progress = Progress::new(count, 1, self.quiet || count == 0);
        let mut written = Vec::new();
        for out in outs {
            let arrays = self.file(notes.clone(), out, layout.clone(), &progress)?;
            written.push((out, arrays));
        }
        progress.finish();
        if self.quiet {
            return Ok(());
        }
        for (out, arrays) in written {
            if out.shard.is_some() {
                say(&printable(&out.path.display().to_string()))?;
            }
            for Array { name, shape } in arrays {
                say(&format!("{name} {shape:?}"))?;
            }
        }
        Ok(())
    }

    /// Writes one file; returns what it holds.
    fn file(
        &self,
        mut notes: Notes,
        out: &Out,
        layout: Vec<Array>,
        progress: &Progress,
    ) -> Result<Vec<Array>> {
        let mut writer = Writer::create(&out.path, layout)?;
        if let Some((images, wanted)) = &self.images {
            let some = out.images.clone();
            encode::images(self.model, images, wanted, some, |index, parts| {
                progress.start_batch(1, index);
                let file = images.file(index);
                match parts {
                    Ok(parts) => {
                        notes.files.extend(file.map(|file| name(file)));
                        writer.push(&parts)
                    }
                    Err(error) => {
                        notes.skipped.push(self.skip(file, error, progress)?);
                        Ok(())
                    }
                }
            })?;
            if writer.rows() == 0 && out.shard.is_none() {
                bail!(
                    Input,
                    "none of the pictures can be read: there is nothing to write"
                );
            }
        }
        notes.shard = out.shard;
        if let Some(raw) = &mut notes.raw {
            raw.first = out.images.start;
        }
        let texts = self.texts.iter().map(|texts| ("text_embedding", texts));
        writer.finish(&texts.collect::<Vec<_>>(), &notes.to_json()?)
    }

    /// Goes on without a picture, where that was asked for.
    fn skip(&self, file: Option<&PathBuf>, error: Error, progress: &Progress) -> Result<Skipped> {
        match file {
            Some(file) if self.skip_bad => {
                if !self.quiet {
                    progress.warn(&format!("left out: {}", error.report()));
                }
                Ok(Skipped::new(file, &error))
            }
            Some(_) => Err(otherwise(error)),
            None => Err(error),
        }
    }
}

//! Named arrays to `.npz` or `.safetensors` files, a row at a time.
//!
//! Both formats hold one array after the other, and rows come with a part for each, so rows are
//! first kept in a nameless file in the folder of their place: memory holds one of them.

mod npz;
mod safetensors;

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};

use super::file::{self, Pending};
use crate::error::{Error, Result, bail};

/// A file format for named arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// NumPy's archive, uncompressed.
    Npz,
    /// safetensors.
    Safetensors,
}

impl Format {
    /// The format that a file's extension asks for.
    ///
    /// # Errors
    /// When it is neither.
    pub fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("npz") => Ok(Self::Npz),
            Some("safetensors") => Ok(Self::Safetensors),
            _ => bail!(
                Request,
                "{} ends in neither .npz nor .safetensors",
                path.display()
            ),
        }
    }
}

/// An array of `f32`, by name, and its shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Array {
    /// Its key in the file.
    pub name: String,
    /// Its shape; of one row, where it grows by rows.
    pub shape: Vec<usize>,
}

impl Array {
    fn bytes(&self) -> usize {
        size_of::<f32>() * self.shape.iter().product::<usize>()
    }
}

/// A file in the making.
pub struct Writer {
    path: PathBuf,
    format: Format,
    /// What a row has a part for.
    arrays: Vec<Array>,
    rows: usize,
    spool: BufWriter<File>,
}

impl Writer {
    /// A file that is to lie at `path`, with these arrays.
    ///
    /// # Errors
    /// When its ending is of no format, or no file can be made in its folder.
    pub fn create(path: &Path, arrays: Vec<Array>) -> Result<Self> {
        let spool = file::nameless_beside(path)?;
        Ok(Self {
            path: path.to_owned(),
            format: Format::of(path)?,
            arrays,
            rows: 0,
            spool: BufWriter::with_capacity(1 << 16, spool),
        })
    }

    /// Adds a row: a tensor for each array, of its shape or with a first dimension of one.
    ///
    /// # Errors
    /// When it cannot be kept: the disk is full.
    pub fn push(&mut self, row: &[Tensor]) -> Result<()> {
        let sizes = self.arrays.iter().map(Array::bytes);
        if !sizes.eq(row.iter().map(|part| size_of::<f32>() * part.elem_count())) {
            bail!(Internal, "a row does not fit the arrays that it is for");
        }
        for part in row {
            self.spool
                .write_all(&bytes(part)?)
                .map_err(|source| Error::io("cannot write", &self.path, source))?;
        }
        self.rows += 1;
        Ok(())
    }

    /// Rows that were added.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Writes the file: the arrays with all their rows, `whole` ones as they are, and `notes`,
    /// which is JSON. Returns the names and shapes in the file's order.
    ///
    /// # Errors
    /// When it cannot be written; nothing is then left behind.
    pub fn finish(self, whole: &[(&str, &Tensor)], notes: &str) -> Result<Vec<Array>> {
        let Self {
            path,
            format,
            arrays,
            rows,
            spool,
        } = self;
        let failed = |source| Error::io("cannot write", &path, source);
        let mut spool = spool
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        let stride = arrays.iter().map(Array::bytes).sum::<usize>();
        let mut offset = 0;
        let mut parts = Vec::new();
        for array in &arrays {
            let shape = [&[rows], array.shape.as_slice()].concat();
            let rows = Rows {
                first: offset,
                each: array.bytes(),
                stride,
                count: rows,
            };
            parts.push((
                Array {
                    name: array.name.clone(),
                    shape,
                },
                Content::Rows(rows),
            ));
            offset += array.bytes();
        }
        for (name, tensor) in whole {
            let (name, shape) = ((*name).to_owned(), tensor.dims().to_vec());
            parts.push((Array { name, shape }, Content::Whole(bytes(tensor)?)));
        }
        parts.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        let named = parts.iter().map(|(array, _)| array.clone()).collect();
        let mut pending = Pending::create(&path)?;
        let mut copy = |content: &Content, out: &mut dyn Write| content.copy(&mut spool, out);
        match format {
            Format::Npz => npz::write(pending.file(), &parts, notes, &mut copy),
            Format::Safetensors => safetensors::write(pending.file(), &parts, notes, &mut copy),
        }
        .map_err(failed)?;
        pending.finish()?;
        Ok(named)
    }
}

/// Where an array's numbers come from.
enum Content {
    Whole(Vec<u8>),
    Rows(Rows),
}

/// Parts of an array in the nameless file, in bytes.
struct Rows {
    first: usize,
    each: usize,
    stride: usize,
    count: usize,
}

impl Content {
    fn copy(&self, spool: &mut File, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Whole(bytes) => out.write_all(bytes),
            Self::Rows(rows) => {
                let mut part = vec![0; rows.each];
                for row in 0..rows.count {
                    spool.seek(SeekFrom::Start((rows.first + row * rows.stride) as u64))?;
                    spool.read_exact(&mut part)?;
                    out.write_all(&part)?;
                }
                Ok(())
            }
        }
    }
}

/// Writes an array's numbers.
type Copy<'a> = &'a mut dyn FnMut(&Content, &mut dyn Write) -> io::Result<()>;

/// A tensor's numbers as `f32`, little-endian.
fn bytes(tensor: &Tensor) -> Result<Vec<u8>> {
    let values: Vec<f32> = tensor.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?;
    Ok(values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect())
}

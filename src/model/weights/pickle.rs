//! A reader for the pickles of `torch.save` and `torch.jit.save` that runs no code: what a pickle
//! asks to import or to call becomes a value that names it, and nothing else happens.
//!
//! Values lie in one arena and refer to each other by [`Id`], so neither deep nesting nor cycles
//! can exhaust the stack, and memory stays proportional to the pickle's length.

mod call;
mod cursor;
mod machine;

use super::view::{Dtype, Layout};
use crate::Result;

/// A value's place in its [`Pickle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(u32);

/// A class or function that the pickle names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Global<'a> {
    pub module: &'a str,
    pub name: &'a str,
}

impl std::fmt::Display for Global<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.module, self.name)
    }
}

/// An entry of the archive that holds a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Storage<'a> {
    pub dtype: Dtype,
    /// The entry is `data/<key>`.
    pub key: &'a str,
}

/// A tensor: where its elements lie, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TensorRecord<'a> {
    pub key: &'a str,
    pub layout: Layout,
}

/// What a pickle can hold, as far as weights are concerned.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    /// None, booleans, floats, byte strings: nothing that a weight is made of.
    Irrelevant,
    Int(i64),
    Str(&'a str),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global<'a>),
    Storage(Storage<'a>),
    Tensor(TensorRecord<'a>),
    /// An instance of a class, or the result of a call, that percept does not know.
    Object {
        class: Global<'a>,
        /// The attributes that the pickle sets on it.
        state: Option<Id>,
    },
}

/// A parsed pickle.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    values: Vec<Value<'a>>,
    root: Id,
}

impl<'a> Pickle<'a> {
    /// Reads a whole pickle; what follows its end is ignored, as Python does.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        machine::run(bytes)
    }

    /// The value that the pickle is.
    pub fn root(&self) -> &Value<'a> {
        self.get(self.root)
    }

    /// The value at `id`, which must come from this pickle.
    pub fn get(&self, id: Id) -> &Value<'a> {
        &self.values[id.0 as usize]
    }
}

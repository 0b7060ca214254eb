//! The few calls that make tensors; every other call becomes a [`Value::Object`].

use super::machine::Machine;
use super::{Global, Id, Storage, TensorRecord, Value};
use crate::Result;
use crate::error::bail;
use crate::model::weights::view::{Dtype, Layout};

/// Axes that a tensor may have: weights have at most four.
const MAX_AXES: usize = 8;

impl<'a> Machine<'a> {
    /// What calling `callee` with the tuple `arguments` stands for.
    pub(super) fn call(&self, callee: Id, arguments: Id) -> Result<Value<'a>> {
        let &Value::Global(class) = self.value(callee) else {
            bail!(Weights, "it calls what is no function");
        };
        let Value::Tuple(arguments) = self.value(arguments) else {
            bail!(Weights, "it calls {class} without arguments");
        };
        match (class.module, class.name) {
            ("collections", "OrderedDict") if arguments.is_empty() => Ok(Value::Dict(Vec::new())),
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => self.tensor(arguments),
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                match arguments.first().map(|&id| self.value(id)) {
                    Some(Value::Tensor(tensor)) => Ok(Value::Tensor(tensor.clone())),
                    _ => bail!(Weights, "it makes a parameter of what is no tensor"),
                }
            }
            _ => Ok(Value::Object { class, state: None }),
        }
    }

    /// What a persistent id refers to: `("storage", torch.HalfStorage, key, device, size)`.
    pub(super) fn persistent(&self, id: Id) -> Value<'a> {
        let Value::Tuple(parts) = self.value(id) else {
            return Value::Irrelevant;
        };
        let mut parts = parts.iter().map(|&part| self.value(part));
        match (parts.next(), parts.next(), parts.next()) {
            (
                Some(Value::Str("storage")),
                Some(&Value::Global(Global {
                    module: "torch",
                    name,
                })),
                Some(&Value::Str(key)),
            ) => Value::Storage(Storage {
                dtype: dtype_of(name),
                key,
            }),
            _ => Value::Irrelevant,
        }
    }

    /// `(storage, offset, shape, strides, ...)`.
    fn tensor(&self, arguments: &[Id]) -> Result<Value<'a>> {
        let [storage, offset, shape, strides, ..] = arguments else {
            bail!(Weights, "it makes a tensor of {} values", arguments.len());
        };
        let (&Value::Storage(Storage { dtype, key }), Some(offset), Some(shape), Some(strides)) = (
            self.value(*storage),
            self.count(*offset),
            self.counts(*shape),
            self.counts(*strides),
        ) else {
            bail!(
                Weights,
                "it makes a tensor of what is no storage, offset, shape and strides"
            );
        };
        if shape.len() != strides.len() {
            bail!(
                Weights,
                "a tensor has shape {shape:?} and strides {strides:?}"
            );
        }
        let layout = Layout {
            dtype,
            offset,
            shape,
            strides,
        };
        Ok(Value::Tensor(TensorRecord { key, layout }))
    }

    fn counts(&self, id: Id) -> Option<Vec<usize>> {
        match self.value(id) {
            Value::Tuple(ids) | Value::List(ids) if ids.len() <= MAX_AXES => {
                ids.iter().map(|&id| self.count(id)).collect()
            }
            _ => None,
        }
    }

    fn count(&self, id: Id) -> Option<usize> {
        match self.value(id) {
            &Value::Int(value) => usize::try_from(value).ok(),
            _ => None,
        }
    }

    fn value(&self, Id(index): Id) -> &Value<'a> {
        &self.values[index as usize]
    }
}

fn dtype_of(storage: &str) -> Dtype {
    match storage {
        "HalfStorage" => Dtype::F16,
        "BFloat16Storage" => Dtype::Bf16,
        "FloatStorage" => Dtype::F32,
        "DoubleStorage" => Dtype::F64,
        _ => Dtype::Other,
    }
}

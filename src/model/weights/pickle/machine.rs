//! The stack machine: the opcodes of pickle protocol 2, which is what PyTorch writes.

use std::collections::HashMap;

use super::cursor::Cursor;
use super::{Global, Id, Pickle, Value};
use crate::Result;
use crate::error::{Context, bail};

/// Values that a pickle may hold. A training checkpoint of a ViT-L, optimiser and all, has less than
/// 10^5; a hostile file gets no further than a few hundred megabytes.
const MAX_VALUES: usize = 1_000_000;

/// The newest protocol whose opcodes are read: the default of `torch.save`.
const PROTOCOL: u8 = 2;

/// Runs the pickle to its STOP.
pub(super) fn run(bytes: &[u8]) -> Result<Pickle<'_>> {
    let mut machine = Machine {
        cursor: Cursor::new(bytes),
        values: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    loop {
        let at = machine.cursor.position();
        let stopped = machine
            .step()
            .context(|| format!("data.pkl cannot be read at byte {at}"))?;
        if let Some(root) = stopped {
            return Ok(Pickle {
                values: machine.values,
                root,
            });
        }
    }
}

pub(super) struct Machine<'a> {
    cursor: Cursor<'a>,
    pub(super) values: Vec<Value<'a>>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    /// Runs one opcode; the pickle's value when it was STOP.
    fn step(&mut self) -> Result<Option<Id>> {
        let opcode = self.cursor.byte()?;
        match opcode {
            b'.' => return self.pop().map(Some),
            0x80 => self.protocol()?,
            b'(' => self.mark()?,
            b'q' | b'r' | b'h' | b'j' => self.memo(opcode)?,
            b'K' | b'M' | b'J' | 0x8a | b'G' | b'N' | 0x88 | 0x89 => self.scalar(opcode)?,
            b'X' | b'U' | b'T' => self.text(opcode)?,
            b')' | b']' | b'}' | b't' | 0x85..=0x87 => self.container(opcode)?,
            b'a' | b'e' | b's' | b'u' => self.fill(opcode)?,
            b'c' => {
                let (module, name) = (self.cursor.line()?, self.cursor.line()?);
                self.push(Value::Global(Global { module, name }))?;
            }
            b'Q' => {
                let id = self.pop()?;
                let value = self.persistent(id);
                self.push(value)?;
            }
            b'R' | 0x81 => {
                let (arguments, callee) = (self.pop()?, self.pop()?);
                let value = self.call(callee, arguments)?;
                self.push(value)?;
            }
            b'b' => self.build()?,
            _ => bail!(Weights, "opcode {opcode:#04x} is none that PyTorch writes"),
        }
        Ok(None)
    }

    fn protocol(&mut self) -> Result<()> {
        match self.cursor.byte()? {
            0..=PROTOCOL => Ok(()),
            other => bail!(
                Weights,
                "it uses pickle protocol {other}, percept reads {PROTOCOL}: save it again with \
                 torch.save's default pickle_protocol"
            ),
        }
    }

    fn push(&mut self, value: Value<'a>) -> Result<()> {
        if self.values.len() >= MAX_VALUES {
            bail!(Weights, "it holds more than {MAX_VALUES} values");
        }
        self.stack.push(Id(self.values.len() as u32));
        self.values.push(value);
        Ok(())
    }

    /// Takes the top of the stack, down to the last mark and no further.
    fn pop(&mut self) -> Result<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.pop() {
            Some(id) if self.stack.len() >= floor => Ok(id),
            _ => bail!(Weights, "it takes a value from an empty stack"),
        }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.drain(mark..).collect()),
            None => bail!(Weights, "it closes a list that was not opened"),
        }
    }

    fn top(&mut self) -> Result<Id> {
        let id = self.pop()?;
        self.stack.push(id);
        Ok(id)
    }

    fn mark(&mut self) -> Result<()> {
        if self.marks.len() >= MAX_VALUES {
            bail!(Weights, "it opens more than {MAX_VALUES} lists");
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn memo(&mut self, opcode: u8) -> Result<()> {
        let key = match opcode {
            b'q' | b'h' => u32::from(self.cursor.byte()?),
            _ => self.cursor.u32()?,
        };
        if matches!(opcode, b'q' | b'r') {
            let id = self.top()?;
            self.memo.insert(key, id);
            return Ok(());
        }
        match self.memo.get(&key) {
            Some(&id) => self.stack.push(id),
            None => bail!(Weights, "it refers to value {key}, which it never stored"),
        }
        Ok(())
    }

    fn scalar(&mut self, opcode: u8) -> Result<()> {
        let value = match opcode {
            b'K' => Value::Int(i64::from(self.cursor.byte()?)),
            b'M' => Value::Int(i64::from(u16::from_le_bytes(self.cursor.array()?))),
            b'J' => Value::Int(i64::from(i32::from_le_bytes(self.cursor.array()?))),
            0x8a => {
                let length = self.cursor.byte()?;
                long(self.cursor.take(usize::from(length))?)
            }
            b'G' => {
                self.cursor.take(size_of::<f64>())?;
                Value::Irrelevant
            }
            _ => Value::Irrelevant,
        };
        self.push(value)
    }

    fn text(&mut self, opcode: u8) -> Result<()> {
        let length = match opcode {
            b'U' => u32::from(self.cursor.byte()?),
            _ => self.cursor.u32()?,
        };
        let value = match opcode {
            b'X' => Value::Str(self.cursor.text(length)?),
            _ => {
                self.cursor.take(length as usize)?;
                Value::Irrelevant
            }
        };
        self.push(value)
    }

    fn container(&mut self, opcode: u8) -> Result<()> {
        let value = match opcode {
            b']' => Value::List(Vec::new()),
            b'}' => Value::Dict(Vec::new()),
            b')' => Value::Tuple(Vec::new()),
            b't' => Value::Tuple(self.pop_to_mark()?),
            _ => {
                let mut items = Vec::new();
                for _ in 0x85..=opcode {
                    items.push(self.pop()?);
                }
                items.reverse();
                Value::Tuple(items)
            }
        };
        self.push(value)
    }

    /// Adds items to the list or dict below them; what is added to any other object is dropped.
    fn fill(&mut self, opcode: u8) -> Result<()> {
        let mut items = match opcode {
            b'e' | b'u' => self.pop_to_mark()?,
            b'a' => vec![self.pop()?],
            _ => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
        };
        let Id(target) = self.top()?;
        match &mut self.values[target as usize] {
            Value::List(list) => list.append(&mut items),
            Value::Dict(dict) => {
                let (pairs, rest) = items.as_chunks::<2>();
                if !rest.is_empty() {
                    bail!(Weights, "it gives a key without a value");
                }
                dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
            }
            Value::Object { .. } => {}
            _ => bail!(Weights, "it adds items to what is no collection"),
        }
        Ok(())
    }

    fn build(&mut self) -> Result<()> {
        let given = self.pop()?;
        let Id(target) = self.top()?;
        if let Value::Object { state, .. } = &mut self.values[target as usize] {
            *state = Some(given);
        }
        Ok(())
    }
}

/// A little-endian two's complement integer of any length.
fn long<'a>(bytes: &[u8]) -> Value<'a> {
    let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
    let mut wide = [if negative { 0xff } else { 0 }; 8];
    match wide.get_mut(..bytes.len()) {
        Some(low) => low.copy_from_slice(bytes),
        None => return Value::Irrelevant,
    }
    Value::Int(i64::from_le_bytes(wide))
}

//! Columns of a Parquet file: of values, of lists of values, of lists of structures.
//!
//! A list has the standard's three levels, `NAME (LIST) / list / element`. Definition levels count the
//! optional and repeated levels down to a value that is there; repetition levels are 0 where a row
//! begins and 1 within a list.

use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedColumnWriter;
use parquet::schema::types::{Type, TypePtr};

/// A type of value.
pub trait Cell: Sized + 'static {
    const PHYSICAL: Physical;
    fn logical() -> Option<LogicalType> {
        None
    }
    fn push(self, values: &mut Values);
}

impl Cell for i64 {
    const PHYSICAL: Physical = Physical::INT64;
    fn push(self, values: &mut Values) {
        values.whole.push(self);
    }
}

impl Cell for u64 {
    const PHYSICAL: Physical = Physical::INT64;
    fn logical() -> Option<LogicalType> {
        Some(LogicalType::integer(64, false))
    }
    fn push(self, values: &mut Values) {
        values.whole.push(self.cast_signed());
    }
}

impl Cell for f64 {
    const PHYSICAL: Physical = Physical::DOUBLE;
    fn push(self, values: &mut Values) {
        values.double.push(self);
    }
}

impl Cell for bool {
    const PHYSICAL: Physical = Physical::BOOLEAN;
    fn push(self, values: &mut Values) {
        values.truth.push(self);
    }
}

impl Cell for String {
    const PHYSICAL: Physical = Physical::BYTE_ARRAY;
    fn logical() -> Option<LogicalType> {
        Some(LogicalType::String)
    }
    fn push(self, values: &mut Values) {
        values.text.push(ByteArray::from(self.into_bytes()));
    }
}

/// The values of one leaf; all but one of the lists are empty.
#[derive(Default)]
pub struct Values {
    whole: Vec<i64>,
    double: Vec<f64>,
    truth: Vec<bool>,
    text: Vec<ByteArray>,
}

/// Appends a value of an `S`, and says whether there was one.
type Push<S> = dyn Fn(&S, &mut Values) -> bool;

/// A named value of each `S`.
pub struct Leaf<S> {
    name: &'static str,
    physical: Physical,
    logical: Option<LogicalType>,
    is_optional: bool,
    push: Box<Push<S>>,
}

impl<S> Leaf<S> {
    /// A value that every `S` has.
    pub fn required<C: Cell>(name: &'static str, get: impl Fn(&S) -> C + 'static) -> Self {
        Self {
            is_optional: false,
            ..Self::optional(name, move |item| Some(get(item)))
        }
    }

    /// A value that an `S` may have.
    pub fn optional<C: Cell>(name: &'static str, get: impl Fn(&S) -> Option<C> + 'static) -> Self {
        Self {
            name,
            physical: C::PHYSICAL,
            logical: C::logical(),
            is_optional: true,
            push: Box::new(move |item, values| match get(item) {
                Some(value) => {
                    value.push(values);
                    true
                }
                None => false,
            }),
        }
    }

    fn field(&self) -> Result<TypePtr, ParquetError> {
        let repetition = match self.is_optional {
            true => Repetition::OPTIONAL,
            false => Repetition::REQUIRED,
        };
        let builder = Type::primitive_type_builder(self.name, self.physical);
        let builder = builder.with_repetition(repetition);
        Ok(Arc::new(
            builder.with_logical_type(self.logical.clone()).build()?,
        ))
    }
}

/// A field of the schema, and the leaves below it.
pub struct Column {
    pub field: TypePtr,
    pub chunks: Vec<Chunk>,
}

impl Column {
    /// A value a row.
    pub fn scalar<R>(rows: &[R], leaf: &Leaf<R>) -> Result<Self, ParquetError> {
        let mut chunk = Chunk::default();
        for row in rows {
            chunk.push(0, 0, leaf, row);
        }
        Ok(Self {
            field: leaf.field()?,
            chunks: vec![chunk],
        })
    }

    /// A list of values a row.
    pub fn list<R, S, C: Cell>(
        rows: &[R],
        name: &'static str,
        items: fn(&R) -> &[S],
        get: impl Fn(&S) -> C + 'static,
    ) -> Result<Self, ParquetError> {
        let leaf = Leaf::required("element", get);
        Ok(Self {
            field: list(name, leaf.field()?)?,
            chunks: vec![Chunk::repeated(rows, items, &leaf)],
        })
    }

    /// A list of structures a row.
    pub fn structs<R, S>(
        rows: &[R],
        name: &'static str,
        items: fn(&R) -> &[S],
        leaves: &[Leaf<S>],
    ) -> Result<Self, ParquetError> {
        let fields = leaves.iter().map(Leaf::field).collect::<Result<_, _>>()?;
        let element = Type::group_type_builder("element")
            .with_repetition(Repetition::REQUIRED)
            .with_fields(fields)
            .build()?;
        Ok(Self {
            field: list(name, Arc::new(element))?,
            chunks: leaves
                .iter()
                .map(|leaf| Chunk::repeated(rows, items, leaf))
                .collect(),
        })
    }
}

fn list(name: &str, element: TypePtr) -> Result<TypePtr, ParquetError> {
    let repeated = Type::group_type_builder("list")
        .with_repetition(Repetition::REPEATED)
        .with_fields(vec![element])
        .build()?;
    let list = Type::group_type_builder(name)
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(Some(LogicalType::List))
        .with_fields(vec![Arc::new(repeated)])
        .build()?;
    Ok(Arc::new(list))
}

/// The values of one leaf, with their levels.
#[derive(Default)]
pub struct Chunk {
    definition: Vec<i16>,
    repetition: Vec<i16>,
    values: Values,
}

impl Chunk {
    fn repeated<R, S>(rows: &[R], items: fn(&R) -> &[S], leaf: &Leaf<S>) -> Self {
        let mut chunk = Self::default();
        for row in rows {
            let items = items(row);
            if items.is_empty() {
                chunk.definition.push(0);
                chunk.repetition.push(0);
            }
            for (index, item) in items.iter().enumerate() {
                chunk.push(1, i16::from(index > 0), leaf, item);
            }
        }
        chunk
    }

    /// `depth` is the definition level of a required value here.
    fn push<S>(&mut self, depth: i16, repetition: i16, leaf: &Leaf<S>, item: &S) {
        let is_there = (leaf.push)(item, &mut self.values);
        self.definition
            .push(depth + i16::from(leaf.is_optional && is_there));
        self.repetition.push(repetition);
    }

    /// Writes the chunk; the writer leaves out levels that the schema has not.
    pub fn write(&self, writer: &mut SerializedColumnWriter) -> Result<(), ParquetError> {
        let definition = Some(&self.definition[..]);
        let repetition = Some(&self.repetition[..]);
        let values = &self.values;
        match writer.untyped() {
            ColumnWriter::Int64ColumnWriter(writer) => {
                writer.write_batch(&values.whole, definition, repetition)
            }
            ColumnWriter::DoubleColumnWriter(writer) => {
                writer.write_batch(&values.double, definition, repetition)
            }
            ColumnWriter::BoolColumnWriter(writer) => {
                writer.write_batch(&values.truth, definition, repetition)
            }
            _ => writer
                .typed::<ByteArrayType>()
                .write_batch(&values.text, definition, repetition),
        }?;
        Ok(())
    }
}

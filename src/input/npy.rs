//! Arrays of real numbers as NumPy writes them, of any type and byte order.

use std::io::Read;
use std::path::Path;

use candle_core::{Device, Tensor};
use half::f16;
use ndarray::ArrayD;
use ndarray_npy::{ReadDataError, ReadNpyExt, ReadableElement};
use py_literal::Value;

use crate::error::{Error, Kind, Result};

/// The array in a file's bytes, as `f64`; no memory is taken for what its header claims beyond them.
///
/// # Errors
/// When they are none, or hold something else than real numbers.
pub fn tensor(bytes: &[u8], path: &Path) -> Result<Tensor> {
    let array = ArrayD::<Number>::read_npy(bytes).map_err(|source| {
        let message = format!(
            "cannot read {} as an array of real numbers (f16, f32, f64, or whole numbers of 8 to 64 bits)",
            path.display()
        );
        Error::new(Kind::Input, message).caused_by(source)
    })?;
    let values = array.iter().map(|number| number.0);
    Ok(Tensor::from_iter(values, &Device::Cpu)?.reshape(array.shape())?)
}

/// A real number of any of NumPy's types; whole numbers beyond 2^53 are rounded.
struct Number(f64);

/// Takes so many bytes and makes a number of them.
struct Decoder {
    size: usize,
    decode: fn(&[u8]) -> f64,
}

/// For a type such as `<f4`: `<` and `>` are the byte orders.
fn decoder(descriptor: &str) -> Option<Decoder> {
    macro_rules! decoder {
        ($type:ty, $from:ident, $as:expr) => {{
            const SIZE: usize = size_of::<$type>();
            let decode: fn(&[u8]) -> f64 = |bytes| {
                let number = bytes.first_chunk::<SIZE>();
                number.map_or(f64::NAN, |bytes| $as(<$type>::$from(*bytes)))
            };
            Some(Decoder { size: SIZE, decode })
        }};
    }
    match descriptor {
        "|i1" | "i1" => decoder!(i8, from_le_bytes, f64::from),
        "|u1" | "u1" => decoder!(u8, from_le_bytes, f64::from),
        "<i2" => decoder!(i16, from_le_bytes, f64::from),
        ">i2" => decoder!(i16, from_be_bytes, f64::from),
        "<u2" => decoder!(u16, from_le_bytes, f64::from),
        ">u2" => decoder!(u16, from_be_bytes, f64::from),
        "<i4" => decoder!(i32, from_le_bytes, f64::from),
        ">i4" => decoder!(i32, from_be_bytes, f64::from),
        "<u4" => decoder!(u32, from_le_bytes, f64::from),
        ">u4" => decoder!(u32, from_be_bytes, f64::from),
        "<i8" => decoder!(i64, from_le_bytes, |x| x as f64),
        ">i8" => decoder!(i64, from_be_bytes, |x| x as f64),
        "<u8" => decoder!(u64, from_le_bytes, |x| x as f64),
        ">u8" => decoder!(u64, from_be_bytes, |x| x as f64),
        "<f2" => decoder!(f16, from_le_bytes, f64::from),
        ">f2" => decoder!(f16, from_be_bytes, f64::from),
        "<f4" => decoder!(f32, from_le_bytes, f64::from),
        ">f4" => decoder!(f32, from_be_bytes, f64::from),
        "<f8" => decoder!(f64, from_le_bytes, f64::from),
        ">f8" => decoder!(f64, from_be_bytes, f64::from),
        _ => None,
    }
}

impl ReadableElement for Number {
    fn read_to_end_exact_vec<R: Read>(
        mut reader: R,
        descriptor: &Value,
        length: usize,
    ) -> Result<Vec<Self>, ReadDataError> {
        let known = match descriptor {
            Value::String(descriptor) => decoder(descriptor),
            _ => None,
        };
        let Some(Decoder { size, decode }) = known else {
            return Err(ReadDataError::WrongDescriptor(descriptor.clone()));
        };
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes)?;
        match bytes.len().checked_sub(length.saturating_mul(size)) {
            None => Err(ReadDataError::MissingData),
            Some(0) => Ok(bytes.chunks(size).map(decode).map(Self).collect()),
            Some(extra) => Err(ReadDataError::ExtraBytes(extra)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(descriptor: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header =
            format!("{{'descr': {descriptor}, 'fortran_order': False, 'shape': ({shape}), }}");
        let header = format!("{header:<117}\n");
        let length = (header.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
    }

    fn read(descriptor: &str, shape: &str, data: &[u8]) -> Result<Vec<f64>> {
        let file = file(descriptor, shape, data);
        Ok(tensor(&file, Path::new("a.npy"))?
            .flatten_all()?
            .to_vec1()?)
    }

    /// 1, 2 and, where there is a sign, -3.
    #[test]
    fn every_type_is_read_in_either_byte_order() {
        macro_rules! check {
            ($type:ty, $name:literal, $last:literal) => {
                let numbers = [1u8, 2, 3].map(|x| x as $type);
                let last = (0 as $type).wrapping_sub($last);
                check!(@ $name, [numbers[0], numbers[1], last], [1.0, 2.0, last as f64]);
            };
            (@ $name:literal, $numbers:expr, $expected:expr) => {
                let little: Vec<u8> = $numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
                let big: Vec<u8> = $numbers.iter().flat_map(|x| x.to_be_bytes()).collect();
                let orders = if $name.ends_with('1') { ["|", "|"] } else { ["<", ">"] };
                for (order, bytes) in orders.iter().zip([little, big]) {
                    let descriptor = format!("'{order}{}'", $name);
                    assert_eq!(read(&descriptor, "3,", &bytes).unwrap(), $expected, "{descriptor}");
                }
            };
        }
        check!(i8, "i1", 3);
        check!(i16, "i2", 3);
        check!(i32, "i4", 3);
        check!(i64, "i8", 3);
        check!(u8, "u1", 3);
        check!(u16, "u2", 3);
        check!(u32, "u4", 3);
        check!(@ "u8", [1u64, 2, 1 << 53], [1.0, 2.0, 9007199254740992.0]);
        check!(@ "f2", [1.0, 2.5, -65504.0].map(f16::from_f64), [1.0, 2.5, -65504.0]);
        check!(@ "f4", [1.0f32, 2.5, -3e38], [1.0, 2.5, f64::from(-3e38f32)]);
        check!(@ "f8", [1.0f64, 2.5, -3e300], [1.0, 2.5, -3e300]);
    }

    #[test]
    fn what_is_no_real_number_or_has_another_length_is_an_error() {
        for (descriptor, shape, bytes) in [
            ("'<c8'", "1,", 8),
            ("'|b1'", "1,", 1),
            ("'<U2'", "1,", 8),
            ("[('x', '<f4')]", "1,", 4),
            ("'<f2'", "2,", 3),
            ("'<f2'", "2,", 5),
            ("'<f8'", "1000000000000,", 8),
        ] {
            let error = read(descriptor, shape, &vec![0; bytes]).unwrap_err();
            let report = error.report();
            assert!(report.contains("a.npy as an array"), "{report}");
        }
    }
}

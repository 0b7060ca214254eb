//! Real numbers as files hold them.

use half::{bf16, f16};
use safetensors::Dtype;

/// A type of real numbers in one byte order; whole numbers beyond 2^53 are rounded.
#[derive(Clone, Copy)]
pub(super) struct Number {
    /// Bytes of one.
    pub size: usize,
    decode: fn(&[u8]) -> f64,
}

macro_rules! number {
    ($type:ty, $from:ident, $as:expr) => {{
        const SIZE: usize = size_of::<$type>();
        let decode: fn(&[u8]) -> f64 = |bytes| {
            let number = bytes.first_chunk::<SIZE>();
            number.map_or(f64::NAN, |bytes| $as(<$type>::$from(*bytes)))
        };
        Some(Number { size: SIZE, decode })
    }};
}

impl Number {
    /// Of a type as NumPy writes it, such as `<f4`: `<` and `>` are the byte orders.
    pub fn of_numpy(descriptor: &str) -> Option<Self> {
        match descriptor {
            "|i1" | "i1" => number!(i8, from_le_bytes, f64::from),
            "|u1" | "u1" => number!(u8, from_le_bytes, f64::from),
            "<i2" => number!(i16, from_le_bytes, f64::from),
            ">i2" => number!(i16, from_be_bytes, f64::from),
            "<u2" => number!(u16, from_le_bytes, f64::from),
            ">u2" => number!(u16, from_be_bytes, f64::from),
            "<i4" => number!(i32, from_le_bytes, f64::from),
            ">i4" => number!(i32, from_be_bytes, f64::from),
            "<u4" => number!(u32, from_le_bytes, f64::from),
            ">u4" => number!(u32, from_be_bytes, f64::from),
            "<i8" => number!(i64, from_le_bytes, |x| x as f64),
            ">i8" => number!(i64, from_be_bytes, |x| x as f64),
            "<u8" => number!(u64, from_le_bytes, |x| x as f64),
            ">u8" => number!(u64, from_be_bytes, |x| x as f64),
            "<f2" => number!(f16, from_le_bytes, f64::from),
            ">f2" => number!(f16, from_be_bytes, f64::from),
            "<f4" => number!(f32, from_le_bytes, f64::from),
            ">f4" => number!(f32, from_be_bytes, f64::from),
            "<f8" => number!(f64, from_le_bytes, f64::from),
            ">f8" => number!(f64, from_be_bytes, f64::from),
            _ => None,
        }
    }

    /// Of a type of `.safetensors` files.
    pub fn of_safetensors(dtype: Dtype) -> Option<Self> {
        match dtype {
            Dtype::F16 => Self::of_numpy("<f2"),
            Dtype::BF16 => number!(bf16, from_le_bytes, f64::from),
            Dtype::F32 => Self::of_numpy("<f4"),
            Dtype::F64 => Self::of_numpy("<f8"),
            _ => None,
        }
    }

    /// The number that `bytes` begin with; NaN where they are too few.
    pub fn read(self, bytes: &[u8]) -> f64 {
        (self.decode)(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1, 2 and, where there is a sign, -3.
    #[test]
    fn every_type_is_read_in_either_byte_order() {
        fn read(descriptor: &str, bytes: &[u8]) -> Vec<f64> {
            let number = Number::of_numpy(descriptor).unwrap();
            let numbers = bytes.chunks(number.size);
            numbers.map(|bytes| number.read(bytes)).collect()
        }
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
                    let descriptor = format!("{order}{}", $name);
                    assert_eq!(read(&descriptor, &bytes), $expected, "{descriptor}");
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
    fn what_is_no_real_number_has_no_type() {
        for descriptor in ["<c8", "|b1", "<U2", "", "<f16", "=f4"] {
            assert!(Number::of_numpy(descriptor).is_none(), "{descriptor}");
        }
        assert!(Number::of_safetensors(Dtype::I64).is_none());
    }
}

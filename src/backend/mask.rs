//! One bit a value: what a ReLU remembers.

/// For each row of channels, which of them were active: bit `c % 8` of byte `c / 8`. Each row
/// begins with a byte of its own.
#[derive(Debug, Clone, Default)]
pub struct Mask {
    /// All rows' bytes.
    pub bytes: Vec<u8>,
    /// Bytes of a row.
    pub stride: usize,
}

impl Mask {
    /// For `rows` rows of `channels` values, none active.
    pub fn new(rows: usize, channels: usize) -> Self {
        let stride = channels.div_ceil(8);
        Self {
            bytes: vec![0; rows * stride],
            stride,
        }
    }

    /// The bytes of one row.
    pub fn row(&self, row: usize) -> &[u8] {
        &self.bytes[row * self.stride..][..self.stride]
    }

    /// Whether a value was active.
    pub fn is_active(&self, row: usize, channel: usize) -> bool {
        self.row(row)[channel / 8] >> (channel % 8) & 1 == 1
    }
}

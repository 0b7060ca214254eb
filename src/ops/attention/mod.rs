//! Scaled dot-product attention with several heads, on queries, keys and values that are already
//! projected: per head `softmax(q . k^T / sqrt(d)) . v`.
//!
//! The pullback, with `p` the probabilities and `do` the head's output cotangent: `dv = p^T . do`,
//! `dp = do . v^T`, `ds = p * (dp - rowsum(dp * p))`, `dq = ds . k / sqrt(d)`,
//! `dk = ds^T . q / sqrt(d)`.

mod cpu;

use candle_core::Tensor;

use crate::backend::by_dtype;
use crate::error::Result;

/// The shape of an attention.
#[derive(Debug, Clone, Copy)]
pub struct Attention {
    /// Heads; each sees `width / heads` components.
    pub heads: usize,
    /// Whether a token sees only itself and those before it (the text tower).
    pub causal: bool,
}

/// What the pullback needs.
#[derive(Debug, Clone)]
pub struct Saved {
    query: Tensor,
    key: Tensor,
    value: Tensor,
    /// `(n, heads, queries, keys)`.
    probabilities: Tensor,
}

/// The cotangents of an attention's three inputs.
#[derive(Debug, Clone)]
pub struct Cotangents {
    /// `(n, queries, width)`.
    pub query: Tensor,
    /// `(n, keys, width)`.
    pub key: Tensor,
    /// `(n, keys, width)`.
    pub value: Tensor,
}

impl Attention {
    /// `query (n, queries, width)`, `key` and `value (n, keys, width)` to `(n, queries, width)`.
    pub fn forward(&self, query: &Tensor, key: &Tensor, value: &Tensor) -> Result<(Tensor, Saved)> {
        let (query, key, value) = (query.contiguous()?, key.contiguous()?, value.contiguous()?);
        by_dtype!(query, T => cpu::forward::<T>(*self, query, key, value))
    }

    /// The cotangents of query, key and value from that of the output.
    pub fn pullback(&self, saved: &Saved, dy: &Tensor) -> Result<Cotangents> {
        let dy = dy.contiguous()?;
        by_dtype!(dy, T => cpu::pullback::<T>(*self, saved, &dy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{assert_close, dot, pullback_matches_differences, wave};
    use candle_core::D;

    #[test]
    fn forward_matches_tensor_algebra() {
        let (n, queries, keys, heads, d) = (2, 3, 5, 2, 4);
        let q = wave(&[n, queries, heads * d], 0.1);
        let k = wave(&[n, keys, heads * d], 0.7);
        let v = wave(&[n, keys, heads * d], 1.9);
        let split = |x: &Tensor, rows: usize| {
            let x = x.reshape((n, rows, heads, d)).unwrap();
            x.transpose(1, 2).unwrap().contiguous().unwrap()
        };
        let scores = (split(&q, queries)
            .matmul(&split(&k, keys).t().unwrap())
            .unwrap()
            * 0.5)
            .unwrap();
        let p = candle_nn::ops::softmax(&scores, D::Minus1).unwrap();
        let theirs = p.matmul(&split(&v, keys)).unwrap().transpose(1, 2).unwrap();
        let theirs = theirs.reshape((n, queries, heads * d)).unwrap();
        let attention = Attention {
            heads,
            causal: false,
        };
        let (ours, _) = attention.forward(&q, &k, &v).unwrap();
        let difference = (ours - theirs).unwrap();
        assert_close(dot(&difference, &difference), 0.0, 1e-18, "squared error");
    }

    #[test]
    fn pullbacks_match_central_differences() {
        for (queries, keys, causal) in [(1, 5, false), (5, 5, false), (7, 7, true)] {
            let q = wave(&[2, queries, 6], 0.1);
            let k = wave(&[2, keys, 6], 0.7);
            let v = wave(&[2, keys, 6], 1.9);
            let attention = Attention { heads: 3, causal };
            let (_, saved) = attention.forward(&q, &k, &v).unwrap();
            let output = |q: &Tensor, k: &Tensor, v: &Tensor| Ok(attention.forward(q, k, v)?.0);
            let back = |dy: &Tensor| attention.pullback(&saved, dy);
            pullback_matches_differences(&q, |q| output(q, &k, &v), |dy| Ok(back(dy)?.query));
            pullback_matches_differences(&k, |k| output(&q, k, &v), |dy| Ok(back(dy)?.key));
            pullback_matches_differences(&v, |v| output(&q, &k, v), |dy| Ok(back(dy)?.value));
        }
    }
}

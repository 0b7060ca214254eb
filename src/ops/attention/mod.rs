//! Scaled dot-product attention with several heads, on queries, keys and values that are already
//! projected: per head `softmax(q . k^T / sqrt(d)) . v`.
//!
//! The pullback, with `p` the probabilities and `do` the head's output cotangent: `dv = p^T . do`,
//! `dp = do . v^T`, `ds = p * (dp - rowsum(dp * p))`, `dq = ds . k / sqrt(d)`,
//! `dk = ds^T . q / sqrt(d)`.

mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;

use crate::backend::buffer::Buffer;
use crate::backend::cpu::Real;
use crate::backend::field::{Extent, Field};

/// The shape of an attention.
#[derive(Debug, Clone, Copy)]
pub struct Attention {
    /// Heads; each sees `width / heads` components.
    pub heads: usize,
    /// Whether a token sees only itself and those before it (the text tower).
    pub causal: bool,
}

/// What an attention reads, and in the pullback its cotangents.
#[derive(Debug)]
pub enum Inputs<T: Real> {
    /// Queries, keys and values of the same tokens side by side, `(n, tokens, 3 * width)`.
    Own(Field<T>),
    /// Queries `(n, queries, width)` of other tokens than keys and values side by side,
    /// `(n, keys, 2 * width)`.
    Other {
        /// The queries.
        query: Field<T>,
        /// The keys, then the values.
        key_value: Field<T>,
    },
}

/// What the pullback needs.
#[derive(Debug)]
pub struct Saved<T: Real> {
    inputs: Inputs<T>,
    /// `(n, heads, queries, keys)`.
    probabilities: Buffer<T>,
}

impl<T: Real> Inputs<T> {
    fn query(&self) -> &Field<T> {
        match self {
            Self::Own(all) => all,
            Self::Other { query, .. } => query,
        }
    }

    /// The field with keys and values, and the numbers before the first key.
    fn key_value(&self) -> (&Field<T>, usize) {
        match self {
            Self::Own(all) => (all, all.extent.channels / 3),
            Self::Other { key_value, .. } => (key_value, 0),
        }
    }

    fn width(&self) -> usize {
        match self {
            Self::Own(all) => all.extent.channels / 3,
            Self::Other { query, .. } => query.extent.channels,
        }
    }

    /// Of the same extents, to be written.
    fn like(&self) -> Self {
        match self {
            Self::Own(all) => Self::Own(Field::any(all.extent)),
            Self::Other { query, key_value } => Self::Other {
                query: Field::any(query.extent),
                key_value: Field::any(key_value.extent),
            },
        }
    }
}

impl Attention {
    /// `(n, queries, width)`, and what the pullback needs.
    pub fn forward<T: Real>(&self, inputs: Inputs<T>) -> (Field<T>, Saved<T>) {
        let query = inputs.query().extent;
        let mut y = Field::any(Extent {
            channels: inputs.width(),
            ..query
        });
        let keys = inputs.key_value().0.extent.positions();
        let count = query.images * self.heads * query.positions() * keys;
        let mut probabilities = Buffer::any(count);
        cpu::forward(*self, &inputs, &mut probabilities, &mut y);
        let saved = Saved {
            inputs,
            probabilities,
        };
        (y, saved)
    }

    /// The cotangents of the inputs from that of the output.
    pub fn pullback<T: Real>(&self, saved: &Saved<T>, dy: &Field<T>) -> Inputs<T> {
        let mut d = saved.inputs.like();
        cpu::pullback(*self, saved, dy, &mut d);
        d
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{assert_close, dot, pullback_matches_differences, wave};
    use candle_core::{D, Tensor};

    fn forward(attention: Attention, q: &Tensor, kv: &Tensor) -> (Field<f64>, Saved<f64>) {
        attention.forward(Inputs::Other {
            query: Field::from_tokens(q).unwrap(),
            key_value: Field::from_tokens(kv).unwrap(),
        })
    }

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
        let kv = Tensor::cat(&[&k, &v], 2).unwrap();
        let (ours, _) = forward(attention, &q, &kv);
        let difference = (ours.to_tokens().unwrap() - theirs).unwrap();
        assert_close(dot(&difference, &difference), 0.0, 1e-18, "squared error");
    }

    #[test]
    fn pullbacks_match_central_differences() {
        for (queries, keys) in [(1, 5), (5, 5)] {
            let (q, kv) = (wave(&[2, queries, 6], 0.1), wave(&[2, keys, 12], 0.7));
            let attention = Attention {
                heads: 3,
                causal: false,
            };
            let (_, saved) = forward(attention, &q, &kv);
            let back = |dy: &Tensor| {
                let dy = Field::from_tokens(dy).unwrap();
                match attention.pullback(&saved, &dy) {
                    Inputs::Other { query, key_value } => {
                        (query.to_tokens().unwrap(), key_value.to_tokens().unwrap())
                    }
                    Inputs::Own(_) => panic!("cotangents lie as the inputs do"),
                }
            };
            let output = |q: &Tensor, kv: &Tensor| forward(attention, q, kv).0.to_tokens();
            pullback_matches_differences(&q, |q| output(q, &kv), |dy| Ok(back(dy).0));
            pullback_matches_differences(&kv, |kv| output(&q, kv), |dy| Ok(back(dy).1));
        }
    }

    #[test]
    fn self_attention_pulls_back_through_all_three_side_by_side() {
        for causal in [false, true] {
            let x = wave(&[2, 7, 18], 0.4);
            let attention = Attention { heads: 3, causal };
            let run =
                |x: &Tensor| attention.forward(Inputs::Own(Field::<f64>::from_tokens(x).unwrap()));
            let (_, saved) = run(&x);
            pullback_matches_differences(
                &x,
                |x| run(x).0.to_tokens(),
                |dy| match attention.pullback(&saved, &Field::from_tokens(dy)?) {
                    Inputs::Own(all) => all.to_tokens(),
                    Inputs::Other { .. } => panic!("cotangents lie as the inputs do"),
                },
            );
        }
    }
}

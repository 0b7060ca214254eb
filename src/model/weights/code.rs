//! What the code in a TorchScript archive computes; it is read as text and never run.

use super::archive::Archive;
use crate::Result;
use crate::error::bail;
use crate::model::spec::Activation;

/// What TorchScript writes for `x * sigmoid(1.702 x)`, up to the number.
const QUICK: &str = "torch.sigmoid(torch.mul(";

/// The factor of QuickGELU. A traced module keeps it apart from the code, under a name.
const FACTOR: f64 = 1.702;

/// What TorchScript writes for GELU, up to its argument.
const GELU: &str = "torch.gelu(";

/// The activation that the code of a TorchScript archive computes; none where the code has none, or both.
///
/// # Errors
/// When it computes GELU's approximation by tanh, which percept does not.
pub(super) fn activation(bytes: &[u8]) -> Result<Option<Activation>> {
    let mut found = [false; 2];
    for code in Archive::open(bytes)?.code()? {
        let code = String::from_utf8_lossy(&code);
        for call in code.split(GELU).skip(1) {
            if arguments(call).contains("tanh") {
                bail!(
                    Weights,
                    "its code computes GELU's approximation by tanh: percept has quick-gelu and exact gelu"
                );
            }
            found[0] = true;
        }
        found[1] |= code.split(QUICK).skip(1).any(is_quick);
    }
    Ok(match found {
        [true, false] => Some(Activation::Gelu),
        [false, true] => Some(Activation::QuickGelu),
        _ => None,
    })
}

/// The arguments of a call whose first parenthesis was just opened; none in them opens another.
fn arguments(call: &str) -> &str {
    call.split(')').next().unwrap_or(call)
}

/// Whether the factor of a call is QuickGELU's, as far as it stands in the code.
fn is_quick(call: &str) -> bool {
    let factors = arguments(call).split(',').map(str::trim);
    let factors: Vec<f64> = factors.filter_map(|text| text.parse().ok()).collect();
    factors.iter().all(|factor| (factor - FACTOR).abs() < 1e-3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_tells_quick_gelu_from_other_gates() {
        assert!(is_quick("x, 1.702)), x)"));
        assert!(is_quick("x, CONSTANTS.c1))"));
        assert!(!is_quick("x, 1.0)))"));
    }
}

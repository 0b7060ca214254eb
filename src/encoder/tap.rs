//! Taps: the places in an encoder that can be read, and the names by which people know them.

use std::fmt;

use crate::size::Size;

/// The number of a tap within its encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TapId(pub usize);

/// How a tap's activation is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `(n, channels, h, w)`, with one cell for every `stride` pixels of the input.
    Map {
        /// Pixels per cell.
        stride: usize,
    },
    /// `(n, 1 + grid * grid, channels)`, the class token first.
    Tokens {
        /// Patches along one side.
        grid: usize,
    },
    /// `(n, channels)`.
    Vector,
}

/// Where a tap's values stand to a ReLU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relu {
    /// There is none: a ViT's units, an embedding.
    None,
    /// The values are about to pass one: a residual sum before the end of its block.
    Ahead,
    /// The values have passed one, and at most their means were taken since: none is below 0.
    Behind,
}

/// A place that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tap {
    /// The canonical name: `layer4.5.sum`, `blocks.7.mlp`, `embedding`.
    pub name: String,
    /// Units.
    pub channels: usize,
    /// The layout of the activation.
    pub layout: Layout,
    /// The ReLU beside it.
    pub relu: Relu,
}

impl Tap {
    /// Rows and columns of the activation for an input of this size.
    pub fn grid(&self, input: Size) -> (usize, usize) {
        match self.layout {
            Layout::Map { stride } => (input.height / stride, input.width / stride),
            Layout::Tokens { grid } => (grid, grid),
            Layout::Vector => (1, 1),
        }
    }

    /// Whether the activation passes a ReLU just before this tap or just after it: above 0 the unit is
    /// open. A ViT's units and an embedding's pass none.
    pub fn has_relu(&self) -> bool {
        self.relu != Relu::None
    }

    /// Whether the activation has passed a ReLU already.
    pub fn is_rectified(&self) -> bool {
        self.relu == Relu::Behind
    }
}

impl fmt::Display for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The canonical spelling of a tap's name. Understands those of the literature: the TensorFlow
/// graph of the multimodal-neurons paper (`image_block_4/5/Add_6_0`, also with underscores, with
/// or without `:0`) and PyTorch module paths (`visual.layer4.5`, `model.layer4[5]`,
/// `visual.transformer.resblocks.7`). `Add_6`, and `Add_8` in a stage's first block, is the
/// residual sum before its ReLU; `Relu_2` is the block's output.
pub fn canonical(name: &str) -> String {
    let name = name.trim();
    let path = name
        .strip_prefix("model.")
        .unwrap_or(name)
        .trim_start_matches("visual.")
        .replace('[', ".")
        .replace(']', "");
    if let Some(rest) = path.strip_prefix("image_block_") {
        return graph_node(rest).unwrap_or(path);
    }
    match path.strip_prefix("transformer.resblocks.") {
        Some(block) => format!("blocks.{block}"),
        None => path,
    }
}

/// `4/5/Add_6_0` to `layer4.5.sum`.
fn graph_node(text: &str) -> Option<String> {
    let text = text.split(':').next()?.replace('/', "_");
    let mut parts = text.split('_');
    let stage: usize = parts.next()?.parse().ok()?;
    let block: usize = parts.next()?.parse().ok()?;
    let node = match (parts.next()?, parts.next()?) {
        ("Add", "6" | "8") => ".sum",
        ("Relu", "2") => "",
        _ => return None,
    };
    Some(format!("layer{stage}.{block}{node}"))
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn names_of_the_literature_resolve() {
        for (alias, name) in [
            ("image_block_4/5/Add_6_0", "layer4.5.sum"),
            ("image_block_4_5_Add_6_0", "layer4.5.sum"),
            ("image_block_4/0/Add_8:0", "layer4.0.sum"),
            ("image_block_3/2/Relu_2_0", "layer3.2"),
            ("visual.layer4.5", "layer4.5"),
            ("model.layer4.5", "layer4.5"),
            ("model.visual.layer4[5]", "layer4.5"),
            ("visual.transformer.resblocks.7.mlp", "blocks.7.mlp"),
            ("layer4.5.sum", "layer4.5.sum"),
            ("image_block_4", "image_block_4"),
        ] {
            assert_eq!(canonical(alias), name, "{alias}");
        }
    }
}

//! Percept against candle's own CLIP: another implementation in the same language, on the same
//! Hugging Face weights. (Its towers run forward only; percept's pullbacks are checked elsewhere.)

use std::path::Path;

use candle_core::{DType, Device, Module, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::clip::text_model::{
    Activation, ClipTextConfig, ClipTextTransformer,
};
use candle_transformers::models::clip::vision_model::{ClipVisionConfig, ClipVisionTransformer};
use percept::model::{Model, Options};

use crate::encoded::encoded;

/// Two `f32` implementations of the same sums.
const TOLERANCE: f32 = 1e-4;

fn assert_close(ours: &Tensor, theirs: &Tensor) {
    assert_eq!(ours.dims(), theirs.dims());
    let scale = theirs
        .abs()
        .unwrap()
        .max_all()
        .unwrap()
        .to_scalar::<f32>()
        .unwrap();
    let difference = (ours - theirs)
        .unwrap()
        .abs()
        .unwrap()
        .max_all()
        .unwrap()
        .to_scalar::<f32>()
        .unwrap();
    assert!(
        difference <= TOLERANCE * scale,
        "off by {difference} at scale {scale}"
    );
}

#[test]
fn both_towers_agree_with_candle_transformers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vit");
    let shards = [1, 2].map(|i| folder.join(format!("hf/model-0000{i}-of-00002.safetensors")));
    // SAFETY: the fixtures are not written to while the test runs.
    let weights =
        unsafe { VarBuilder::from_mmaped_safetensors(&shards, DType::F32, &Device::Cpu).unwrap() };
    let expected =
        candle_core::safetensors::load(folder.join("expected.safetensors"), &Device::Cpu).unwrap();
    let model = Model::load(folder.join("hf").to_str().unwrap(), Options::default()).unwrap();

    let text = ClipTextTransformer::new(
        weights.pp("text_model"),
        &ClipTextConfig {
            vocab_size: 600,
            embed_dim: 64,
            activation: Activation::QuickGelu,
            intermediate_size: 256,
            max_position_embeddings: 16,
            pad_with: None,
            num_hidden_layers: 1,
            num_attention_heads: 1,
            projection_dim: 32,
        },
    );
    let pooled = text
        .unwrap()
        .forward(&expected["text_ids"].to_dtype(DType::U32).unwrap())
        .unwrap();
    let projection = weights.get((32, 64), "text_projection.weight").unwrap();
    let theirs = pooled.matmul(&projection.t().unwrap()).unwrap();
    let ours = model
        .text
        .as_ref()
        .unwrap()
        .embed(&expected["text_ids"])
        .unwrap();
    assert_close(&ours, &theirs);

    let vision = ClipVisionTransformer::new(
        weights.pp("vision_model"),
        &ClipVisionConfig {
            embed_dim: 128,
            activation: Activation::QuickGelu,
            intermediate_size: 512,
            num_hidden_layers: 2,
            num_attention_heads: 2,
            projection_dim: 32,
            num_channels: 3,
            image_size: 64,
            patch_size: 16,
        },
    );
    let pooled = vision.unwrap().forward(&expected["input"]).unwrap();
    let projection = weights.get((32, 128), "visual_projection.weight").unwrap();
    let theirs = pooled.matmul(&projection.t().unwrap()).unwrap();
    let ours = encoded(&model, &expected["input"], &[], None);
    assert_close(&ours["image_embedding"], &theirs);
}

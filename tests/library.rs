use percept::ascent::ascend;
use percept::model::{Model, Options};
use percept::objective::Sources;
use percept::output::picture;
use percept::recipe::Request;

pub fn main() -> percept::Result<()> {
    let model = Model::load("mini", Options::default())?;
    let request = Request {
        units: vec!["117".into()],
        steps: Some(4),
        ..Request::default()
    };
    let sources = Sources::new(&model);
    let recipe = request.resolve(&sources)?.remove(0);
    let rendered = ascend(&model, &recipe.ascent, &[recipe.job(&sources)?], &()).remove(0)?;
    let png = picture::encode(&rendered.image, recipe.scale, &recipe.to_json()?)?;
    assert!(rendered.trace.objective[3] > rendered.trace.objective[0]);
    assert!(png.starts_with(b"\x89PNG"));
    Ok(())
}

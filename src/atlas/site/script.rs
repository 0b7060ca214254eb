//! Data as scripts: what a page from `file://` may load.

use serde::Serialize;

use crate::error::{Error, Kind, Result};

/// A call of `atlas.FUNCTION` with these arguments, a tuple. JSON is a part of JavaScript; what could end a
/// script early, where one is read as HTML, is escaped all the same.
///
/// # Errors
/// When the arguments cannot be written as JSON.
pub fn call(function: &str, arguments: impl Serialize) -> Result<String> {
    let json = serde_json::to_string(&arguments).map_err(|source| {
        Error::new(Kind::Internal, "cannot write the site's data").caused_by(source)
    })?;
    let list = &json[1..json.len() - 1];
    Ok(format!(
        "\"use strict\";\natlas.{function}({});\n",
        escape(list)
    ))
}

/// Text of JSON without the characters that mean something to HTML or end a line in old JavaScript:
/// they can only be inside strings.
fn escape(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_data_ends_the_script_or_a_line() {
        let text = "</script><!-- \u{2028}\u{2029} \"\\ 'ü";
        let script = call("index", ([text],)).unwrap();
        assert!(!script.contains(['<', '\u{2028}', '\u{2029}']), "{script}");
        let list = script
            .strip_prefix("\"use strict\";\natlas.index(")
            .and_then(|rest| rest.strip_suffix(");\n"));
        let read: Vec<String> = serde_json::from_str(list.unwrap()).unwrap();
        assert_eq!(read, [text]);
    }
}

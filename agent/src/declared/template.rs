//! An argument with places for values: `--size={size}`. A value becomes one argument or a part of one, and never more.

use std::collections::BTreeMap;

/// One argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(String),
}

impl Template {
    /// Reads an argument. `{{` and `}}` stand for a brace.
    ///
    /// # Errors
    /// A brace that opens or closes nothing.
    pub fn read(text: &str) -> Result<Template, String> {
        const FAULT: &str = "a value's place is {NAME}; a brace itself is written twice, {{ or }}";
        if text.contains('\0') {
            return Err("no argument can hold a NUL".to_owned());
        }
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            let (plain, brace) = rest.split_at(at);
            let twice = ["{{", "}}"].into_iter().find(|twice| brace.starts_with(twice));
            let name = brace.strip_prefix('{').and_then(|place| place.split_once('}'));
            match (twice, name) {
                (Some(twice), _) => {
                    parts.push(Part::Text(format!("{plain}{}", &twice[..1])));
                    rest = &brace[twice.len()..];
                }
                (None, Some((name, after))) if is_parameter_name(name) => {
                    parts.extend([Part::Text(plain.to_owned()), Part::Value(name.to_owned())]);
                    rest = after;
                }
                _ => return Err(format!("`{}`: {FAULT}", text.escape_debug())),
            }
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Template(parts))
    }

    /// The parameters that have a place in it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Value(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The argument with values in their places.
    pub(super) fn fill(&self, values: &BTreeMap<&str, String>) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            // Whoever reads the declarations has made sure that there is one.
            Part::Value(name) => values.get(name.as_str()).cloned().unwrap_or_default(),
        };
        self.0.iter().map(part).collect()
    }
}

/// Whether a parameter can be called so.
pub(crate) fn is_parameter_name(name: &str) -> bool {
    let all = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
    all && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.len() <= 63
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(template: &str, values: &[(&str, &str)]) -> Result<String, String> {
        let values = values.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Template::read(template).map(|template| template.fill(&values))
    }

    #[test]
    fn values_stand_in_their_places() {
        let values = [("size", "5"), ("path", "/")];
        assert_eq!(filled("--size={size}%", &values).unwrap(), "--size=5%");
        assert_eq!(filled("{path}{size}", &values).unwrap(), "/5");
        assert_eq!(filled("{{size}} {{{size}}}", &values).unwrap(), "{size} {5}");
        assert_eq!(filled("", &values).unwrap(), "");
        for bad in ["{", "}", "{}", "{Size}", "{size", "a}b", "{si ze}", "\0"] {
            assert!(filled(bad, &values).is_err(), "{bad:?} was taken");
        }
    }

    proptest! {
        #[test]
        fn a_value_is_put_in_as_it_is(value in any::<String>()) {
            // Also one that looks like a place is not read again.
            prop_assert_eq!(filled("<{a}>", &[("a", &value), ("b", "no")]).unwrap(), format!("<{value}>"));
        }
    }
}

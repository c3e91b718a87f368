//! What peers may put into an argument. A value is judged as the bytes that will be used, after it was decoded, and whole.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use regex_lite::{Regex, RegexBuilder};

use super::beneath::beneath;

/// Longer values are of no use, and a list of arguments has its limits.
pub(crate) const MAX_LENGTH: usize = 4096;

/// A value that may be given.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// What it may be.
    pub kind: Kind,
    /// What it is when it is not given.
    pub default: Option<String>,
    /// Whether a value may begin with `-` where its kind would not say so by itself.
    pub dash: bool,
}

/// What a value may be.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A whole number from the first to the last.
    Integer(i64, i64),
    /// One of these words.
    OneOf(Vec<String>),
    /// Text that an expression describes from its first to its last character.
    Text(Expression),
    /// Something that is there beneath a folder; no link leads out of it.
    Beneath(PathBuf),
}

/// An expression that describes all of a value, and how its owner wrote it.
#[derive(Debug, Clone)]
pub struct Expression {
    whole: Regex,
    written: String,
}

impl PartialEq for Expression {
    fn eq(&self, other: &Expression) -> bool {
        self.written == other.written
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Integer(from, to) => write!(f, "a whole number from {from} to {to}"),
            Kind::OneOf(words) => write!(f, "one of: {}", words.join(", ")),
            Kind::Text(text) => write!(f, "text that is wholly {}", text.written),
            Kind::Beneath(folder) => write!(f, "a path beneath {}", folder.display()),
        }
    }
}

impl Kind {
    /// Text that this expression describes as a whole.
    ///
    /// # Errors
    /// It is no expression.
    pub fn text(expression: &str) -> Result<Kind, String> {
        let compile = |text: &str| RegexBuilder::new(text).size_limit(1 << 20).build();
        let fault = |error: regex_lite::Error| format!("this is no regular expression: {error}");
        // By itself first: `a)(b` would be one only within our parentheses.
        compile(expression).map_err(fault)?;
        let whole = compile(&format!(r"\A(?:{expression})\z")).map_err(fault)?;
        Ok(Kind::Text(Expression { whole, written: expression.to_owned() }))
    }
}

impl Parameter {
    /// What is wrong with the default, if anything.
    pub(crate) fn fault_of_default(&self) -> Option<String> {
        self.default.as_deref().and_then(|default| self.judge(default).err())
    }

    /// The value as the argument will hold it.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(super) fn value(&self, given: &str) -> Result<String, String> {
        self.judge(given)?;
        match &self.kind {
            Kind::Beneath(folder) => {
                let name = beneath(folder, Path::new(given))?;
                // A link may lead to what nobody could have given.
                plain(&name).map(|()| name)
            }
            _ => Ok(given.to_owned()),
        }
    }

    /// The same as far as it can be told without looking at the disk.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(super) fn judge(&self, given: &str) -> Result<(), String> {
        plain(given)?;
        let fits = match &self.kind {
            Kind::Integer(from, to) => integer(given).is_some_and(|value| (*from..=*to).contains(&value)),
            Kind::OneOf(words) => words.iter().any(|word| word == given),
            Kind::Text(text) => text.whole.is_match(given),
            Kind::Beneath(folder) => return stays_beneath(folder, given),
        };
        if !fits {
            return Err(format!("{given:?} is not {}", self.kind));
        }
        let says_so = matches!(self.kind, Kind::Integer(..) | Kind::OneOf(_)) || self.dash;
        if given.starts_with('-') && !says_so {
            return Err("it begins with `-`, so a program could take it for an option".to_owned());
        }
        Ok(())
    }
}

fn plain(value: &str) -> Result<(), String> {
    if value.len() > MAX_LENGTH {
        return Err(format!("it is {} bytes long, and no value has more than {MAX_LENGTH}", value.len()));
    }
    match value.chars().find(|character| character.is_control()) {
        Some(control) => Err(format!("it holds {control:?}, and no control character is taken")),
        None => Ok(()),
    }
}

/// A number as people write it: no plus, no leading zeros, no digits of other scripts.
fn integer(text: &str) -> Option<i64> {
    text.parse::<i64>().ok().filter(|value| value.to_string() == text)
}

fn stays_beneath(folder: &Path, given: &str) -> Result<(), String> {
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    if given.is_empty() || !Path::new(given).components().all(is_plain) {
        return Err(format!(
            "it must be a path beneath {}, with no `..` and no `/` in front",
            folder.display()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn parameter(kind: Kind) -> Parameter {
        Parameter { kind, default: None, dash: false }
    }

    /// What nobody should be able to hand over, whatever the type.
    const HOSTILE: [&str; 26] = [
        "",
        "a\n",
        "\na",
        "a\nb",
        "a\0",
        "\0",
        "; rm -rf /",
        "a;b",
        "$(id)",
        "`id`",
        "a|b",
        "a&b",
        "-rf",
        "--help",
        "../etc",
        "a/../../etc",
        "/etc/passwd",
        "..",
        "a b",
        "*",
        "%n",
        "\u{1b}[31m",
        "а",  // Cyrillic
        "１", // a wide digit
        "a\u{202e}b",
        "a\r",
    ];

    #[test]
    fn what_is_hostile_is_no_value_of_any_type() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "").unwrap();
        let kinds = [
            Kind::Integer(-10, 100),
            Kind::OneOf(vec!["a".to_owned(), "b".to_owned()]),
            Kind::text("[a-z0-9]+").unwrap(),
            Kind::text("^[a-z0-9]+$").unwrap(),
            Kind::text(r"^\w+$").unwrap(),
            Kind::Beneath(folder.path().canonicalize().unwrap()),
        ];
        for kind in kinds {
            let parameter = parameter(kind);
            let long = "a".repeat(MAX_LENGTH + 1);
            for hostile in HOSTILE.into_iter().chain([long.as_str()]) {
                assert!(parameter.value(hostile).is_err(), "{}: {hostile:?} was taken", parameter.kind);
            }
        }
    }

    #[test]
    fn each_type_takes_what_it_is_for() {
        let number = parameter(Kind::Integer(-10, 100));
        for good in ["-10", "0", "100"] {
            assert_eq!(number.value(good).unwrap(), good);
        }
        for bad in ["-11", "101", "+1", "01", "1.0", " 1", "1 ", "0x1", "-0", "99999999999999999999"] {
            assert!(number.value(bad).is_err(), "{bad:?} was taken");
        }
        let text = parameter(Kind::text("a|bc*").unwrap());
        assert!(text.value("bcc").is_ok() && text.value("a").is_ok());
        assert!(
            text.value("ab").is_err() && text.value("xa").is_err(),
            "an expression is for the whole value"
        );
        assert!(Kind::text("a)(b").is_err() && Kind::text("(").is_err());
        let dashed = Parameter { dash: true, ..parameter(Kind::text("-?[a-z]+").unwrap()) };
        assert!(dashed.value("-v").is_ok());
        assert!(Parameter { dash: false, ..dashed }.value("-v").unwrap_err().contains("begins with `-`"));
        let listed = parameter(Kind::OneOf(vec!["-a".to_owned()]));
        assert!(listed.value("-a").is_ok(), "its owner wrote it");
    }

    #[test]
    fn a_path_stays_beneath_its_folder() {
        let outside = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir(root.join("logs")).unwrap();
        fs::write(root.join("logs/a.log"), "").unwrap();
        fs::write(outside.path().join("secret"), "").unwrap();
        symlink("logs/a.log", root.join("inside")).unwrap();
        symlink(outside.path().join("secret"), root.join("out")).unwrap();
        symlink("../..", root.join("logs/up")).unwrap();
        symlink("../logs/./a.log", root.join("logs/round")).unwrap();
        symlink("round", root.join("logs/twice")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink("logs/../../logs/a.log", root.join("over")).unwrap();
        symlink("/proc/self/root", root.join("magic")).unwrap();
        fs::write(root.join("o\nd"), "").unwrap();
        symlink("o\nd", root.join("odd")).unwrap();
        let path = parameter(Kind::Beneath(root.clone()));
        let log = root.join("logs/a.log").display().to_string();
        assert_eq!(path.value("logs/a.log").unwrap(), log);
        for link in ["inside", "logs/round", "logs/twice"] {
            assert_eq!(path.value(link).unwrap(), log, "the program gets no link to follow");
        }
        for (given, why) in [
            ("out", "leads out"),
            ("logs/up", "leads out"),
            ("logs/up/etc", "leads out"),
            ("magic/etc", "leads out"),
            ("loop", "leads out"),
            ("over", "leads out"),
            ("none", "nothing of this name"),
            ("inside/x", "nothing of this name"),
            ("./inside/..", "no `..`"),
            ("odd", "no control character"),
        ] {
            let said = path.value(given).unwrap_err();
            assert!(said.contains(why), "{given}: {said}");
        }
    }
}

//! A command line as NRPE hands it to a shell, taken apart into words where that needs no shell.

use std::iter::Peekable;
use std::vec;

/// One word, as a template: what stands for a value is `{NAME}`.
pub(super) type Words = Vec<String>;

/// What a shell would do with these unless they are quoted.
const MEANT_FOR_A_SHELL: [(char, &str); 13] = [
    ('|', "a pipe"),
    ('&', "`&`"),
    (';', "several commands"),
    ('<', "input from a file"),
    ('>', "output into a file"),
    ('(', "a subshell"),
    (')', "a subshell"),
    ('`', "the output of another command"),
    ('$', "a variable, or the output of another command"),
    ('*', "names of files to be found"),
    ('?', "names of files to be found"),
    ('[', "names of files to be found"),
    ('~', "somebody's home"),
];

/// What a command line is made of. Words of NRPE's own are replaced before a shell sees them, so they stand anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Symbol {
    Character(char),
    /// `$ARG1$`.
    Value(String),
}

type Symbols = Peekable<vec::IntoIter<Symbol>>;

/// Takes a command line apart.
///
/// # Errors
/// What in it needs a shell, or that it is cut off.
pub(super) fn split(line: &str) -> Result<Words, String> {
    let (mut words, mut word, mut rest) = (Vec::new(), None::<String>, symbols(line));
    while let Some(symbol) = rest.next() {
        match symbol {
            Symbol::Character(' ' | '\t') => words.extend(word.take()),
            Symbol::Character('#') if word.is_none() => {
                return Err("it has a comment, which only a shell leaves out".to_owned());
            }
            Symbol::Character(quote @ ('\'' | '"')) => {
                quoted(&mut rest, quote, word.get_or_insert_default())?
            }
            Symbol::Character('\\') => {
                let escaped = rest.next().ok_or("it ends with a backslash")?;
                put(word.get_or_insert_default(), &escaped);
            }
            symbol => {
                refuse_for_a_shell(&symbol)?;
                put(word.get_or_insert_default(), &symbol);
            }
        }
    }
    words.extend(word);
    Ok(words)
}

fn symbols(line: &str) -> Symbols {
    let (mut symbols, mut rest) = (Vec::new(), line);
    while let Some(first) = rest.chars().next() {
        let value = rest.strip_prefix("$ARG").and_then(|after| after.split_once('$'));
        match value.filter(|(number, _)| number.parse::<u32>().is_ok()) {
            Some((number, after)) => {
                symbols.push(Symbol::Value(format!("arg{number}")));
                rest = after;
            }
            None => {
                symbols.push(Symbol::Character(first));
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    symbols.into_iter().peekable()
}

/// What stands between quotes.
fn quoted(rest: &mut Symbols, quote: char, word: &mut String) -> Result<(), String> {
    loop {
        let symbol = rest.next().ok_or("a quote in it is not closed")?;
        match symbol {
            Symbol::Character(end) if end == quote => return Ok(()),
            Symbol::Character('\\') if quote == '"' => match rest.next_if(is_escapable) {
                Some(escaped) => put(word, &escaped),
                None => put(word, &symbol),
            },
            Symbol::Character('$' | '`') if quote == '"' => refuse_for_a_shell(&symbol)?,
            _ => put(word, &symbol),
        }
    }
}

/// What a backslash takes its meaning from, between double quotes.
fn is_escapable(symbol: &Symbol) -> bool {
    matches!(symbol, Symbol::Character('"' | '\\' | '$' | '`'))
}

fn refuse_for_a_shell(symbol: &Symbol) -> Result<(), String> {
    let meant = |(meant, _): &&(char, &str)| *symbol == Symbol::Character(*meant);
    match MEANT_FOR_A_SHELL.iter().find(meant) {
        Some((_, what)) => Err(format!("it needs a shell, for {what}")),
        None => Ok(()),
    }
}

/// Writes it as a template has it, where a brace itself stands twice.
fn put(word: &mut String, symbol: &Symbol) {
    match symbol {
        Symbol::Character(brace @ ('{' | '}')) => word.extend([brace, brace]),
        Symbol::Character(plain) => word.push(*plain),
        Symbol::Value(name) => word.extend(["{", name, "}"]),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_needs_no_shell_is_taken_apart() {
        for (line, words) in [
            ("/bin/a -w 5 -c 10", vec!["/bin/a", "-w", "5", "-c", "10"]),
            (r#"/bin/a "b c" 'd "e' f\ g"#, vec!["/bin/a", "b c", "d \"e", "f g"]),
            (r#"/bin/a "" '' x"y"'z'"#, vec!["/bin/a", "", "", "xyz"]),
            (r#"/bin/a "\$5 \x""#, vec!["/bin/a", r"$5 \x"]),
            (
                "/bin/a -w $ARG1$ -c '$ARG2$%' x$ARG10$",
                vec!["/bin/a", "-w", "{arg1}", "-c", "{arg2}%", "x{arg10}"],
            ),
            ("/bin/a {x}", vec!["/bin/a", "{{x}}"]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
        for line in [
            "a | b",
            "a > b",
            "a `b`",
            "a $HOME",
            "a \"$HOME\"",
            "a; b",
            "a && b",
            "a *",
            "a $(b)",
            "a 'b",
            "a \\",
            "a # b",
        ] {
            assert!(split(line).is_err(), "{line}");
        }
    }

    proptest! {
        /// What we take apart, the shell takes apart in the same way.
        #[test]
        fn the_shell_is_of_the_same_opinion(line in r#"[a-c{}"'\\ =,./%:-]{0,24}"#) {
            let line = format!("x{line}");
            let Ok(words) = split(&line) else { return Ok(()) };
            let print = "for word in \"$@\"; do printf '<%s>' \"$word\"; done";
            let output = Command::new("/bin/sh").args(["-c", &format!("set -- {line}\n{print}")]).output()?;
            let shown: String = words.iter().map(|word| format!("<{word}>")).collect();
            let shown = shown.replace("{{", "{").replace("}}", "}");
            prop_assert_eq!(String::from_utf8_lossy(&output.stdout), shown, "{}", line);
        }
    }
}

//! A command line as NRPE hands it to a shell, taken apart into words where that needs no shell.

use std::fmt::Write;

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

/// Takes a command line apart.
///
/// # Errors
/// What in it needs a shell, or that it is cut off.
pub(super) fn split(line: &str) -> Result<Words, String> {
    let (mut words, mut word, mut rest) = (Vec::new(), None::<String>, line);
    while let Some(first) = rest.chars().next() {
        if let Some((name, after)) = macro_at(rest) {
            let _ = write!(word.get_or_insert_default(), "{{{name}}}");
            rest = after;
            continue;
        }
        rest = &rest[first.len_utf8()..];
        match first {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => rest = single(rest, word.get_or_insert_default())?,
            '"' => rest = double(rest, word.get_or_insert_default())?,
            '\\' => {
                let next = rest.chars().next().ok_or("it ends with a backslash")?;
                push(word.get_or_insert_default(), next);
                rest = &rest[next.len_utf8()..];
            }
            '#' if word.is_none() => return Err("it has a comment, which only a shell leaves out".to_owned()),
            plain => {
                refuse_for_a_shell(plain)?;
                push(word.get_or_insert_default(), plain);
            }
        }
    }
    words.extend(word);
    Ok(words)
}

/// `$ARG1$` as `arg1`, and what follows. Words of NRPE's own are replaced before a shell sees them.
fn macro_at(text: &str) -> Option<(String, &str)> {
    let (number, after) = text.strip_prefix("$ARG")?.split_once('$')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| (format!("arg{number}"), after))
}

fn refuse_for_a_shell(character: char) -> Result<(), String> {
    match MEANT_FOR_A_SHELL.iter().find(|(meant, _)| *meant == character) {
        Some((_, what)) => Err(format!("it needs a shell, for {what}")),
        None => Ok(()),
    }
}

fn single<'a>(mut rest: &'a str, word: &mut String) -> Result<&'a str, String> {
    loop {
        if let Some((name, after)) = macro_at(rest) {
            let _ = write!(word, "{{{name}}}");
            rest = after;
            continue;
        }
        let next = rest.chars().next().ok_or("a quote in it is not closed")?;
        rest = &rest[next.len_utf8()..];
        match next {
            '\'' => return Ok(rest),
            plain => push(word, plain),
        }
    }
}

fn double<'a>(mut rest: &'a str, word: &mut String) -> Result<&'a str, String> {
    loop {
        if let Some((name, after)) = macro_at(rest) {
            let _ = write!(word, "{{{name}}}");
            rest = after;
            continue;
        }
        let next = rest.chars().next().ok_or("a quote in it is not closed")?;
        rest = &rest[next.len_utf8()..];
        match next {
            '"' => return Ok(rest),
            '\\' if rest.starts_with(['"', '\\', '$', '`']) => {
                rest.chars().next().into_iter().for_each(|escaped| push(word, escaped));
                rest = &rest[1..];
            }
            '$' | '`' => refuse_for_a_shell(next)?,
            plain => push(word, plain),
        }
    }
}

/// A brace itself is written twice in a template.
fn push(word: &mut String, character: char) {
    if matches!(character, '{' | '}') {
        word.push(character);
    }
    word.push(character);
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

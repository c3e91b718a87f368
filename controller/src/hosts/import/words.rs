//! Words as ssh and Ansible part them, which both follow the shell.

/// Words as a shell would part them, up to a comment.
pub(super) fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '#' => break,
            '\'' | '"' => {
                let quoted = word.get_or_insert_default();
                loop {
                    match letters.next() {
                        Some(end) if end == letter => break,
                        Some('\\') if letter == '"' => quoted.extend(letters.next()),
                        Some(inside) => quoted.push(inside),
                        None => return Err("a quote is not closed".to_owned()),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(letters.next()),
            blank if blank.is_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_parted_as_a_shell_does() {
        for (text, parted) in [
            ("web-1", "web-1"),
            ("web-1 a=b  c='d e' # f", "web-1|a=b|c=d e"),
            ("web-1 a=\"b \\\" c\"d e\\ f", "web-1|a=b \" cd|e f"),
            ("'' x", "|x"),
        ] {
            assert_eq!(words(text).unwrap().join("|"), parted);
        }
        assert_eq!(words("web-1 a='b").unwrap_err(), "a quote is not closed");
    }
}

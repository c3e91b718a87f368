//! Programs that are run for the service: what they print, or a sentence that says what they said.

use std::process::Command;

use super::Fault;

/// What a program prints.
pub(super) fn output(words: &[&str]) -> Result<String, Fault> {
    let (program, rest) = words.split_first().ok_or("no program was named")?;
    let ran = Command::new(program).args(rest).output();
    let ran = ran.map_err(|error| format!("cannot run {}: {error}", shown(words)))?;
    if ran.status.success() {
        return Ok(String::from_utf8_lossy(&ran.stdout).into_owned());
    }
    Err(format!("{} failed: {}", shown(words), String::from_utf8_lossy(&ran.stderr).trim()))
}

/// As a person would type it.
pub(super) fn shown(words: &[&str]) -> String {
    let quoted = |word: &&str| if word.contains(' ') { format!("'{word}'") } else { (*word).to_owned() };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_copied_to_a_shell() {
        assert_eq!(shown(&["useradd", "--comment=An agent", "a"]), "useradd '--comment=An agent' a");
    }
}

//! Text that people hand over in a file or on standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// More than any list of machines.
const MAX_BYTES: u64 = 64 << 20;

/// All of a file; `-` is standard input. A fault says which file.
pub(crate) fn text(file: &Path) -> Result<String, String> {
    let (is_input, name) = (is_input(file), called(file));
    let mut bytes = Vec::new();
    let read = match is_input {
        true => io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes),
        false => File::open(file).and_then(|opened| opened.take(MAX_BYTES + 1).read_to_end(&mut bytes)),
    };
    read.map_err(|error| format!("{name}: cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("{name}: this is far larger than any list of hosts"));
    }
    String::from_utf8(bytes).map_err(|_| format!("{name}: this is not text"))
}

/// What a sentence calls it.
pub(crate) fn called(file: &Path) -> String {
    if is_input(file) { "standard input".to_owned() } else { file.display().to_string() }
}

fn is_input(file: &Path) -> bool {
    file == Path::new("-")
}

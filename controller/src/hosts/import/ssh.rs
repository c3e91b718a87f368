//! The configuration of an ssh client: each `Host` that is no pattern is a machine.

use super::words::words;
use super::{Catch, MOST_LETTERS};

const PORT_IS_OF_SSH: &str = "`Port` is that of ssh, and is not taken";
const NO_DETOURS: &str = "`ProxyJump` and `ProxyCommand` are not taken: agents are reached directly";

/// The machines that lines are about.
#[derive(Default)]
struct Block {
    names: Vec<String>,
    has_pattern: bool,
}

pub(super) fn read(text: &str) -> Result<Catch, String> {
    let mut catch = Catch::default();
    let mut block = Block::default();
    for (line, text) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
        let (key, rest) =
            text.split_at(text.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(text.len()));
        let rest = rest.trim_start();
        let words = match words(rest.strip_prefix('=').unwrap_or(rest)) {
            Ok(words) => words,
            Err(fault) => {
                catch.leave_out(line, fault);
                continue;
            }
        };
        match key.to_ascii_lowercase().as_str() {
            "host" => block = hosts(line, words, &mut catch)?,
            "match" => {
                catch.remark(line, "`Match` is left out, with all that stands under it");
                block = Block::default();
            }
            "include" => {
                let files = words.join(" ");
                let files = files.escape_debug();
                catch.remark(line, format!("`Include {files}` is not followed; import those files too"));
            }
            "hostname" => address(line, &words.concat(), &block, &mut catch)?,
            "port" => catch.remark_once(line, PORT_IS_OF_SSH),
            "proxyjump" | "proxycommand" => catch.remark_once(line, NO_DETOURS),
            _ => {}
        }
    }
    Ok(catch)
}

fn hosts(line: usize, words: Vec<String>, catch: &mut Catch) -> Result<Block, String> {
    let (patterns, names): (Vec<_>, Vec<_>) =
        words.into_iter().partition(|word| word.starts_with('!') || word.contains(['*', '?']));
    for name in &names {
        catch.meet(line, name)?;
    }
    Ok(Block { names, has_pattern: !patterns.is_empty() })
}

/// What comes first counts, as with ssh.
fn address(line: usize, text: &str, block: &Block, catch: &mut Catch) -> Result<(), String> {
    if block.has_pattern {
        catch.remark(line, "`HostName` is not taken for hosts that a pattern means, such as `*`");
    }
    for name in &block.names {
        if text.len().max(name.len()) > MOST_LETTERS {
            catch.leave_out(line, format!("a name has at most {MOST_LETTERS} characters"));
            continue;
        }
        let address = text.replace("%h", name);
        catch.spend(line, address.len())?;
        let found = catch.meet(line, name)?;
        if found.addresses.is_empty() {
            found.addresses.push(address);
        }
    }
    Ok(())
}

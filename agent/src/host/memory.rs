//! Memory and swap, from `/proc/meminfo`.

use protocol::requests::info::Memory;

use super::source::{self, HostError};

const MEMINFO: &str = "/proc/meminfo";

pub(super) fn read() -> Result<Memory, HostError> {
    parse(&source::text(MEMINFO)?).ok_or_else(|| HostError::odd(MEMINFO))
}

fn parse(meminfo: &str) -> Option<Memory> {
    let bytes = |key: &str| -> Option<u64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
    };
    let total_bytes = bytes("MemTotal")?;
    let available_bytes = bytes("MemAvailable")?;
    // A kernel without swap support tells nothing of it, and has none.
    let swap_total_bytes = bytes("SwapTotal").unwrap_or(0);
    Some(Memory {
        total_bytes,
        used_bytes: total_bytes.saturating_sub(available_bytes),
        available_bytes,
        swap_total_bytes,
        swap_used_bytes: swap_total_bytes.saturating_sub(bytes("SwapFree").unwrap_or(0)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "MemTotal:       16000 kB\nMemFree:         1000 kB\nMemAvailable:    9000 kB\nBuffers: 5 kB\n\
                        SwapCached:         7 kB\nSwapTotal:       2000 kB\nSwapFree:        1500 kB\n";

    #[test]
    fn used_is_what_is_not_available() {
        let memory = parse(TEXT).unwrap();
        assert_eq!(memory.total_bytes, 16_000 * 1024);
        assert_eq!(memory.available_bytes, 9_000 * 1024);
        assert_eq!(memory.used_bytes, 7_000 * 1024);
        assert_eq!((memory.swap_total_bytes, memory.swap_used_bytes), (2_000 * 1024, 500 * 1024));
    }

    #[test]
    fn a_text_without_the_numbers_is_refused_not_zero() {
        assert_eq!(parse(""), None);
        assert_eq!(parse("MemTotal:       16000 kB\n"), None);
        assert_eq!(parse(&TEXT.replace("9000 kB", "many kB")), None);
    }
}

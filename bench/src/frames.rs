//! The least that can be known of frames: where one ends. The heads inside are not looked at.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

const LENGTH_BYTES: usize = 4;

/// One TLS record holds this much.
const READ_BYTES: usize = 16 * 1024;

/// How many frames stand whole at the front of some bytes, and where the last of them ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Whole {
    /// Frames.
    pub count: usize,
    /// Bytes of all of them together.
    pub bytes: usize,
}

/// Counts the whole frames.
pub fn whole(bytes: &[u8]) -> Whole {
    let mut found = Whole::default();
    while let Some(length) = bytes.get(found.bytes..).and_then(|rest| rest.first_chunk::<LENGTH_BYTES>()) {
        let end = found.bytes + LENGTH_BYTES + u32::from_be_bytes(*length) as usize;
        if end > bytes.len() {
            break;
        }
        found = Whole { count: found.count + 1, bytes: end };
    }
    found
}

/// Reads once and appends to `inbox`; `false` when the peer has ended.
///
/// # Errors
/// The connection failed.
pub async fn fill(io: &mut (impl AsyncRead + Unpin), inbox: &mut Vec<u8>) -> io::Result<bool> {
    inbox.reserve(READ_BYTES);
    Ok(io.read_buf(inbox).await? > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_frames_count() {
        let two = [0, 0, 0, 1, 9, 0, 0, 0, 0];
        assert_eq!(whole(&two), Whole { count: 2, bytes: 9 });
        assert_eq!(whole(&two[..8]), Whole { count: 1, bytes: 5 });
        assert_eq!(whole(&two[..3]), Whole::default());
    }
}

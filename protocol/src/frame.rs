//! Frames: a length, a JSON head and a raw tail. Pure: bytes in, frames out.
//!
//! ```text
//! | length: u32 | head length: u32 | head: JSON | tail: any bytes |
//!               '------------------ length bytes ----------------'
//! ```
//! Both numbers are big-endian. The tail is how bytes travel without being dressed up as text.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio_util::codec::{Decoder, LengthDelimitedCodec};

const LENGTH_BYTES: usize = 4;

/// One frame as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The JSON head, not yet parsed.
    pub head: Bytes,
    /// What follows the head, as it is.
    pub tail: Bytes,
}

/// Why bytes cannot be a frame. The stream is lost after any of these: nothing says where the next frame begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length in front is more than this side takes; nothing of it was stored.
    #[error("a frame of {announced} bytes was announced, and the limit is {limit}")]
    TooLong {
        /// What the sender announced.
        announced: usize,
        /// What the receiver takes.
        limit: usize,
    },
    /// The frame is shorter than the head it claims to hold.
    #[error("a frame of {frame} bytes cannot hold the head it announces")]
    HeadOutside {
        /// The frame's length.
        frame: usize,
    },
}

impl From<FrameError> for io::Error {
    fn from(error: FrameError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

/// Cuts frames out of bytes as they arrive.
#[derive(Debug)]
pub struct Frames {
    lengths: LengthDelimitedCodec,
    limit: usize,
    inside: bool,
}

impl Frames {
    /// Frames of at most `limit` bytes.
    pub fn new(limit: usize) -> Frames {
        let lengths = LengthDelimitedCodec::builder()
            .length_field_length(LENGTH_BYTES)
            .max_frame_length(limit)
            .new_codec();
        Frames { lengths, limit, inside: false }
    }

    /// The next whole frame, or `None` until more bytes are there.
    pub fn next(&mut self, bytes: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let before = bytes.len();
        let announced = bytes.get(..LENGTH_BYTES).map(|mut length| length.get_u32() as usize);
        let decoded = self.lengths.decode(bytes).map_err(|_| FrameError::TooLong {
            announced: announced.unwrap_or_default(),
            limit: self.limit,
        })?;
        match decoded {
            Some(frame) => {
                self.inside = false;
                split(frame.freeze()).map(Some)
            }
            None => {
                self.inside |= before > 0;
                Ok(None)
            }
        }
    }

    /// Whether a frame has begun and not ended.
    pub fn is_inside(&self) -> bool {
        self.inside
    }
}

fn split(mut frame: Bytes) -> Result<Frame, FrameError> {
    let length = frame.len();
    let head = frame.try_get_u32().map_err(|_| FrameError::HeadOutside { frame: length })? as usize;
    if head > frame.len() {
        return Err(FrameError::HeadOutside { frame: length });
    }
    let tail = frame.split_off(head);
    Ok(Frame { head: frame, tail })
}

/// Appends one frame to `out`; `head` writes the JSON where it will stay, so nothing is copied twice.
///
/// # Errors
/// Whatever `head` returns; and when the frame would not fit into a length of 32 bits. `out` is then as it was.
pub fn put(
    out: &mut Vec<u8>,
    head: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>,
    tail: &[u8],
) -> io::Result<()> {
    let start = out.len();
    out.extend_from_slice(&[0; 2 * LENGTH_BYTES]);
    let written = head(out).map_err(io::Error::from).and_then(|()| {
        let head_length = out.len() - start - 2 * LENGTH_BYTES;
        let length = LENGTH_BYTES + head_length + tail.len();
        let too_long = |_| io::Error::new(io::ErrorKind::InvalidInput, "a frame holds at most 4 GiB");
        Ok((u32::try_from(length).map_err(too_long)?, u32::try_from(head_length).map_err(too_long)?))
    });
    match written {
        Ok((length, head_length)) => {
            out[start..start + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
            out[start + LENGTH_BYTES..start + 2 * LENGTH_BYTES].copy_from_slice(&head_length.to_be_bytes());
            out.extend_from_slice(tail);
            Ok(())
        }
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framed(head: &[u8], tail: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put(
            &mut out,
            |out| {
                out.extend_from_slice(head);
                Ok(())
            },
            tail,
        )
        .expect("a small frame");
        out
    }

    proptest! {
        #[test]
        fn any_frames_survive_any_cutting(
            sent in prop::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>()), 0..6),
            piece in 1usize..64,
        ) {
            let bytes: Vec<u8> = sent.iter().flat_map(|(head, tail)| framed(head, tail)).collect();
            let mut frames = Frames::new(1024);
            let mut inbox = BytesMut::new();
            let mut got = Vec::new();
            for part in bytes.chunks(piece) {
                inbox.extend_from_slice(part);
                while let Some(frame) = frames.next(&mut inbox)? {
                    got.push((frame.head.to_vec(), frame.tail.to_vec()));
                }
            }
            prop_assert_eq!(got, sent);
            prop_assert!(!frames.is_inside());
        }

        #[test]
        fn any_bytes_end_in_frames_or_an_error(bytes in any::<Vec<u8>>()) {
            let mut inbox = BytesMut::from(&bytes[..]);
            let mut frames = Frames::new(64);
            while let Ok(Some(_)) = frames.next(&mut inbox) {}
            prop_assert!(inbox.capacity() <= bytes.len().max(64) * 2 + 64);
        }
    }

    #[test]
    fn a_length_past_the_limit_is_refused_before_anything_is_stored() {
        let mut inbox = BytesMut::from(&u32::MAX.to_be_bytes()[..]);
        let error = Frames::new(100).next(&mut inbox).expect_err("refused");
        assert_eq!(error, FrameError::TooLong { announced: u32::MAX as usize, limit: 100 });
        assert!(inbox.capacity() < 1024);
    }

    #[test]
    fn a_frame_shorter_than_its_head_is_refused() {
        for bytes in [&[0, 0, 0, 0][..], &[0, 0, 0, 3, 0, 0, 0], &[0, 0, 0, 4, 0, 0, 0, 1]] {
            let frame = bytes[3] as usize;
            let error = Frames::new(100).next(&mut BytesMut::from(bytes)).expect_err("refused");
            assert_eq!(error, FrameError::HeadOutside { frame });
        }
    }

    #[test]
    fn a_begun_frame_is_known_as_such() {
        let whole = framed(b"{}", b"tail");
        let mut frames = Frames::new(100);
        let mut inbox = BytesMut::from(&whole[..whole.len() - 1]);
        assert_eq!(frames.next(&mut inbox), Ok(None));
        assert!(frames.is_inside());
    }
}

//! The few of D-Bus's messages that are needed: calls whose arguments are strings, and answers that hold one value.
//!
//! Whoever may speak to the agent over the bus may send it any bytes: nothing is taken on trust, and nothing is stored for a
//! length that was only announced.

/// The part of each message whose form never changes, up to the length of its fields.
const START: usize = 16;
/// The specification's limits.
const MOST_FIELDS: u64 = 64 << 20;
const MOST: u64 = 128 << 20;

const CALL: u8 = 1;
const ANSWER: u8 = 2;
const ERROR: u8 = 3;
/// For the sake of this question nobody is started.
const NO_AUTO_START: u8 = 2;
const VERSION: u8 = 1;

const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// What is asked of somebody on the bus.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) destination: &'a str,
    pub(crate) path: &'a str,
    pub(crate) interface: &'a str,
    pub(crate) member: &'a str,
    pub(crate) arguments: &'a [&'a str],
}

impl Call<'_> {
    /// The whole message.
    pub(super) fn encode(&self, serial: u32) -> Vec<u8> {
        let mut body = Writer::default();
        self.arguments.iter().for_each(|argument| body.text(argument));
        let signature = "s".repeat(self.arguments.len());
        let mut fields = Writer::default();
        for (code, kind, text) in [
            (PATH, "o", self.path),
            (DESTINATION, "s", self.destination),
            (INTERFACE, "s", self.interface),
            (MEMBER, "s", self.member),
        ] {
            fields.field(code, kind);
            fields.text(text);
        }
        fields.field(SIGNATURE, "g");
        fields.signature(&signature);
        let mut message = Writer(vec![b'l', CALL, NO_AUTO_START, VERSION]);
        message.number(body.0.len());
        message.number(serial as usize);
        message.number(fields.0.len());
        message.0.extend(fields.0);
        message.align(8);
        message.0.extend(body.0);
        message.0
    }
}

/// Bytes with each value where its alignment wants it.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    /// Lengths here are of what this agent wrote itself, far below the limit.
    fn number(&mut self, number: usize) {
        self.align(4);
        self.0.extend(u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    fn signature(&mut self, signature: &str) {
        self.0.push(u8::try_from(signature.len()).unwrap_or(u8::MAX));
        self.0.extend(signature.as_bytes());
        self.0.push(0);
    }

    fn field(&mut self, code: u8, kind: &str) {
        self.align(8);
        self.0.push(code);
        self.signature(kind);
    }
}

/// How long a message is, once its beginning is there.
///
/// # Errors
/// These bytes begin no message, and so nothing that follows can be found.
pub(super) fn length(bytes: &[u8]) -> Result<Option<u64>, NoMessage> {
    let Some(start) = bytes.first_chunk::<START>() else { return Ok(None) };
    let mut reader = Reader::of(start)?;
    if start[3] != VERSION {
        return Err(NoMessage);
    }
    let number = |reader: &mut Reader<'_>| reader.number().map(u64::from).ok_or(NoMessage);
    reader.at = 4;
    let body = number(&mut reader)?;
    reader.at = 12;
    let fields = number(&mut reader)?;
    let length = (START as u64 + fields).next_multiple_of(8) + body;
    if fields > MOST_FIELDS || length > MOST { Err(NoMessage) } else { Ok(Some(length)) }
}

/// What cannot be the beginning of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoMessage;

/// What somebody answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// Which of the calls it answers.
    pub(super) to: u32,
    /// The value, or in which words it was refused.
    pub(super) said: Result<Value, String>,
}

/// The values that are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Number(u64),
    /// Nothing, or what this agent never asks for.
    Else,
}

impl Reply {
    /// Reads one whole message. `None` for what is no answer, or none that can be read.
    pub(super) fn decode(message: &[u8]) -> Option<Reply> {
        let mut reader = Reader::of(message).ok()?;
        let kind = *message.get(1)?;
        reader.at = 12;
        let fields = Fields::read(&mut reader)?;
        reader.align(8)?;
        // Whatever is aligned in the body is aligned as if the message began with it.
        let mut body = Reader { bytes: message.get(reader.at..)?, at: 0, ..reader };
        let said = match kind {
            ANSWER => Ok(body.value(fields.signature).unwrap_or(Value::Else)),
            ERROR => Err(body.refusal(&fields)),
            _ => return None,
        };
        Some(Reply { to: fields.to?, said })
    }
}

/// Those of a header's fields that count.
#[derive(Default)]
struct Fields<'a> {
    to: Option<u32>,
    error: Option<&'a str>,
    signature: &'a str,
}

impl<'a> Fields<'a> {
    fn read(reader: &mut Reader<'a>) -> Option<Fields<'a>> {
        let length = usize::try_from(reader.number()?).ok()?;
        let end = reader.at.checked_add(length)?;
        let mut fields = Fields::default();
        while reader.at < end {
            reader.align(8)?;
            let code = reader.byte()?;
            match (code, reader.signature()?) {
                (REPLY_SERIAL, "u") => fields.to = Some(reader.number()?),
                (ERROR_NAME, "s") => fields.error = Some(reader.text()?),
                (SIGNATURE, "g") => fields.signature = reader.signature()?,
                (_, "u") => drop(reader.number()?),
                (_, "s" | "o") => drop(reader.text()?),
                (_, "g") => drop(reader.signature()?),
                _ => return None,
            }
        }
        (reader.at == end).then_some(fields)
    }
}

/// Takes one value after the other, and none from beyond the end.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Who sends a message decides in which order its numbers are.
    is_little: bool,
}

impl<'a> Reader<'a> {
    fn of(bytes: &'a [u8]) -> Result<Reader<'a>, NoMessage> {
        match bytes.first() {
            Some(b'l') => Ok(Reader { bytes, at: 0, is_little: true }),
            Some(b'B') => Ok(Reader { bytes, at: 0, is_little: false }),
            _ => Err(NoMessage),
        }
    }

    fn align(&mut self, to: usize) -> Option<()> {
        self.at = self.at.checked_next_multiple_of(to)?;
        (self.at <= self.bytes.len()).then_some(())
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u32> {
        self.align(4)?;
        let bytes = *self.take(4)?.first_chunk()?;
        Some(if self.is_little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    fn large_number(&mut self) -> Option<u64> {
        self.align(8)?;
        let bytes = *self.take(8)?.first_chunk()?;
        Some(if self.is_little { u64::from_le_bytes(bytes) } else { u64::from_be_bytes(bytes) })
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.number()?).ok()?;
        self.ended_text(length)
    }

    fn signature(&mut self) -> Option<&'a str> {
        let length = usize::from(self.byte()?);
        self.ended_text(length)
    }

    fn ended_text(&mut self, length: usize) -> Option<&'a str> {
        let text = std::str::from_utf8(self.take(length)?).ok()?;
        (self.byte()? == 0).then_some(text)
    }

    /// A variant holds any type but another variant, of which this agent asks for none.
    fn value(&mut self, signature: &str) -> Option<Value> {
        let signature = if signature == "v" { self.signature()? } else { signature };
        match signature {
            "s" | "o" => self.text().map(|text| Value::Text(text.to_owned())),
            "u" => self.number().map(|number| Value::Number(number.into())),
            "t" => self.large_number().map(Value::Number),
            _ => Some(Value::Else),
        }
    }

    /// The words of an error, or else its name.
    fn refusal(&mut self, fields: &Fields<'_>) -> String {
        let words = if fields.signature.starts_with('s') { self.text() } else { None };
        words.or(fields.error).unwrap_or("it did not say why").to_owned()
    }
}

#[cfg(test)]
pub(super) mod tests;

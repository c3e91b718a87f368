//! Walks over the text of a selection, and knows where it is.

use super::fault::Fault;

/// A selection and a place in it. Only ASCII is read, so that every byte is a character.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// How a word changes what is on its left.
#[derive(Clone, Copy)]
pub(super) enum Operator {
    And,
    Without,
    Both,
    Either,
}

impl Operator {
    fn of(byte: u8) -> Option<Operator> {
        match byte {
            b',' => Some(Operator::And),
            b'!' => Some(Operator::Without),
            b'&' => Some(Operator::Both),
            b'^' => Some(Operator::Either),
            _ => None,
        }
    }
}

/// Whether a word is over before this.
pub(super) fn ends_word(byte: u8) -> bool {
    byte.is_ascii_whitespace() || Operator::of(byte).is_some()
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Result<Reader<'a>, Fault> {
        let strange = |c: &(usize, char)| !c.1.is_ascii_graphic() && !c.1.is_ascii_whitespace();
        let Some((at, strange)) = text.char_indices().find(strange) else {
            return Ok(Reader { text, at: 0 });
        };
        let code = u32::from(strange);
        let why = match strange.is_control() {
            true => "is a control character, and no name has one",
            false => {
                "is not ASCII, even where it looks so; an international name is written in its xn-- form"
            }
        };
        Err(Fault::new(text, at, format!("U+{code:04X} {why}")))
    }

    pub(super) fn fault(&self, what: impl Into<String>) -> Fault {
        Fault::new(self.text, self.at, what)
    }

    /// All that is not read yet.
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn skip(&mut self, characters: usize) {
        self.at += characters;
    }

    /// All up to where this first holds.
    pub(super) fn take_until(&mut self, stop: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = &rest[..rest.bytes().position(stop).unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    /// Goes to the next word, which must be there.
    pub(super) fn word_begins(&mut self) -> Result<(), Fault> {
        self.take_until(|byte| !byte.is_ascii_whitespace());
        match self.peek() {
            Some(byte) if Operator::of(byte).is_some() => Err(self.fault(format!(
                "a host is missing before `{}`, which stands between two sides",
                char::from(byte)
            ))),
            Some(_) => Ok(()),
            None if self.text.trim().is_empty() => Err(self.fault("no host is named")),
            None => Err(self.fault("a host is missing at the end")),
        }
    }

    /// Goes over what stands between two words. `None`: there is no other word.
    pub(super) fn operator(&mut self) -> Option<Operator> {
        self.take_until(|byte| !byte.is_ascii_whitespace());
        let next = self.peek()?;
        let operator = Operator::of(next);
        self.at += usize::from(operator.is_some());
        Some(operator.unwrap_or(Operator::And))
    }
}

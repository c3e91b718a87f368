//! The one-time code with which a machine is adopted, and the proofs that both sides know it.
//!
//! A proof is an HMAC over a secret that only the two ends of one TLS connection share (the exporter of RFC 8446). Whoever
//! sits between two connections knows two such secrets, and a proof for one is no proof for the other.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use rustls::ConnectionCommon;

use crate::Error;

/// Neither I, L, O nor U: they are taken for others, or make words.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// 24 random letters of 5 bits each, and one that tells a slip of the finger.
const LETTERS: usize = 25;
const GROUP: usize = 5;

const EXPORTER_LABEL: &[u8] = b"EXPORTER-rollcall-adoption-1";
const KEY_LABEL: &[u8] = b"rollcall adoption 1";

/// What a person carries from the machine to the desk: 120 random bits.
#[derive(Clone, PartialEq, Eq)]
pub struct Code([u8; LETTERS]);

impl Code {
    /// A new one.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn random() -> Result<Code, Error> {
        let mut letters = [0; LETTERS];
        aws_lc_rs::rand::fill(&mut letters)
            .map_err(|_| Error::Certificate("no random numbers to be had".to_owned()))?;
        letters.iter_mut().for_each(|letter| *letter &= 31);
        letters[LETTERS - 1] = check_letter(&letters[..LETTERS - 1]);
        Ok(Code(letters))
    }

    /// What the proofs are made with. The code cannot be found from it.
    pub fn key(&self) -> CodeKey {
        let key = hmac::Key::new(HMAC_SHA256, KEY_LABEL);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hmac::sign(&key, &self.0).as_ref());
        CodeKey(bytes)
    }
}

/// Luhn's check for 32 letters: it notices every wrong letter and nearly every swap of neighbours.
fn check_letter(letters: &[u8]) -> u8 {
    let sum: u32 = letters
        .iter()
        .rev()
        .zip([2, 1].into_iter().cycle())
        .map(|(letter, factor)| {
            let product = u32::from(*letter) * factor;
            product / 32 + product % 32
        })
        .sum();
    u8::try_from((32 - sum % 32) % 32).unwrap_or_default()
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, letter) in self.0.iter().enumerate() {
            if index > 0 && index % GROUP == 0 {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(ALPHABET[usize::from(*letter)]))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(redacted)")
    }
}

impl FromStr for Code {
    type Err = Error;

    /// Takes small letters, any grouping, and the letters that look like others.
    fn from_str(text: &str) -> Result<Code, Error> {
        let wrong = |fault: String| Err(Error::Code(fault));
        let mut letters = Vec::with_capacity(LETTERS);
        for character in text.chars().filter(|character| *character != '-' && !character.is_whitespace()) {
            let meant = match character.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            match ALPHABET.iter().position(|letter| char::from(*letter) == meant) {
                Some(letter) if letters.len() < LETTERS => letters.push(letter as u8),
                Some(_) => return wrong(format!("a code has {LETTERS} letters, and this has more")),
                None => return wrong(format!("a code has no {character:?}")),
            }
        }
        let count = letters.len();
        let Ok(letters) = <[u8; LETTERS]>::try_from(letters) else {
            return wrong(format!("a code has {LETTERS} letters, and this has {count}"));
        };
        if check_letter(&letters[..LETTERS - 1]) != letters[LETTERS - 1] {
            return wrong("a letter of it is wrong".to_owned());
        }
        Ok(Code(letters))
    }
}

/// What proofs are made with.
#[derive(Clone, PartialEq, Eq)]
pub struct CodeKey([u8; 32]);

impl CodeKey {
    /// Proves on this connection that this side knows the code.
    pub fn proof(&self, side: Side, binding: &Binding) -> String {
        hex(hmac::sign(&self.hmac(), &side.claim(binding)).as_ref())
    }

    /// Whether the other side knows it. Takes the same time for every wrong proof.
    pub fn accepts(&self, side: Side, binding: &Binding, proof: &str) -> bool {
        let Some(proof) = unhex(proof) else { return false };
        hmac::verify(&self.hmac(), &side.claim(binding), &proof).is_ok()
    }

    /// For the agent's file.
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// From the agent's file.
    pub fn from_hex(text: &str) -> Option<CodeKey> {
        Some(CodeKey(unhex(text)?.try_into().ok()?))
    }

    fn hmac(&self) -> hmac::Key {
        hmac::Key::new(HMAC_SHA256, &self.0)
    }
}

impl fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeKey(redacted)")
    }
}

/// Who proves. A proof of one side is none of the other: an echo proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The machine.
    Agent,
    /// The desk.
    Controller,
}

impl Side {
    fn claim(self, binding: &Binding) -> Vec<u8> {
        let label: &[u8] = match self {
            Side::Agent => b"agent ",
            Side::Controller => b"controller ",
        };
        [label, &binding.0].concat()
    }
}

/// What only the two ends of one TLS connection know.
pub struct Binding([u8; 32]);

impl Binding {
    /// Of this connection.
    ///
    /// # Errors
    /// The handshake is not done.
    pub fn of<D>(connection: &ConnectionCommon<D>) -> Result<Binding, Error> {
        Ok(Binding(connection.export_keying_material([0; 32], EXPORTER_LABEL, None)?))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = Code::random().unwrap();
        let shown = code.to_string();
        assert_eq!(shown.len(), LETTERS + 4);
        let typed = [
            shown.clone(),
            shown.to_lowercase(),
            shown.replace('-', ""),
            format!(" {} \n", shown.replace('-', " ")),
            shown.replace('0', "o").replace('1', "l"),
        ];
        for typed in typed {
            assert_eq!(typed.parse::<Code>().unwrap(), code, "{typed}");
        }
        assert_ne!(Code::random().unwrap(), code);
        assert_eq!(format!("{code:?} {:?}", code.key()), "Code(redacted) CodeKey(redacted)");
    }

    #[test]
    fn every_wrong_letter_is_noticed_at_the_desk() {
        let shown = Code::random().unwrap().to_string().replace('-', "");
        for at in 0..LETTERS {
            for letter in ALPHABET.iter().map(|letter| char::from(*letter)) {
                let mut typed = shown.clone();
                typed.replace_range(at..=at, &letter.to_string());
                assert_eq!(typed.parse::<Code>().is_ok(), typed == shown, "{typed}");
            }
        }
        let said = |text: &str| text.parse::<Code>().unwrap_err().to_string();
        assert!(said(&shown[1..]).contains("this has 24"), "{}", said(&shown[1..]));
        assert!(said(&format!("{shown}0")).contains("more"));
        assert!(said("u").contains("no 'u'"));
    }

    #[test]
    fn a_proof_holds_for_one_side_one_connection_and_one_code() {
        let (key, other) = (Code::random().unwrap().key(), Code::random().unwrap().key());
        let (here, elsewhere) = (Binding([1; 32]), Binding([2; 32]));
        let proof = key.proof(Side::Agent, &here);
        assert!(key.accepts(Side::Agent, &here, &proof));
        assert!(!key.accepts(Side::Controller, &here, &proof));
        assert!(!key.accepts(Side::Agent, &elsewhere, &proof));
        assert!(!other.accepts(Side::Agent, &here, &proof));
        assert!(!key.accepts(Side::Agent, &here, &proof[2..]));
        assert_eq!(CodeKey::from_hex(&key.to_hex()), Some(key));
    }

    proptest! {
        #[test]
        fn no_text_crashes_the_readers(text in any::<String>()) {
            let _ = text.parse::<Code>();
            prop_assert!(CodeKey::from_hex(&text).is_none() || text.len() == 64);
            prop_assert!(!Code([0; LETTERS]).key().accepts(Side::Agent, &Binding([0; 32]), &text));
        }
    }
}

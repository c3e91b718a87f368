//! The passphrase that the authority's key can carry, in the form that other programs read too: PKCS #8 with PBES2.

use std::fmt;

use pkcs8::pkcs5::pbes2::{EncryptionScheme, Kdf, Parameters, ScryptParams};
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use rustls_pki_types::PrivatePkcs8KeyDer;
use zeroize::Zeroizing;

use crate::Error;

/// Each guess takes 16 MiB and a tenth of a second or so. OpenSSL reads nothing that takes more than 32 MiB, so what it
/// should cost beyond that is made up by repetition.
const SCRYPT_COST: u64 = 1 << 14;
const SCRYPT_BLOCK: u16 = 8;
const SCRYPT_REPEATED: u16 = 5;

/// What a person keeps in mind. Wiped from memory when it is dropped.
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(redacted)")
    }
}

impl From<Zeroizing<Vec<u8>>> for Passphrase {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Passphrase {
        Passphrase(bytes)
    }
}

impl Passphrase {
    /// Locks a key: only who knows the passphrase gets it back.
    pub(crate) fn lock(&self, key: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (mut salt, mut iv) = ([0; 16], [0; 16]);
        for random in [&mut salt, &mut iv] {
            aws_lc_rs::rand::fill(random).map_err(|_| failed("no random numbers to be had"))?;
        }
        let scrypt = ScryptParams {
            salt: salt[..].try_into().map_err(failed)?,
            cost_parameter: SCRYPT_COST,
            block_size: SCRYPT_BLOCK,
            parallelization: SCRYPT_REPEATED,
            key_length: None,
        };
        let parameters =
            Parameters { kdf: Kdf::Scrypt(scrypt), encryption: EncryptionScheme::Aes256Cbc { iv } };
        let key = PrivateKeyInfoRef::try_from(key).map_err(failed)?;
        let locked = key.encrypt_with_params(parameters, &*self.0).map_err(failed)?.to_bytes();
        // A key that could not be had again would take the whole fleet with it.
        self.unlock(&locked).map(|_| locked).ok_or_else(|| failed("it could not be read back"))
    }

    /// Gets a key back, if this is the passphrase that it was locked with.
    pub(crate) fn unlock(&self, locked: &[u8]) -> Option<PrivatePkcs8KeyDer<'static>> {
        let key = EncryptedPrivateKeyInfoRef::try_from(locked).ok()?.decrypt(&*self.0).ok()?;
        // One wrong passphrase in 256 leaves bytes that only look whole.
        PrivateKeyInfoRef::try_from(key.as_bytes()).ok()?;
        Some(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()))
    }
}

fn failed(error: impl fmt::Display) -> Error {
    Error::Certificate(format!("the key cannot be locked with a passphrase: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Algorithm;
    use crate::authority::new_key;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::from(Zeroizing::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn only_the_same_passphrase_gets_the_same_key_back() {
        for algorithm in [Algorithm::Ed25519, Algorithm::P256] {
            let key = new_key(algorithm).unwrap().serialize_der();
            let locked = passphrase("correct horse").lock(&key).unwrap();
            assert!(!locked.windows(16).any(|part| key.windows(16).any(|secret| secret == part)));
            assert_eq!(passphrase("correct horse").unlock(&locked).unwrap().secret_pkcs8_der(), key);
            assert!(passphrase("correct horsf").unlock(&locked).is_none());
            assert!(passphrase("correct horse").unlock(&locked[1..]).is_none());
        }
    }

    #[test]
    fn a_passphrase_is_never_shown() {
        assert_eq!(format!("{:?}", passphrase("correct horse")), "Passphrase(redacted)");
    }
}

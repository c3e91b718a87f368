//! A key that waits for its certificate: the request that travels in its place, and how people compare keys.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use rcgen::{CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType};
use rustls::server::ParsedCertificate;
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use crate::authority::new_key;
use crate::tls::{self, Reason};
use crate::{Algorithm, Credentials, Error, Name, Peer, Role, Signed};

/// What people compare to be sure of a key: SHA-256 of the public key, in groups that are easy to read aloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of the key in a certificate.
    ///
    /// # Errors
    /// These bytes are not a certificate.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Fingerprint, Error> {
        Ok(Fingerprint::of(&ParsedCertificate::try_from(certificate)?.subject_public_key_info()))
    }

    fn of(public_key: &[u8]) -> Fingerprint {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, public_key).as_ref());
        Fingerprint(bytes)
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Fingerprint, Error> {
        let digits: String = text.split(' ').collect();
        let pair = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(pair).collect();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Fingerprint).ok_or_else(|| Error::Certificate("this is no fingerprint".to_owned()))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups: Vec<_> = self.0.chunks(2).map(|pair| format!("{:02x}{:02x}", pair[0], pair[1])).collect();
        f.write_str(&groups.join(" "))
    }
}

/// Somebody's request for a certificate. It proves its key, and nothing else that it says.
#[derive(Debug, Clone)]
pub struct Request {
    der: CertificateSigningRequestDer<'static>,
    name: Option<Name>,
    fingerprint: Fingerprint,
}

impl Request {
    /// Reads a request, and checks that it is signed by its own key.
    ///
    /// # Errors
    /// It is no request, or of another key.
    pub fn read(der: CertificateSigningRequestDer<'static>) -> Result<Request, Error> {
        CertificateSigningRequestParams::from_der(&der).map_err(Error::signing("read the request"))?;
        let unreadable = |_| Error::Certificate("these bytes are not a request".to_owned());
        let (_, parsed) = X509CertificationRequest::from_der(&der).map_err(unreadable)?;
        let info = &parsed.certification_request_info;
        let name = info.subject.iter_common_name().find_map(|name| name.as_str().ok()?.parse().ok());
        let fingerprint = Fingerprint::of(info.subject_pki.raw);
        Ok(Request { der, name, fingerprint })
    }

    /// The request as the authority takes it.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// What whoever asks wants to be called, where it can be a name.
    pub fn name(&self) -> Option<&Name> {
        self.name.as_ref()
    }

    /// What to compare with whoever asks.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

/// A key whose certificate has not come yet, and the request that asks for it.
pub struct Pending {
    pub(crate) key: PrivatePkcs8KeyDer<'static>,
    pub(crate) request: Request,
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pending({}, key redacted)", self.request.fingerprint)
    }
}

impl Pending {
    /// Makes a key, and a request for it. The name in it is a wish; an agent has none, for its owner names it.
    ///
    /// # Errors
    /// The cryptographic library failed.
    pub fn create(algorithm: Algorithm, name: Option<&Name>) -> Result<Pending, Error> {
        let key = new_key(algorithm)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        if let Some(name) = name {
            params.distinguished_name.push(DnType::CommonName, name.as_str());
        }
        let request = params.serialize_request(&key).map_err(Error::signing("write the signing request"))?;
        Ok(Pending { key: key.serialize_der().into(), request: Request::read(request.into())? })
    }

    /// What to send to whoever keeps the authority.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Puts the key and its certificate together, and checks that they make what was asked for.
    ///
    /// # Errors
    /// The certificate is for another key or another name, or [`check`] finds a fault.
    pub fn complete(self, signed: Signed, role: Role) -> Result<Credentials, Error> {
        let credentials = self.join(signed)?;
        check(&credentials, role)?;
        Ok(credentials)
    }

    /// Puts the key and its certificate together in place of credentials that are there. What changes is the key and the
    /// dates: who it is stays. Whom it believes changes only where one authority takes the place of another.
    ///
    /// # Errors
    /// The certificate is for another key or another identity, or nobody would believe it who believes the old one.
    pub fn renew(self, signed: Signed, present: &Credentials) -> Result<Credentials, Error> {
        let renewed = self.join(signed.after(&present.signed))?;
        let (theirs, ours) = (&renewed.own().identity, &present.own().identity);
        if theirs != ours {
            return Err(Error::Certificate(format!("it is for {theirs}, and this is {ours}")));
        }
        let unsigned =
            "no authority that is trusted here signed it; have it signed by the one that signed the old one";
        judge(&renewed, ours.role, unsigned)?;
        Ok(renewed)
    }

    fn join(self, signed: Signed) -> Result<Credentials, Error> {
        let fault = |fault: String| Err(Error::Certificate(fault));
        let peer = Peer::read(&signed.certificate)?;
        let theirs = Fingerprint::of_certificate(&signed.certificate)?;
        let ours = self.request.fingerprint;
        if theirs != ours {
            return fault(format!(
                "it is for another key ({theirs}) than the one that waits here ({ours}); send your request again"
            ));
        }
        if let Some(name) = self.request.name().filter(|name| **name != peer.identity.name) {
            let signed = peer.identity.name;
            return fault(format!(
                "it is for `{signed}`, and the request was for `{name}`; have it signed again"
            ));
        }
        Credentials::new(PrivateKeyDer::Pkcs8(self.key), signed)
    }
}

/// Checks what only a handshake would find out otherwise: role, dates, and who signed.
///
/// # Errors
/// Nobody would believe these credentials.
pub fn check(credentials: &Credentials, role: Role) -> Result<(), Error> {
    judge(credentials, role, "the authority beside it did not sign it; have it sent again")
}

fn judge(credentials: &Credentials, role: Role, unsigned: &str) -> Result<(), Error> {
    let own = credentials.own();
    let fault = match tls::judge(credentials, role).map_err(|error| tls::explain(&error).1) {
        Ok(()) => return Ok(()),
        Err(Reason::WrongRole) => {
            let (found, name) = (own.identity.role, &own.identity.name);
            match found == role {
                true => {
                    format!("its certificate names {found} `{name}`, and is not for what any {role} does")
                }
                false => format!("it is the identity of {found} `{name}`, and not of any {role}"),
            }
        }
        Err(Reason::Expired(at)) => format!("its certificate ended at {at}; have a new one signed"),
        Err(Reason::NotYetValid(at)) => {
            format!("its certificate begins at {at}; check the clock of this machine")
        }
        Err(Reason::UnknownAuthority) => unsigned.to_owned(),
        Err(other) => format!("nobody would believe its certificate ({other:?}); have a new one signed"),
    };
    Err(Error::Certificate(fault))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Authority, Grant, Identity, Validity};
    use proptest::prelude::*;

    #[test]
    fn a_request_and_the_certificate_for_it_have_one_fingerprint() {
        let authority = Authority::create(Algorithm::P256).unwrap();
        let identity = Identity::controller("alice".parse().unwrap());
        let grant = Grant { identity: &identity, teams: &[], addresses: &[], validity: Validity::days(1) };
        for algorithm in [Algorithm::Ed25519, Algorithm::P256] {
            let pending = Pending::create(algorithm, Some(&identity.name)).unwrap();
            let signed = authority.sign(pending.request().der(), &grant).unwrap();
            let fingerprint = Fingerprint::of_certificate(&signed.certificate).unwrap();
            assert_eq!(fingerprint, pending.request().fingerprint());
            assert_eq!(fingerprint.to_string().parse::<Fingerprint>().unwrap(), fingerprint);
            assert!("12ab".parse::<Fingerprint>().is_err() && "é".repeat(32).parse::<Fingerprint>().is_err());
            assert_eq!(format!("{pending:?}"), format!("Pending({fingerprint}, key redacted)"));
            let credentials = pending.complete(signed, Role::Controller).unwrap();
            assert_eq!(credentials.own().identity, identity);
        }
    }

    fn signed(by: &Authority, request: &Request, identity: &Identity, validity: Validity) -> Signed {
        let grant = Grant { identity, teams: &[], addresses: &[], validity };
        by.sign(request.der(), &grant).unwrap()
    }

    fn pending() -> Pending {
        Pending::create(Algorithm::Ed25519, None).unwrap()
    }

    fn said(pending: Pending, signed: Signed) -> String {
        pending.complete(signed, Role::Agent).unwrap_err().to_string()
    }

    #[test]
    fn only_what_fits_is_taken() {
        let [one, other] = [(), ()].map(|()| Authority::create(Algorithm::Ed25519).unwrap());
        let agent = Identity::agent("web-1".parse().unwrap());
        let controller = Identity::controller("alice".parse().unwrap());
        let days = Validity::days(1);
        let day = jiff::SignedDuration::from_hours(24);
        let ended = Validity { not_before: days.not_before - day, not_after: days.not_before };
        let begins = Validity { not_before: days.not_after, not_after: days.not_after + day };

        let good = pending();
        let signed_good = signed(&one, good.request(), &agent, days);
        let back = Signed::read(&signed_good.to_text()).unwrap();
        assert_eq!(back, signed_good);
        assert_eq!(good.complete(back, Role::Agent).unwrap().own().identity, agent);
        assert!(said(pending(), signed_good).starts_with("it is for another key"));

        for (identity, validity, fault) in [
            (&controller, days, "it is the identity of controller `alice`, and not of any agent"),
            (&agent, ended, "its certificate ended at"),
            (&agent, begins, "its certificate begins at"),
        ] {
            let pending = pending();
            let signed = signed(&one, pending.request(), identity, validity);
            let said = said(pending, signed);
            assert!(said.starts_with(fault), "{said}");
        }
        let pending = pending();
        let foreign = signed(&one, pending.request(), &agent, days);
        let mixed = Signed { authorities: vec![other.certificate().clone()], ..foreign };
        assert!(said(pending, mixed).starts_with("the authority beside it did not sign it"));
        for text in ["", "rubbish", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            let said = Signed::read(text).unwrap_err().to_string();
            assert!(said.starts_with("what the authority sent cannot be used: "), "{said}");
        }
    }

    #[test]
    fn a_renewal_changes_neither_who_it_is_nor_whom_it_believes() {
        let [one, other] = [(), ()].map(|()| Authority::create(Algorithm::Ed25519).unwrap());
        let [web_1, web_2] = ["web-1", "web-2"].map(|name| Identity::agent(name.parse().unwrap()));
        let days = Validity::days(1);
        let grant = Grant { identity: &web_1, teams: &[], addresses: &[], validity: days };
        let present = one.issue(Algorithm::P256, &grant).unwrap();
        assert_eq!(present.algorithm(), Algorithm::P256);
        let renew = |by: &Authority, identity, beside: &Authority| {
            let pending = pending();
            let signed = signed(by, pending.request(), identity, days);
            pending.renew(Signed { authorities: vec![beside.certificate().clone()], ..signed }, &present)
        };
        let renewed = renew(&one, &web_1, &other).unwrap();
        assert_ne!(renewed.own().serial, present.own().serial);
        assert_eq!(renewed.authorities(), present.authorities());
        assert_eq!(renewed.algorithm(), Algorithm::Ed25519);
        let controller = Identity::controller(web_1.name.clone());
        for (by, identity, fault) in [
            (&one, &web_2, "it is for rollcall://agent/web-2, and this is rollcall://agent/web-1"),
            (&one, &controller, "it is for rollcall://controller/web-1, and this is"),
            (&other, &web_1, "no authority that is trusted here signed it"),
        ] {
            let said = renew(by, identity, by).unwrap_err().to_string();
            assert!(said.starts_with(fault), "{said}");
        }
    }

    #[test]
    fn a_name_that_cannot_be_one_is_not_proposed() {
        let key = new_key(Algorithm::Ed25519).unwrap();
        for (wanted, proposed) in
            [("alice", true), ("Alice Smith", false), ("\u{1b}[31m", false), ("", false)]
        {
            let mut params = CertificateParams::default();
            params.distinguished_name = DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, wanted);
            let request = Request::read(params.serialize_request(&key).unwrap().into()).unwrap();
            assert_eq!(request.name().is_some(), proposed, "{wanted:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_crash_the_reader(bytes in any::<Vec<u8>>()) {
            prop_assert!(Request::read(bytes.into()).is_err());
        }
    }
}

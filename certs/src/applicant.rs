//! A key that waits for its certificate. It never leaves the machine it was made on: only the request travels.

use rcgen::CertificateParams;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::UnixTime;
use rustls::server::ParsedCertificate;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::authority::new_key;
use crate::tls::{Reason, demand, explain, provider, roots};
use crate::{Algorithm, Credentials, Error, Role, store};

/// A new key and the request to sign it.
pub struct Applicant {
    key: PrivateKeyDer<'static>,
    request: Vec<u8>,
}

impl Applicant {
    /// Makes a key.
    ///
    /// # Errors
    /// The cryptographic library failed.
    pub fn new(algorithm: Algorithm) -> Result<Applicant, Error> {
        let key = new_key(algorithm)?;
        let request = CertificateParams::default()
            .serialize_request(&key)
            .map_err(Error::signing("write the signing request"))?;
        Ok(Applicant {
            key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            request: request.der().to_vec(),
        })
    }

    /// What the authority is asked to sign.
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    pub(crate) fn with(
        self,
        certificate: CertificateDer<'static>,
        authorities: Vec<CertificateDer<'static>>,
    ) -> Result<Credentials, Error> {
        Credentials::new(self.key, certificate, authorities)
    }

    /// Takes what the authority gave: an agent's certificate for this key, and the authorities to trust.
    ///
    /// # Errors
    /// It is not for this key, not an agent's, not signed by those authorities, or not valid by this machine's clock.
    pub fn complete(self, papers: &str) -> Result<Credentials, Error> {
        let (certificate, authorities) = store::read_papers(papers)?;
        let credentials = self.with(certificate, authorities)?;
        demand(&credentials, Role::Agent)?;
        let verified = verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(&credentials.certificate)?,
            &roots(&credentials)?,
            &[],
            UnixTime::now(),
            provider().signature_verification_algorithms.all,
        );
        match verified {
            Ok(()) => Ok(credentials),
            Err(error) => Err(Error::Certificate(match explain(&error).1 {
                Reason::UnknownAuthority => {
                    "the certificate is not signed by the authority that came with it".to_owned()
                }
                Reason::Expired(at) => format!("by this machine's clock the certificate ended at {at}"),
                Reason::NotYetValid(at) => format!("by this machine's clock the certificate begins at {at}"),
                other => format!("the certificate cannot be used: {other:?}"),
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Authority, Grant, Identity, Validity};

    fn signed(
        authority: &Authority,
        applicant: &Applicant,
        identity: &Identity,
        validity: Validity,
    ) -> String {
        let grant = Grant { identity, teams: &[], addresses: &[], validity };
        store::papers(&authority.sign(applicant.request(), &grant).unwrap(), authority.certificate())
    }

    fn said(applicant: Applicant, papers: &str) -> String {
        applicant.complete(papers).unwrap_err().to_string()
    }

    #[test]
    fn only_what_fits_is_taken() {
        let [one, other] = [(), ()].map(|()| Authority::create(Algorithm::Ed25519).unwrap());
        let agent = Identity::agent("web-1".parse().unwrap());
        let controller = Identity::controller("alice".parse().unwrap());
        let applicant = || Applicant::new(Algorithm::Ed25519).unwrap();
        let days = Validity::days(1);
        let day = jiff::SignedDuration::from_hours(24);
        let ended = Validity { not_before: days.not_before - day, not_after: days.not_before };
        let begins = Validity { not_before: days.not_after, not_after: days.not_after + day };

        let good = applicant();
        let papers = signed(&one, &good, &agent, days);
        assert_eq!(good.complete(&papers).unwrap().own().identity, agent);
        assert_eq!(said(applicant(), &papers), "the key does not belong to the certificate");

        for (identity, validity, fault) in [
            (&controller, days, "this is the identity of controller `alice`, and not of any agent"),
            (&agent, ended, "by this machine's clock the certificate ended at"),
            (&agent, begins, "by this machine's clock the certificate begins at"),
        ] {
            let applicant = applicant();
            let papers = signed(&one, &applicant, identity, validity);
            let said = said(applicant, &papers);
            assert!(said.starts_with(fault), "{said}");
        }
        let applicant_of_one = applicant();
        let grant = Grant { identity: &agent, teams: &[], addresses: &[], validity: days };
        let certificate = one.sign(applicant_of_one.request(), &grant).unwrap();
        let mixed = store::papers(&certificate, other.certificate());
        let said_of_mixed = said(applicant_of_one, &mixed);
        assert!(said_of_mixed.starts_with("the certificate is not signed by"), "{said_of_mixed}");
        assert!(said(applicant(), "").contains("the file is empty"));
    }
}

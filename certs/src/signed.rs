//! What the authority gives for a request, and whom somebody believes who takes it.

use std::slice;

use rustls_pki_types::CertificateDer;

use crate::certificate::{has_signed, holds, vouches};

/// What comes back for a request: nothing of it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The certificate that was asked for.
    pub certificate: CertificateDer<'static>,
    /// The authorities to believe; the first one signed it.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Certificates by which one authority vouches for the next: shown to those who believe only the one before.
    pub vouchers: Vec<CertificateDer<'static>>,
}

impl Signed {
    /// The same for somebody who had this before. An authority that is named is believed from now on if one that was
    /// believed vouches for it. One that is not named any more is believed no longer if it has vouched for another, or if the
    /// one that had vouched for it now vouches for another: nobody gives his place to two.
    pub(crate) fn after(self, before: &Signed) -> Signed {
        let believed = &before.authorities;
        let Signed { certificate, authorities: named, vouchers } = self;
        let vouched = |authority: &CertificateDer<'_>| {
            vouchers.iter().any(|voucher| holds(voucher) && vouches(voucher, authority, believed))
        };
        let mut authorities: Vec<_> = named
            .into_iter()
            .filter(|authority| believed.contains(authority) || vouched(authority))
            .collect();
        // Also one that has ended has given its place away.
        let has_given_way = |authority: &CertificateDer<'static>| {
            let by_it = slice::from_ref(authority);
            vouchers.iter().any(|voucher| authorities.iter().any(|next| vouches(voucher, next, by_it)))
        };
        let stood_for = |authority: &CertificateDer<'static>, by: &CertificateDer<'static>| {
            before.vouchers.iter().any(|voucher| vouches(voucher, authority, slice::from_ref(by)))
        };
        let has_left = |authority: &CertificateDer<'static>| {
            has_given_way(authority)
                || believed.iter().any(|by| has_given_way(by) && stood_for(authority, by))
        };
        let staying = believed.iter().filter(|it| !authorities.contains(it) && !has_left(it));
        let staying: Vec<_> = staying.cloned().collect();
        authorities.extend(staying);
        let needed = |voucher: &CertificateDer<'_>| authorities.iter().any(|by| has_signed(by, voucher));
        let vouchers = vouchers.into_iter().filter(needed).collect();
        Signed { certificate, authorities, vouchers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Algorithm, Authority, Credentials, Error, Grant, Identity, Pending, Validity};

    fn web_1() -> Identity {
        Identity::agent("web-1".parse().unwrap())
    }

    fn grant(identity: &Identity) -> Grant<'_> {
        Grant { identity, teams: &[], addresses: &[], validity: Validity::days(1) }
    }

    /// What web-1 has after this authority signed for it, and somebody `change`d that on the way.
    fn changed(
        by: &Authority,
        present: &Credentials,
        change: impl Fn(Signed) -> Signed,
    ) -> Result<Credentials, Error> {
        let pending = Pending::create(Algorithm::Ed25519, None).unwrap();
        let signed = by.sign(pending.request().der(), &grant(&web_1())).unwrap();
        pending.renew(change(signed), present)
    }

    fn renewed(by: &Authority, present: &Credentials) -> Credentials {
        changed(by, present, |signed| signed).unwrap()
    }

    /// The owner of the machine has let another authority in, which nobody else knows of.
    fn believing_besides(old: &Authority) -> (Credentials, CertificateDer<'static>) {
        let besides = Authority::create(Algorithm::Ed25519).unwrap().certificate().clone();
        let present = old.issue(Algorithm::Ed25519, &grant(&web_1())).unwrap();
        let present = present.believing(vec![old.certificate().clone(), besides.clone()]).unwrap();
        (present, besides)
    }

    #[test]
    fn one_authority_takes_the_place_of_another_by_its_word_alone() {
        let [old, stranger] = [(), ()].map(|()| Authority::create(Algorithm::Ed25519).unwrap());
        let (present, besides) = believing_besides(&old);
        let old_certificate = old.certificate().clone();
        let both = old.succeed(Algorithm::P256).unwrap();
        let new_certificate = both.certificate().clone();
        let knows = renewed(&both, &present);
        assert_eq!(knows.authorities(), [new_certificate.clone(), old_certificate.clone(), besides.clone()]);
        assert_eq!(knows.signed.vouchers.len(), 1, "for those who believe the old one alone");
        // Once more changes nothing.
        assert_eq!(renewed(&both, &knows).authorities(), knows.authorities());

        let alone = both.alone();
        let forgot = renewed(&alone, &knows);
        assert_eq!(forgot.authorities(), [new_certificate.clone(), besides.clone()]);
        assert!(forgot.signed.vouchers.is_empty());
        // Who missed the first step is not left behind by the second.
        assert_eq!(renewed(&alone, &present).authorities(), [new_certificate, besides]);

        let usurper = stranger.succeed(Algorithm::Ed25519).unwrap();
        let without_a_word = |signed: Signed| Signed { vouchers: Vec::new(), ..signed };
        let under_its_word = |signed: Signed| Signed {
            vouchers: knows.signed.vouchers.clone(),
            authorities: usurper.believed(),
            ..signed
        };
        for refused in [
            changed(&usurper, &present, |signed| signed),
            changed(&usurper, &knows, under_its_word),
            changed(&alone, &present, without_a_word),
        ] {
            let said = refused.unwrap_err().to_string();
            assert!(said.starts_with("no authority that is trusted here signed it"), "{said}");
        }
        // The one that was forgotten does not come back because it is named.
        let named = |signed: Signed| Signed { authorities: vec![old_certificate.clone()], ..signed };
        assert_eq!(changed(&alone, &forgot, named).unwrap().authorities(), forgot.authorities());
    }

    #[test]
    fn of_two_that_one_has_vouched_for_the_last_is_believed() {
        let old = Authority::create(Algorithm::Ed25519).unwrap();
        let old_certificate = old.certificate().clone();
        let (present, besides) = believing_besides(&old);
        let folder = tempfile::tempdir().unwrap();
        let copied = folder.path().join("authority.pem");
        old.replace(&copied, None).unwrap();
        let knows = renewed(&old.succeed(Algorithm::Ed25519).unwrap(), &present);
        let copy = Authority::load(&copied).unwrap().succeed(Algorithm::Ed25519).unwrap();
        let believed = [copy.certificate().clone(), old_certificate, besides];
        assert_eq!(renewed(&copy, &knows).authorities(), believed);
    }
}

//! Certificates that are void before their end: a list that the authority signs, and that anybody may carry.

mod list;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rustls_pki_types::CertificateDer;

use crate::certificate::has_signed;
use crate::tls::Shown;
use crate::{Error, Serial, store};
use list::fault;

pub use list::{MAX_BYTES, RevocationList};

/// So many lists are kept beside the newest: more than that have never been needed, and each is at most 60 KiB.
const OLDER: usize = 8;

/// What one program knows of revocations. It only ever moves forward, while connections look into it.
///
/// Whoever signs may know less than others, when a home was restored from a backup or there are two: his list is newer, and
/// lacks what they revoked. So an older list that holds anything which the newest does not is kept beside it.
#[derive(Debug, Default)]
pub struct Revocations {
    /// Held for moments only: every connection looks into it.
    known: RwLock<Known>,
    change: Mutex<()>,
    file: Option<PathBuf>,
    /// How often an authority was forgotten.
    turns: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    /// The newest first.
    lists: Vec<Arc<RevocationList>>,
    /// Who may sign them.
    authorities: Vec<CertificateDer<'static>>,
}

/// Others are believed from now on, once that is [done](Turn::done). Nothing else changes meanwhile.
pub struct Turn<'a> {
    revocations: &'a Revocations,
    authorities: Vec<CertificateDer<'static>>,
    _change: MutexGuard<'a, ()>,
}

impl Turn<'_> {
    /// The lists of others are forgotten.
    pub fn done(self) {
        let mut known = self.revocations.write();
        let Known { lists, authorities } = &mut *known;
        lists.retain(|list| list.is_of(&self.authorities));
        if authorities.iter().any(|before| !self.authorities.contains(before)) {
            self.revocations.turns.fetch_add(1, Ordering::Relaxed);
        }
        *authorities = self.authorities;
    }
}

impl Revocations {
    /// What a file holds, and from now on keeps; nothing when there is no file yet.
    ///
    /// # Errors
    /// The file is damaged, or its newest list is of another authority.
    pub fn kept_in(file: &Path, authorities: &[CertificateDer<'static>]) -> Result<Revocations, Error> {
        let lists = store::read_lists(file, authorities)?.into_iter().map(Arc::new).collect();
        let known = Known { lists, authorities: authorities.to_vec() };
        Ok(Revocations { known: RwLock::new(known), file: Some(file.to_owned()), ..Revocations::default() })
    }

    /// The newest list.
    pub fn newest(&self) -> Option<Arc<RevocationList>> {
        self.read().lists.first().cloned()
    }

    /// The newest list's number; 0 when there is none.
    pub fn number(&self) -> u64 {
        self.newest().map_or(0, |list| list.number())
    }

    /// Whether a certificate is void.
    pub fn contains(&self, serial: &Serial) -> bool {
        self.read().lists.iter().any(|list| list.serials().contains(serial))
    }

    /// How often an authority was forgotten: from then on, whether somebody is [believed](Self::believes) is to be asked again.
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// Whether one of the authorities that are believed now stands behind what somebody has shown, as one did when he was let
    /// in.
    pub fn believes(&self, shown: &Shown) -> bool {
        let Some((own, vouchers)) = shown.0.split_first() else { return false };
        let authorities = &self.read().authorities;
        let by_one = |certificate| authorities.iter().any(|authority| has_signed(authority, certificate));
        by_one(own) || vouchers.iter().any(|voucher| has_signed(voucher, own) && by_one(voucher))
    }

    /// All certificates that are void.
    pub fn serials(&self) -> BTreeSet<Serial> {
        self.read().lists.iter().flat_map(|list| list.serials().iter().cloned()).collect()
    }

    /// Takes from the file what another program has written there.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn look_again(&self) -> Result<(), Error> {
        let _change = self.change();
        let there = self.in_file()?;
        self.write().take_all(there);
        Ok(())
    }

    /// Prepares to believe these authorities, and no others.
    ///
    /// # Errors
    /// The newest list is of none of them: nobody could tell any more who is revoked.
    pub fn turn_to(&self, authorities: &[CertificateDer<'static>]) -> Result<Turn<'_>, Error> {
        let _change = self.change();
        match self.newest() {
            Some(newest) if !newest.is_of(authorities) => Err(fault(
                "here is of an authority that would not be believed any more; carry the newest first",
            )),
            _ => Ok(Turn { revocations: self, authorities: authorities.to_vec(), _change }),
        }
    }

    /// Takes a list if it is newer than what is here, and says whether it was. It is in force from then on, and kept.
    ///
    /// # Errors
    /// It is older: somebody may want a revocation to be forgotten. Or it is in force, but cannot be kept.
    pub fn take(&self, list: RevocationList) -> Result<bool, Error> {
        let _change = self.change();
        // Another program may have written the file since this one has read it.
        let alone = self.file.as_deref().map(store::lock_beside).transpose();
        let there = if alone.is_ok() { self.in_file()? } else { Vec::new() };
        let (newer, lists) = {
            let mut known = self.write();
            known.take_all(there);
            let here = known.lists.first().map_or(0, |list| list.number());
            if list.number() < here {
                let number = list.number();
                return Err(Error::Certificate(format!(
                    "the revocation list {number} is older than the one that is here, {here}"
                )));
            }
            (add(&mut known.lists, list), known.lists.clone())
        };
        let _alone = alone?;
        match &self.file {
            Some(file) if newer => store::write_lists(file, &lists)?,
            _ => {}
        }
        Ok(newer)
    }

    fn in_file(&self) -> Result<Vec<RevocationList>, Error> {
        let Some(file) = &self.file else { return Ok(Vec::new()) };
        let authorities = self.read().authorities.clone();
        store::read_lists(file, &authorities)
    }

    /// One change after the other. Whoever only looks does not wait for it, for it may wait for a disk.
    fn change(&self) -> MutexGuard<'_, ()> {
        self.change.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn take_all(&mut self, newest_first: Vec<RevocationList>) {
        for list in newest_first.into_iter().rev() {
            add(&mut self.lists, list);
        }
    }
}

/// Puts a list in front, if it is newer, and keeps behind it what it lacks.
fn add(lists: &mut Vec<Arc<RevocationList>>, list: RevocationList) -> bool {
    let newer = lists.first().is_none_or(|newest| newest.number() < list.number());
    if newer {
        lists.retain(|older| !older.serials().is_subset(list.serials()));
        lists.insert(0, Arc::new(list));
        lists.truncate(1 + OLDER);
    }
    newer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Algorithm, Authority};

    fn serials(count: u8) -> Vec<Serial> {
        (1..=count).map(|number| Serial::new(&[number, 7])).collect()
    }

    #[test]
    fn a_list_only_moves_forward() {
        let authority = Authority::create(Algorithm::Ed25519).unwrap();
        let first = authority.revoke(0, &serials(2)).unwrap();
        assert!(first.number() > 1_700_000_000, "it is the clock's");
        let second = authority.revoke(first.number(), &serials(1)).unwrap();
        let known = Revocations::default();
        assert_eq!(known.number(), 0);
        assert!(known.take(first.clone()).unwrap());
        assert!(known.contains(&serials(2)[1]));
        assert!(known.take(second.clone()).unwrap() && !known.take(second).unwrap(), "newer once");
        // Whoever signed the second did not know of the first: what it lacks is not forgotten.
        assert!(known.contains(&serials(2)[1]) && known.contains(&serials(1)[0]));
        assert_eq!(known.serials().len(), 2);
        let (old, new) = (first.number(), known.number());
        assert_eq!(new, old + 1);
        let said = known.take(first).unwrap_err().to_string();
        assert_eq!(said, format!("the revocation list {old} is older than the one that is here, {new}"));
        assert_eq!(known.number(), new);
    }

    #[test]
    fn programs_that_share_a_file_lose_nothing_to_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("revoked.pem");
        let authority = Authority::create(Algorithm::Ed25519).unwrap();
        let authorities = [authority.certificate().clone()];
        let known = || Revocations::kept_in(&file, &authorities).unwrap();
        let (slow, quick) = (known(), known());
        let all = serials(3);
        let mut lists = Vec::new();
        for count in 1..=3 {
            lists.push(authority.revoke(quick.number(), &all[..count]).unwrap());
            quick.take(lists[count - 1].clone()).unwrap();
        }
        // It has read the file before anything was in it, and hears of the second list only now.
        assert!(slow.take(lists[1].clone()).is_err());
        assert_eq!((slow.number(), known().number()), (lists[2].number(), lists[2].number()));
        assert!(known().contains(&all[2]) && slow.contains(&all[2]));
        // A list of somebody who knows less is kept beside what it lacks, also on the disk.
        let less = authority.revoke(slow.number(), [&Serial::new(&[9])]).unwrap();
        assert!(slow.take(less).unwrap());
        assert_eq!(known().serials().len(), 4);
    }

    #[test]
    fn who_is_believed_no_longer_revokes_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("revoked.pem");
        let both = Authority::create(Algorithm::Ed25519).unwrap().succeed(Algorithm::Ed25519).unwrap();
        let believed = both.believed();
        let known = Revocations::kept_in(&file, &believed).unwrap();
        known.take(both.revoke(0, &serials(2)).unwrap()).unwrap();
        let said = known.turn_to(&believed[..1]).err().unwrap().to_string();
        assert!(
            said.ends_with("of an authority that would not be believed any more; carry the newest first")
        );
        let alone = both.alone();
        known.take(alone.revoke(known.number(), &serials(1)).unwrap()).unwrap();
        assert!(known.contains(&serials(2)[1]), "kept beside the newest");
        let turn = known.turn_to(&believed[..1]).unwrap();
        assert!(known.contains(&serials(1)[0]), "whoever looks does not wait for it");
        drop(turn);
        assert!(known.contains(&serials(2)[1]), "nothing was done");
        known.turn_to(&believed[..1]).unwrap().done();
        assert!(known.contains(&serials(1)[0]) && !known.contains(&serials(2)[1]));
        assert_eq!(Revocations::kept_in(&file, &believed[..1]).unwrap().serials(), known.serials());
        assert!(Revocations::kept_in(&file, &believed[1..]).is_err(), "the newest is the new one's");
        assert!(known.take(alone.revoke(known.number(), &serials(3)).unwrap()).unwrap());
    }
}

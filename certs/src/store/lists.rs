//! Files with revocation lists.

use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::CertificateDer;

use super::parts::{LIST, check_outside, pem};
use super::{Existing, read_secret, write_secret};
use crate::{Error, RevocationList};

/// Reads revocation lists, the newest first; none when there is no file. The newest must be of one of these authorities.
/// Beside it may be lists of one that is believed no longer, and with them goes what they say.
pub(crate) fn read_lists(
    path: &Path,
    authorities: &[CertificateDer<'_>],
) -> Result<Vec<RevocationList>, Error> {
    let text = match read_secret(path) {
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        text => text?,
    };
    let blocks =
        check_outside(&text).and_then(|()| pem::parse_many(&text).map_err(|error| error.to_string()));
    let blocks = blocks.map_err(|fault| Error::file(path, fault))?;
    let mut lists = Vec::new();
    for block in &blocks {
        if block.tag() != LIST {
            return Err(Error::file(path, "it holds something else than revocation lists"));
        }
        let list = RevocationList::parse(block.contents());
        lists.push(list.map_err(|fault| Error::file(path, fault.to_string()))?);
    }
    lists.sort_by_key(|list| std::cmp::Reverse(list.number()));
    if lists.first().is_some_and(|newest| !newest.is_of(authorities)) {
        return Err(Error::file(path, "the revocation list is signed by another authority"));
    }
    lists.retain(|list| list.is_of(authorities));
    Ok(lists)
}

/// Writes revocation lists in place of those that were there.
pub(crate) fn write_lists(path: &Path, lists: &[Arc<RevocationList>]) -> Result<(), Error> {
    let mut text = "# Certificates that are void. Nothing in this file is secret.\n".to_owned();
    text.extend(lists.iter().map(|list| pem(LIST, list.der())));
    write_secret(path, text.as_bytes(), Existing::Replace)
}

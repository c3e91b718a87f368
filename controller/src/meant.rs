//! What somebody probably meant who wrote a name that nobody knows.

/// Less alike, it was probably meant otherwise.
const ALIKE: f64 = 0.5;

/// The known name that is most like this one.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let alike = known.map(|known| (strsim::normalized_damerau_levenshtein(name, known), known));
    let meant = alike.filter(|(alike, _)| *alike > ALIKE).max_by(|one, other| one.0.total_cmp(&other.0));
    meant.map(|(_, known)| known)
}

//! What somebody may have meant by a name that nobody knows.

/// Likeness (Jaro) from which on a guess helps more than it distracts.
const LIKE_ENOUGH: f64 = 0.8;

/// The known name nearest to the one given, if any is near.
pub fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    known
        .map(|known| (strsim::jaro(name, known), known))
        .filter(|(likeness, _)| *likeness >= LIKE_ENOUGH)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_found_and_a_stranger_is_not() {
        let known = || ["listen", "tls-cert", "tls-key"].into_iter();

        assert_eq!(nearest("listn", known()), Some("listen"));
        assert_eq!(nearest("tls-certs", known()), Some("tls-cert"));
        assert_eq!(nearest("colour", known()), None);
    }
}

//! Asking Google not to store what is pooled.

use potluck_gemini::body::Scan;
use potluck_gemini::{Dialect, Family, Route};

/// Whether a pooled body says nothing of it, and its method knows the field.
pub fn is_silent(route: &Route<'_>, scan: &Scan) -> bool {
    let knows = route.dialect == Dialect::Native && route.family == Family::Generate;
    knows && scan.own.is_none() && !scan.says_store
}

/// The same body, saying that it is not to be stored.
pub fn refused(body: &[u8]) -> Option<Vec<u8>> {
    let open = body.iter().position(|byte| *byte == b'{')?;
    let empty = body[open + 1..].trim_ascii() == b"}";
    let insert: &[u8] = if empty { b"\"store\":false" } else { b"\"store\":false," };
    Some([&body[..=open], insert, &body[open + 1..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_stands_first_and_all_else_as_it_was() {
        for (body, asked) in [
            ("{}", "{\"store\":false}"),
            (" { }", " {\"store\":false }"),
            ("{\"a\":1}", "{\"store\":false,\"a\":1}"),
        ] {
            assert_eq!(refused(body.as_bytes()).as_deref(), Some(asked.as_bytes()), "{body}");
        }
        assert_eq!(refused(b"[]"), None);
    }
}

//! The parameters of a query string, one at a time.
//!
//! Names and values are decoded to be judged, and the raw text is kept to be sent on: what we
//! compare and what Google reads must be the same thing, however it was escaped.

use std::borrow::Cow;

use memchr::memchr;
use percent_encoding::percent_decode_str;

use crate::words::cut;

/// One `name=value` of a query string.
#[derive(Clone, Copy)]
pub(crate) struct Param<'q> {
    /// As it stood between two `&`.
    pub(crate) raw: &'q str,
    name: &'q str,
    value: &'q str,
}

impl<'q> Param<'q> {
    fn new(raw: &'q str) -> Self {
        let (name, value) = cut(raw, b'=');
        Param { raw, name, value: value.unwrap_or_default() }
    }

    pub(crate) fn name(&self) -> Cow<'q, str> {
        decode(self.name)
    }

    pub(crate) fn value(&self) -> Cow<'q, str> {
        decode(self.value)
    }

    /// Whether the value is empty, which counts as not given.
    pub(crate) fn is_empty(&self) -> bool {
        self.value.is_empty()
    }
}

/// The parameters of `query` in their order, without the empty ones of `a&&b`.
pub(crate) fn params(query: Option<&str>) -> impl Iterator<Item = Param<'_>> {
    let mut rest = query;
    let raws = std::iter::from_fn(move || {
        let (raw, behind) = cut(rest?, b'&');
        rest = behind;
        Some(raw)
    });
    raws.filter(|raw| !raw.is_empty()).map(Param::new)
}

/// The first parameter of that name which has a value.
pub(crate) fn find<'q>(query: Option<&'q str>, name: &str) -> Option<Cow<'q, str>> {
    params(query).find(|param| !param.is_empty() && param.name() == name).map(|p| p.value())
}

fn decode(text: &str) -> Cow<'_, str> {
    let escaped = memchr(b'%', text.as_bytes()).is_some();
    if escaped { percent_decode_str(text).decode_utf8_lossy() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(query: &str) -> Vec<(String, String)> {
        params(Some(query)).map(|p| (p.name().into_owned(), p.value().into_owned())).collect()
    }

    #[test]
    fn names_and_values_are_decoded_in_order() {
        let read = pairs("a=1&%6Bey=x%2Dy&&flag&b=c=d");

        let expected = [("a", "1"), ("key", "x-y"), ("flag", ""), ("b", "c=d")];
        assert_eq!(read, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[test]
    fn an_empty_value_is_not_found() {
        assert_eq!(find(Some("key=&key=second"), "key").as_deref(), Some("second"));
        assert_eq!(find(Some("key="), "key"), None);
        assert_eq!(find(None, "key"), None);
    }

    #[test]
    fn bytes_that_are_no_utf8_do_not_panic() {
        assert_eq!(pairs("a=%ff%"), [("a".to_owned(), "\u{fffd}%".to_owned())]);
    }
}

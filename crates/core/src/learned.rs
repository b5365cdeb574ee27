//! What was learned, as text that outlives a restart.
//!
//! A pool that starts anew must not meet again the limits that it knew, nor give away what its
//! contributors usually want. So what it learned is kept: a text a key, and a text a quota, which
//! nobody but the core reads. A line is one fact and begins with the fact's name. Rule: a line that
//! does not read as this version writes it is no fact, and never an error; so older and newer
//! versions can share a store, and nothing that is read can be worse than knowing nothing.

use std::str::{FromStr, SplitN};

use crate::rest::Scope;

/// The words of one line, read in their order.
pub(crate) struct Words<'t>(SplitN<'t, char>);

impl<'t> Words<'t> {
    /// The words of a line that begins with this one and has so many behind it; the last of them
    /// is whatever is left of the line.
    pub(crate) fn of(line: &'t str, name: &str, count: usize) -> Option<Words<'t>> {
        let mut words = line.splitn(count + 1, ' ');
        (words.next() == Some(name)).then_some(Words(words))
    }

    pub(crate) fn word(&mut self) -> Option<&'t str> {
        self.0.next()
    }

    pub(crate) fn number<T: FromStr>(&mut self) -> Option<T> {
        self.word()?.parse().ok()
    }

    /// So many numbers, joined by commas.
    pub(crate) fn list<T: FromStr + Copy + Default, const N: usize>(&mut self) -> Option<[T; N]> {
        list(self.word()?)
    }

    /// A lane's scope, which is the last word.
    pub(crate) fn lane(&mut self) -> Option<Scope> {
        Scope::parse(self.word()?).filter(|scope| matches!(scope, Scope::Lane { .. }))
    }
}

/// Reads what [`joined`] wrote.
pub(crate) fn list<T: FromStr + Copy + Default, const N: usize>(text: &str) -> Option<[T; N]> {
    let mut read = [T::default(); N];
    let mut parts = text.split(',');
    for place in &mut read {
        *place = parts.next()?.parse().ok()?;
    }
    parts.next().is_none().then_some(read)
}

/// Numbers joined by commas.
pub(crate) fn joined<T: ToString>(numbers: &[T]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Whether a number that was read can be an amount.
pub(crate) fn is_amount(number: f32) -> bool {
    (0.0..=LARGEST_AMOUNT).contains(&number)
}

/// Lines as one text, as many of them as the store takes; those that count most come first.
pub(crate) fn text(lines: impl Iterator<Item = String>) -> Box<str> {
    let mut text = String::new();
    for line in lines {
        if text.len() + line.len() < MAX_TEXT {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text.into()
}

/// Squares of what a day can bring stay below it.
const LARGEST_AMOUNT: f32 = 1e20;
/// Accounts kept of one key, those used last: more than the models and kinds of call that somebody
/// uses within a few days, and few enough that a batch of two hundred keys' fits what D1 takes.
pub(crate) const MAX_ACCOUNTS: usize = 24;
/// Bytes of a text: what the schema allows.
const MAX_TEXT: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_whole_or_not_at_all() {
        assert_eq!(list::<u32, 3>(&joined(&[1, 2, 3])), Some([1, 2, 3]));
        for text in ["", "1,2", "1,2,3,4", "1,2,x", "1,2,", "1,2,-3"] {
            assert_eq!(list::<u32, 3>(text), None, "{text}");
        }
    }

    #[test]
    fn a_line_that_finds_no_room_is_left_out() {
        let long = |letter: &str| letter.repeat(MAX_TEXT / 2);
        let lines = [long("a"), long("b"), "c".to_owned()];
        let text = text(lines.into_iter());
        assert!(text.len() <= MAX_TEXT && text.ends_with("a\nc\n"));
    }

    #[test]
    fn no_amount_is_endless_negative_or_nothing() {
        assert!(is_amount(0.0) && is_amount(2.5e9));
        for odd in [f32::NAN, f32::INFINITY, -1.0] {
            assert!(!is_amount(odd));
        }
    }

    #[test]
    fn the_last_word_is_the_rest_of_the_line() {
        let line = "account 7 lane/generate//an odd model";
        let mut words = Words::of(line, "account", 2).unwrap_or_else(|| unreachable!());
        assert_eq!(words.number::<u32>(), Some(7));
        assert_eq!(words.lane().map(|scope| scope.to_string()).as_deref(), line.get(10..));
        assert!(Words::of(line, "project", 2).is_none());
    }
}

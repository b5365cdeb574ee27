//! Durations as Google writes them: `38s`, `38.909s`, `1h2m`.

use std::time::Duration;

/// Nothing Google counts lasts longer than a month.
const LONGEST: Duration = Duration::from_secs(31 * 24 * 3600);

/// Reads a duration; `None` if anything else stands in it.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut sum = (!rest.is_empty()).then_some(0.0)?;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        sum += number.parse::<f64>().ok()? * seconds(unit)?;
        rest = tail;
    }
    Duration::try_from_secs_f64(sum).ok().map(|delay| delay.min(LONGEST))
}

fn seconds(unit: &str) -> Option<f64> {
    match unit {
        "ns" => Some(1e-9),
        "us" => Some(1e-6),
        "ms" => Some(1e-3),
        "s" => Some(1.0),
        "m" => Some(60.0),
        "h" => Some(3600.0),
        _ => None,
    }
}

/// `Please retry in 38.9s.` at the end of a message.
pub(super) fn in_message(message: &str) -> Option<Duration> {
    let (_, rest) = message.rsplit_once("Please retry in ")?;
    let word = rest.split_whitespace().next()?;
    parse(word.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_google_writes_them() {
        let cases = [
            ("38s", Some(38_000)),
            ("38.9s", Some(38_900)),
            ("0s", Some(0)),
            ("250ms", Some(250)),
            ("2m", Some(120_000)),
            ("1h2m3.5s", Some(3_723_500)),
            ("9999999999h", Some(LONGEST.as_millis())),
            ("", None),
            ("38", None),
            ("s", None),
            ("-3s", None),
            ("1.2.3s", None),
            ("3 s", None),
            ("soon", None),
        ];
        for (text, millis) in cases {
            assert_eq!(parse(text).map(|delay| delay.as_millis()), millis, "{text}");
        }
        assert_eq!(in_message("x\nPlease retry in 10.673410956s."), parse("10.673410956s"));
        assert_eq!(in_message("Please retry in 500ms. Thank you."), parse("500ms"));
        assert_eq!(in_message("Please retry later."), None);
    }
}

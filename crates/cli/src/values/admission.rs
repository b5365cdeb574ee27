//! Values about who may come: modes, limits and when something expires.

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use potluck_server::settings::Admission;

use super::Parsed;

/// When something expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// Never.
    Never,
    /// So long after now.
    After(SignedDuration),
    /// Then.
    At(Timestamp),
}

impl Expiry {
    /// The moment, as the server reads it.
    pub fn moment(self) -> Option<String> {
        match self {
            Expiry::Never => None,
            Expiry::After(time) => Timestamp::now().checked_add(time).ok().map(|at| at.to_string()),
            Expiry::At(at) => Some(at.to_string()),
        }
    }
}

/// Whose unknown keys are taken.
pub fn admission(text: &str) -> Parsed<Admission> {
    match text {
        "open" => Ok(Admission::Open),
        "invite" => Ok(Admission::Invite),
        "closed" => Ok(Admission::Closed),
        _ => Err("needs open, invite or closed".to_owned()),
    }
}

/// When something expires: so long after now, at a moment, or `none`.
pub fn expiry(text: &str) -> Parsed<Expiry> {
    const EXPIRY: &str = "needs a time such as 12h or 30d, a moment such as \
                          2027-01-31T12:00:00Z, or none";
    if text == "none" {
        return Ok(Expiry::Never);
    }
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u16>().ok());
    let after = match days {
        Some(days) => Some(SignedDuration::from_hours(24 * i64::from(days))),
        None => SignedDuration::from_str(text).ok(),
    };
    match after.filter(SignedDuration::is_positive) {
        Some(after) => Ok(Expiry::After(after)),
        None => text.parse().map(Expiry::At).map_err(|_| EXPIRY.to_owned()),
    }
}

/// A number from one up.
pub fn some_number(text: &str) -> Parsed<u32> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "needs a number from 1 up".to_owned())
}

/// A number from one up, or `none` for no limit.
pub fn number_or_none(text: &str) -> Parsed<Option<u32>> {
    if text == "none" {
        return Ok(None);
    }
    some_number(text).map(Some).map_err(|phrase| format!("{phrase}, or none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_write_them() {
        let after = |hours| Some(Expiry::After(SignedDuration::from_hours(hours)));
        let at = Timestamp::from_second(1_801_396_800).map(Expiry::At).ok();
        let table = [
            ("12h", after(12)),
            ("30d", after(720)),
            ("none", Some(Expiry::Never)),
            ("2027-01-31T12:00:00Z", at),
            ("0d", None),
            ("-1h", None),
            ("99999d", None),
            ("tomorrow", None),
            ("2027-01-31", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(expiry(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_limit_is_a_number_or_none() {
        let table = [("1", Some(Some(1))), ("none", Some(None)), ("0", None), ("-", None)];
        for (text, expected) in table {
            assert_eq!(number_or_none(text).ok(), expected, "{text}");
        }
        let modes = ["open", "invite", "closed"].map(|text| admission(text).map(Admission::name));
        assert_eq!(modes, [Ok("open"), Ok("invite"), Ok("closed")]);
        assert!(admission("shut").is_err());
    }
}

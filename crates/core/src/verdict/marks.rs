//! Messages that are marks: for the errors to which Google attaches nothing else.
//!
//! A message counts only whole, and only with the status it belongs to. Where Google varies a part
//! of it, the fixed parts must enclose that part, or begin the message, and the varying part is
//! held to an alphabet without quotes, braces and line breaks: too little for a caller's words to
//! pose as Google's. The three varying marks need a 404 or 429 besides, none of which Google words
//! after a request's fields, and reach no further than one model or some hours.
//!
//! A Live socket's close frame has a code, not a status, and cuts its reason at 123 bytes: there
//! the status counts for nothing, and a cut mark is a mark.

use super::{Stage, Verdict};
use crate::key::Reason;

/// The verdict that the whole message is a mark of.
pub(super) fn find(message: &str, status: u16, stage: Stage) -> Option<Verdict> {
    let closed = stage == Stage::Close;
    let fits = |mark: &&Mark| closed || mark.statuses.contains(&status);
    let row = MARKS.iter().filter(fits).find(|mark| mark.text.is(message, closed))?;
    Some(row.verdict)
}

struct Mark {
    statuses: &'static [u16],
    text: Text,
    verdict: Verdict,
}

enum Text {
    /// The whole message.
    Whole(&'static str),
    /// A beginning, then a sentence or two of plain words and links.
    Begins(&'static str),
    /// A model's name between two fixed parts, then nothing or the advice to use another.
    Model(&'static str, &'static str),
}

impl Text {
    fn is(&self, message: &str, may_be_cut: bool) -> bool {
        match *self {
            Text::Whole(text) => message == text || may_be_cut && is_cut_of(message, text),
            Text::Begins(start) => message.strip_prefix(start).is_some_and(is_plain_tail),
            Text::Model(before, after) => is_about_model(message, before, after),
        }
    }
}

/// Whether a close reason is this mark, cut where frames end.
fn is_cut_of(reason: &str, text: &str) -> bool {
    reason.len() >= CUT_AT && text.starts_with(reason)
}

fn is_plain_tail(tail: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" .,:;/?&=%#_-()".contains(&byte);
    tail.len() <= LONGEST_TAIL
        && (tail.is_empty() || tail.starts_with(' '))
        && tail.bytes().all(plain)
}

fn is_about_model(message: &str, before: &str, after: &str) -> bool {
    let Some(rest) = message.strip_prefix(before) else { return false };
    let named = rest.find(|c: char| !is_name_char(c)).unwrap_or(rest.len());
    if named == 0 || named > LONGEST_NAME {
        return false;
    }
    rest[named..].strip_prefix(after).is_some_and(|advice| {
        let other = advice.strip_prefix(ADVICE.0).and_then(|other| other.strip_suffix(ADVICE.1));
        let words = |text: &str| text.chars().all(|c| is_name_char(c) || c == ' ' || c == '/');
        advice.is_empty() || other.is_some_and(|text| text.len() <= LONGEST_NAME && words(text))
    })
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

const MARKS: &[Mark] = &[
    Mark {
        statuses: &[403],
        text: Text::Whole("Your API key was reported as leaked. Please use another API key."),
        verdict: Verdict::PerhapsDead(Reason::Leaked),
    },
    Mark {
        statuses: &[403],
        text: Text::Whole("Your project has been denied access. Please contact support."),
        verdict: Verdict::PerhapsDead(Reason::Denied),
    },
    Mark {
        statuses: &[400],
        text: Text::Whole("API key not valid. Please pass a valid API key."),
        verdict: Verdict::PerhapsDead(Reason::Invalid),
    },
    Mark {
        statuses: &[400],
        text: Text::Whole("API key expired. Please renew the API key."),
        verdict: Verdict::PerhapsDead(Reason::Invalid),
    },
    Mark {
        statuses: &[400],
        text: Text::Whole("API Key not found. Please pass a valid API key."),
        verdict: Verdict::PerhapsDead(Reason::Invalid),
    },
    Mark {
        statuses: &[400],
        text: Text::Whole("Please pass a valid API key"),
        verdict: Verdict::PerhapsDead(Reason::Invalid),
    },
    Mark {
        statuses: &[400],
        text: Text::Whole("Please pass a valid API key."),
        verdict: Verdict::PerhapsDead(Reason::Invalid),
    },
    Mark {
        statuses: &[403],
        text: Text::Whole("The caller does not have permission"),
        verdict: Verdict::Unclear,
    },
    Mark {
        statuses: &[400],
        text: Text::Whole("User location is not supported for the API use."),
        verdict: Verdict::OurPlace,
    },
    Mark {
        statuses: &[400],
        text: Text::Whole(
            "Gemini API free tier is not available in your country. Please enable billing on \
             your project in Google AI Studio.",
        ),
        verdict: Verdict::Billing,
    },
    Mark {
        statuses: &[400],
        text: Text::Whole("Corrupted thought signature."),
        verdict: Verdict::Signature,
    },
    Mark {
        statuses: &[400],
        text: Text::Whole("Invalid thought signature."),
        verdict: Verdict::Signature,
    },
    Mark {
        statuses: &[400],
        text: Text::Whole("Thought signature is not valid"),
        verdict: Verdict::Signature,
    },
    Mark {
        statuses: &[400, 404],
        text: Text::Model("This model models/", " is no longer available to new users."),
        verdict: Verdict::ModelClosed,
    },
    Mark {
        statuses: &[429],
        text: Text::Whole("Resource has been exhausted (e.g. check quota)."),
        verdict: Verdict::Unnamed,
    },
    Mark {
        statuses: &[429],
        text: Text::Whole(
            "You exceeded your current quota, please check your plan and billing details. For \
             more information on this error, head to: \
             https://ai.google.dev/gemini-api/docs/rate-limits.",
        ),
        verdict: Verdict::Unnamed,
    },
    Mark {
        statuses: &[429],
        text: Text::Begins("Resource exhausted. Please try again later."),
        verdict: Verdict::Trouble,
    },
    Mark {
        statuses: &[429],
        text: Text::Begins("Your prepayment credits are depleted."),
        verdict: Verdict::Billing,
    },
    Mark {
        statuses: &[429],
        text: Text::Begins("Your project has exceeded its monthly spending cap."),
        verdict: Verdict::Billing,
    },
];

/// The advice that may follow a closed model, around the name of another.
const ADVICE: (&str, &str) =
    (" Please update your code to use ", " for the latest features and improvements.");
/// A close reason at least this long may have been cut; the limit is 123 bytes.
const CUT_AT: usize = 110;
/// Google's longest known tail has some hundred bytes.
const LONGEST_TAIL: usize = 300;
/// Google's longest model names have some fifty bytes; advice may name one in a few words.
const LONGEST_NAME: usize = 96;

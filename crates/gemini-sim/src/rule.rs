//! Answers by script and faults on demand: "the next N calls that look like this meet that".

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Something that happens to calls.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which calls; absent: all.
    #[serde(default)]
    pub when: When,
    /// So many matching calls pass first.
    #[serde(default)]
    pub skip: u64,
    /// To how many calls it happens; absent: until removed.
    #[serde(default)]
    pub times: Option<u64>,
    /// What happens.
    #[serde(rename = "do")]
    pub act: Act,
}

impl Rule {
    /// Happens to every call until removed.
    #[must_use]
    pub fn always(act: Act) -> Self {
        Self { when: When::default(), skip: 0, times: None, act }
    }

    /// Happens to the next calls.
    #[must_use]
    pub fn next(times: u64, act: Act) -> Self {
        Self { times: Some(times), ..Self::always(act) }
    }

    /// Only to calls with this key.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.when.key = Some(key.into());
        self
    }

    /// Only to calls of this model.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.when.model = Some(model.into());
        self
    }

    /// Only to calls whose path contains this.
    #[must_use]
    pub fn path(mut self, part: impl Into<String>) -> Self {
        self.when.path = Some(part.into());
        self
    }
}

/// Which calls a rule is for. Every field given must agree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct When {
    /// The key shown, whole.
    pub key: Option<String>,
    /// The model asked for, without `models/`.
    pub model: Option<String>,
    /// A part of the path.
    pub path: Option<String>,
    /// The HTTP method.
    pub method: Option<String>,
}

impl When {
    /// True when the call is one of these.
    #[must_use]
    pub fn fits(&self, key: Option<&str>, model: Option<&str>, path: &str, method: &str) -> bool {
        let same = |wanted: &Option<String>, got: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| Some(wanted) == got)
        };
        same(&self.key, key)
            && same(&self.model, model)
            && self.path.as_deref().is_none_or(|part| path.contains(part))
            && self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
    }
}

/// What happens to a call. "After" counts events of a stream (of another body: zero is before
/// its first byte, anything else its middle).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// A recorded error, by name.
    Sample(String),
    /// Any status, headers and body; a body that is no string is sent as JSON.
    Answer {
        /// The status.
        status: u16,
        /// Further headers.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// The body.
        #[serde(default)]
        body: Value,
    },
    /// The head comes late.
    SlowHead {
        /// By so many milliseconds.
        ms: u64,
    },
    /// The head never comes.
    StallHead,
    /// The connection ends before the head.
    CutBeforeHead {
        /// By a reset rather than an orderly end.
        #[serde(default)]
        rst: bool,
    },
    /// Each part of the body comes late.
    SlowBody {
        /// By so many milliseconds.
        ms: u64,
    },
    /// The body goes silent for ever.
    StallBody {
        /// After so many events.
        after: usize,
    },
    /// The connection ends within the body.
    CutBody {
        /// After so many events.
        after: usize,
        /// By a reset rather than an orderly end.
        #[serde(default)]
        rst: bool,
    },
    /// The body ends early, but as if it were whole.
    EndBody {
        /// After so many events.
        after: usize,
    },
    /// An error within a stream that began with 200.
    MidStream {
        /// After so many events.
        after: usize,
        /// Which error, by name.
        sample: String,
        /// How it is put.
        #[serde(default)]
        form: Form,
    },
    /// Both `Transfer-Encoding: chunked` and a `Content-Length`.
    BothLengths,
    /// A `Content-Length` larger than what comes.
    LengthTooLong,
    /// A `Content-Length` smaller than what comes; the connection stays open.
    LengthTooShort,
    /// `Transfer-Encoding` that is no encoding.
    StrangeEncoding,
    /// A head of so many kilobytes.
    HeaderBomb {
        /// Kilobytes.
        kb: usize,
    },
    /// So many `100 Continue` before anything else.
    Informational {
        /// How many.
        count: usize,
    },
    /// Says gzip, is not.
    BadGzip,
    /// A whole answer, and then the connection ends without having said that it would.
    SilentClose,
    /// A redirect.
    Redirect {
        /// To where.
        to: String,
        /// With which status.
        #[serde(default = "found")]
        status: u16,
    },
    /// A websocket is closed instead of being set up.
    CloseLive {
        /// The close code.
        code: u16,
        /// The reason.
        reason: String,
    },
    /// A websocket is closed in the middle of a turn.
    CloseLiveTurn {
        /// The close code.
        code: u16,
        /// The reason.
        reason: String,
    },
}

fn found() -> u16 {
    302
}

/// How an error within a stream is put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A bare, pretty-printed JSON object, as Google does.
    #[default]
    Bare,
    /// `data: {"error":…}`.
    Data,
    /// `data: [{"error":…}]`.
    Array,
}

impl Act {
    /// True for what happens in a websocket rather than to its opening.
    #[must_use]
    pub fn within_socket(&self) -> bool {
        self.socket_only()
            || matches!(self, Self::Sample(_) | Self::CutBody { .. } | Self::StallBody { .. })
    }

    /// True for what can happen to a websocket only.
    #[must_use]
    pub fn socket_only(&self) -> bool {
        matches!(self, Self::CloseLive { .. } | Self::CloseLiveTurn { .. })
    }

    /// A name for the log.
    #[must_use]
    pub fn name(&self) -> String {
        match serde_json::to_value(self) {
            Ok(Value::String(name)) => name,
            Ok(Value::Object(fields)) => fields.keys().next().cloned().unwrap_or_default(),
            _ => String::new(),
        }
    }
}

/// The rules in force.
#[derive(Debug, Default)]
pub struct Rules {
    list: Vec<(u64, Rule)>,
    next_id: u64,
}

impl Rules {
    /// Adds a rule; it comes after those that are there. The number removes it again.
    pub fn add(&mut self, rule: Rule) -> u64 {
        self.next_id += 1;
        self.list.push((self.next_id, rule));
        self.next_id
    }

    /// Removes one rule.
    pub fn remove(&mut self, id: u64) -> bool {
        let before = self.list.len();
        self.list.retain(|(known, _)| *known != id);
        self.list.len() < before
    }

    /// Removes all rules.
    pub fn clear(&mut self) {
        self.list.clear();
    }

    /// The rules in force, with their numbers.
    #[must_use]
    pub fn list(&self) -> &[(u64, Rule)] {
        &self.list
    }

    /// What happens to this call: the first rule that fits and is not used up.
    pub fn take(
        &mut self,
        key: Option<&str>,
        model: Option<&str>,
        path: &str,
        method: &str,
    ) -> Option<Act> {
        self.take_if(key, model, path, method, |act| !act.socket_only())
    }

    /// The same, of those acts only.
    pub fn take_if(
        &mut self,
        key: Option<&str>,
        model: Option<&str>,
        path: &str,
        method: &str,
        wanted: impl Fn(&Act) -> bool,
    ) -> Option<Act> {
        let at = self.list.iter_mut().position(|(_, rule)| {
            if !wanted(&rule.act) || !rule.when.fits(key, model, path, method) {
                return false;
            }
            let due = rule.skip == 0;
            rule.skip = rule.skip.saturating_sub(1);
            due
        })?;
        let (_, rule) = self.list.get_mut(at)?;
        let act = rule.act.clone();
        if let Some(times) = &mut rule.times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                self.list.remove(at);
            }
        }
        Some(act)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_rule_happens_as_often_as_it_says_and_to_whom_it_says() {
        let mut rules = Rules::default();
        rules.add(Rule { skip: 1, ..Rule::next(2, Act::StallHead).key("K") });
        let mut take = |key| rules.take(Some(key), None, "/", "GET").is_some();

        assert!(!take("other"));
        assert_eq!([take("K"), take("K"), take("K"), take("K")], [false, true, true, false]);
    }

    #[test]
    fn rules_read_as_the_manual_writes_them() {
        for text in [
            r#"{"do":"stall_head"}"#,
            r#"{"times":3,"when":{"model":"m"},"do":{"sample":"high_demand"}}"#,
            r#"{"do":{"cut_body":{"after":2,"rst":true}}}"#,
            r#"{"do":{"mid_stream":{"after":1,"sample":"high_demand","form":"data"}}}"#,
            r#"{"do":{"answer":{"status":418,"body":{"a":1}}}}"#,
        ] {
            serde_json::from_str::<Rule>(text).unwrap();
        }
        assert!(serde_json::from_str::<Rule>(r#"{"wen":{},"do":"stall_head"}"#).is_err());
    }
}

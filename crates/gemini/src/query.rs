//! What of a caller's query goes to Google.
//!
//! An allow-list decides. Credentials are read elsewhere and never travel in a URL; what is
//! unknown is left out, since Google would answer an unknown parameter with an error anyway.
//! Parameters that change what a call *is* (another method, other headers, a script for an answer)
//! are refused rather than dropped: the caller would get something else than asked for.

use std::fmt;

use crate::params::{Param, params};
use crate::route::{Class, Dialect, Route};
use crate::words::cut;

/// What is done with a parameter.
#[derive(Clone, Copy)]
enum Rule {
    /// The form of the answer: passes, and decides how the answer is read.
    Form,
    /// Passes on every route.
    Pass,
    /// A parameter of methods that are never pooled: passes there, is left out elsewhere.
    Own,
    /// Changes the shape of an answer beyond what can be judged: passes, and makes the call own.
    Shape,
    /// Speaks to Google about the caller or the bill: is left out, and makes the call own.
    System,
    /// Is refused.
    Refuse(QueryRefused),
}

/// Every parameter that is known. Refused ones are compared without regard to case.
const RULES: &[(&str, Rule)] = &[
    ("alt", Rule::Form),
    ("$alt", Rule::Form),
    ("prettyPrint", Rule::Pass),
    ("$prettyPrint", Rule::Pass),
    ("pageSize", Rule::Own),
    ("pageToken", Rule::Own),
    ("page_size", Rule::Own),
    ("page_token", Rule::Own),
    ("filter", Rule::Own),
    ("orderBy", Rule::Own),
    ("updateMask", Rule::Own),
    ("force", Rule::Own),
    ("tunedModelId", Rule::Own),
    ("returnPartialSuccess", Rule::Own),
    // Resumable uploads, in the words of today's clients and of older ones.
    ("upload_id", Rule::Own),
    ("upload_protocol", Rule::Own),
    ("uploadType", Rule::Own),
    // Lists and files in OpenAI's dialect.
    ("after", Rule::Own),
    ("before", Rule::Own),
    ("limit", Rule::Own),
    ("order", Rule::Own),
    ("purpose", Rule::Own),
    // Interactions.
    ("stream", Rule::Own),
    ("last_event_id", Rule::Own),
    ("include_input", Rule::Own),
    // Discovery.
    ("version", Rule::Own),
    ("fields", Rule::Shape),
    ("$fields", Rule::Shape),
    ("$.xgafv", Rule::Shape),
    ("quotaUser", Rule::System),
    ("userIp", Rule::System),
    ("userProject", Rule::System),
    ("callback", Rule::Refuse(QueryRefused::Callback)),
    ("$callback", Rule::Refuse(QueryRefused::Callback)),
    ("$httpMethod", Rule::Refuse(QueryRefused::Override)),
    ("httpMethod", Rule::Refuse(QueryRefused::Override)),
    ("_method", Rule::Refuse(QueryRefused::Override)),
    ("x-http-method", Rule::Refuse(QueryRefused::Override)),
    ("x-http-method-override", Rule::Refuse(QueryRefused::Override)),
    ("x-method-override", Rule::Refuse(QueryRefused::Override)),
    ("$httpHeaders", Rule::Refuse(QueryRefused::Override)),
    ("$headers", Rule::Refuse(QueryRefused::Override)),
    ("$ct", Rule::Refuse(QueryRefused::Override)),
    ("$req", Rule::Refuse(QueryRefused::Override)),
];

/// Credentials, which are left out without a word. `$key` and its like would else count as system
/// parameters.
const CREDENTIALS: &[&str] = &["$key", "$access_token", "$oauth_token"];

/// The largest page that Google gives: more models than there are.
const ALL_MODELS: &str = "pageSize=1000";

/// What is left of a query for Google, and what it means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The query to send, without `?`: order and escapes as they came.
    pub text: String,
    /// The query alone makes the call own.
    pub own: bool,
    /// The answer is asked for as an event stream.
    pub sse: bool,
}

/// Why a request is refused for its query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueryRefused {
    /// The answer would be a script.
    Callback,
    /// The query would change the method, the headers or the body.
    Override,
    /// A byte that must not stand in a query.
    Byte,
}

impl fmt::Display for QueryRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            QueryRefused::Callback => "answers are not served as scripts: leave `callback` out",
            QueryRefused::Override => "the query must not override the method or the headers",
            QueryRefused::Byte => "the query has a byte that does not belong into one",
        })
    }
}

impl std::error::Error for QueryRefused {}

/// Reads a query for the route it came with.
pub fn query(route: &Route<'_>, query: Option<&str>) -> Result<Query, QueryRefused> {
    let mut read = Query::default();
    let mut forms = Forms::default();
    for param in params(query) {
        match rule(&param.name()) {
            Some(Rule::Form) => {
                forms.add(&param.value());
                read.keep(param)?;
            }
            Some(Rule::Pass) => read.keep(param)?,
            Some(Rule::Own) if route.class != Class::Pooled => read.keep(param)?,
            Some(Rule::Shape) => {
                read.own = true;
                read.keep(param)?;
            }
            Some(Rule::System) => read.own = true,
            Some(Rule::Refuse(why)) => return Err(why),
            Some(Rule::Own) | None => {}
        }
    }
    read.own |= forms.odd();
    read.sse = forms.sse && !forms.odd();
    Ok(read)
}

impl Query {
    /// Asks for a list of models as a whole: any key's will do, but the pages of one hold together only
    /// with the same key. False where a page that follows another is asked for.
    pub fn ask_whole(&mut self, route: &Route<'_>) -> bool {
        let named = |names: [&str; 2]| {
            params(Some(&self.text)).any(|param| names.contains(&&*param.name()))
        };
        if named(["pageToken", "page_token"]) {
            return false;
        }
        let lists = route.dialect == Dialect::Native && route.path.ends_with("/models");
        if lists && !named(["pageSize", "page_size"]) {
            let mark = if self.text.is_empty() { "" } else { "&" };
            self.text.push_str(mark);
            self.text.push_str(ALL_MODELS);
        }
        true
    }

    fn keep(&mut self, param: Param<'_>) -> Result<(), QueryRefused> {
        if !param.raw.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(QueryRefused::Byte);
        }
        if !self.text.is_empty() {
            self.text.push('&');
        }
        self.text.push_str(param.raw);
        Ok(())
    }
}

/// The forms of answer that a query asks for; more than one kind is odd, and so is an unknown one.
#[derive(Default)]
struct Forms {
    json: bool,
    sse: bool,
    other: bool,
}

impl Forms {
    /// Adds `json`, `sse`, or one of them with options, as in `json;enum-encoding=int`.
    fn add(&mut self, value: &str) {
        match cut(value, b';').0 {
            "json" => self.json = true,
            "sse" => self.sse = true,
            _ => self.other = true,
        }
    }

    fn odd(&self) -> bool {
        self.other || (self.json && self.sse)
    }
}

fn rule(name: &str) -> Option<Rule> {
    if CREDENTIALS.contains(&name) {
        return None;
    }
    let known = RULES.iter().find(|(known, rule)| match rule {
        Rule::Refuse(_) => known.eq_ignore_ascii_case(name),
        _ => *known == name,
    });
    // System parameters begin with a dollar, or may be written with one.
    known.map(|(_, rule)| *rule).or(name.starts_with('$').then_some(Rule::System))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http::Method;

    use super::*;
    use crate::route::route;

    const POOLED: &str = "/v1beta/models/m:streamGenerateContent";
    const OWN: &str = "/v1beta/cachedContents";

    fn read(path: &str, text: &str) -> Result<Query, QueryRefused> {
        let route = route(&Method::POST, path, Some(text), false).unwrap();
        query(&route, Some(text))
    }

    #[test]
    fn what_is_allowed_keeps_its_order_and_escapes() {
        let cases = [
            (POOLED, "alt=sse", "alt=sse"),
            (POOLED, "%24alt=json%3Benum-encoding%3Dint", "%24alt=json%3Benum-encoding%3Dint"),
            (POOLED, "prettyPrint=false&alt=sse", "prettyPrint=false&alt=sse"),
            (POOLED, "alt=sse&pageSize=3&beta=true&&x", "alt=sse"),
            (OWN, "pageToken=a%2Fb%3D&pageSize=3", "pageToken=a%2Fb%3D&pageSize=3"),
            (OWN, "updateMask=ttl&force=true&unheard=1", "updateMask=ttl&force=true"),
            ("/upload/v1/files", "upload_id=u&potluck_sig=s&potluck_exp=9", "upload_id=u"),
            ("/v1/interactions/i", "stream=true&last_event_id=7", "stream=true&last_event_id=7"),
            (OWN, "", ""),
        ];
        for (path, text, left) in cases {
            assert_eq!(read(path, text).unwrap().text, left, "{path}?{text}");
        }
    }

    #[test]
    fn credentials_are_left_out_without_a_word() {
        for text in [
            "key=AIzaSecret",
            "%6bey=AIzaSecret",
            "KEY=AIzaSecret",
            "$key=AIzaSecret",
            "%24key=AIzaSecret",
            "access_token=ya29.x",
            "$access_token=ya29.x",
            "oauth_token=x",
            "api_key=x",
        ] {
            for path in [POOLED, OWN] {
                assert_eq!(read(path, text), Ok(Query::default()), "{path}?{text}");
            }
        }
    }

    #[test]
    fn what_would_change_the_call_is_refused() {
        let cases = [
            ("callback=f", QueryRefused::Callback),
            ("$callback=f", QueryRefused::Callback),
            ("%63allback=f", QueryRefused::Callback),
            ("CallBack=", QueryRefused::Callback),
            ("$httpMethod=DELETE", QueryRefused::Override),
            ("X-HTTP-Method-Override=DELETE", QueryRefused::Override),
            ("_method=DELETE", QueryRefused::Override),
            ("$httpHeaders=Authorization:x", QueryRefused::Override),
            ("alt=a\u{e9}", QueryRefused::Byte),
            ("alt=a b", QueryRefused::Byte),
            ("alt=sse\r\nhost:x", QueryRefused::Byte),
        ];
        for (text, why) in cases {
            for path in [POOLED, OWN] {
                assert_eq!(read(path, text), Err(why), "{path}?{text:?}");
            }
        }
    }

    #[test]
    fn answers_that_cannot_be_judged_make_a_call_own() {
        let cases = [
            ("fields=candidates", "fields=candidates"),
            ("$fields=candidates&alt=sse", "$fields=candidates&alt=sse"),
            ("$.xgafv=1", "$.xgafv=1"),
            ("alt=media", "alt=media"),
            ("alt=proto", "alt=proto"),
            ("$alt=proto", "$alt=proto"),
            ("alt=", "alt="),
            ("alt=sse&$alt=json", "alt=sse&$alt=json"),
            ("quotaUser=u", ""),
            ("$userProject=p", ""),
            ("$trace=x", ""),
        ];
        for (text, left) in cases {
            let query = read(POOLED, text).unwrap();
            assert_eq!((query.own, &*query.text), (true, left), "{text}");
        }
    }

    #[test]
    fn a_stream_of_events_is_known_by_its_form() {
        let cases = [
            ("alt=sse", true),
            ("%24alt=sse", true),
            ("alt=s%73e", true),
            ("alt=sse&$alt=sse", true),
            ("fields=x&alt=sse", true),
            ("alt=json", false),
            ("alt=sse&alt=json", false),
            ("sse=alt", false),
            ("", false),
        ];
        for (text, sse) in cases {
            assert_eq!(read(POOLED, text).unwrap().sse, sse, "{text}");
        }
    }
}

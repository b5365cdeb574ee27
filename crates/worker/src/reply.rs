//! Answers of our own become responses in this one place.

use http::HeaderMap;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use potluck_edition::pages::{JSON, SVG, TEXT};
use potluck_edition::{front, numbers, problem, usage};
use potluck_gemini::Dialect;
use potluck_gemini::answer::Problem;

/// An answer that is made here, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// What goes before the body.
    pub headers: HeaderMap,
    /// The body, if the status takes one.
    pub body: Option<String>,
}

impl Reply {
    /// A problem, as the caller's dialect writes it.
    pub fn problem(told: &Problem, dialect: Dialect) -> Reply {
        let body = String::from_utf8_lossy(&told.body(dialect)).into_owned();
        Reply { status: told.code, headers: problem::headers(told), body: Some(body) }
    }

    /// A value as JSON.
    pub fn json(value: &serde_json::Value) -> Reply {
        Reply::page(JSON, format!("{value}\n"))
    }

    /// JSON that is written already.
    pub fn json_text(text: String) -> Reply {
        Reply::page(JSON, text)
    }

    /// Numbers for an operator.
    pub fn numbers(told: &serde_json::Value) -> Reply {
        let mut registry = numbers::registry();
        numbers::register(&mut registry, told);
        Reply::page(numbers::TYPE, numbers::text(&registry))
    }

    /// A table of comma-separated values.
    pub fn csv(table: String) -> Reply {
        Reply::page(usage::CSV, table)
    }

    /// A line of text.
    pub fn text(line: &str) -> Reply {
        Reply::page(TEXT, format!("{line}\n"))
    }

    /// A picture.
    pub fn svg(picture: String) -> Reply {
        Reply::page(SVG, picture)
    }

    /// A page for people.
    pub fn front(page: String, headers: HeaderMap) -> Reply {
        Reply::page(front::HTML, page).with(headers)
    }

    /// A style or script of such a page.
    pub fn asset(asset: &front::Asset) -> Reply {
        Reply::page(asset.kind, asset.text.to_owned()).with(front::headers())
    }

    fn with(self, headers: HeaderMap) -> Reply {
        self.with_fields(headers.into_iter().filter_map(|(name, value)| Some((name?, value))))
    }

    /// With further fields.
    pub fn with_fields(
        mut self,
        fields: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    ) -> Reply {
        self.headers.extend(fields);
        self
    }

    /// Done, and there is nothing to say.
    pub fn empty() -> Reply {
        Reply { status: 204, headers: HeaderMap::new(), body: None }
    }

    /// With another status.
    pub fn with_status(self, status: u16) -> Reply {
        Reply { status, ..self }
    }

    /// What is not to be kept by anybody on the way.
    fn page(kind: &'static str, body: String) -> Reply {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Reply { status: 200, headers, body: Some(body) }
    }
}

#[cfg(target_arch = "wasm32")]
mod platform {
    use wasm_bindgen::JsCast as _;
    use web_sys::{Response, ResponseInit};
    use worker::{Headers, console_error};

    use super::*;
    use crate::unfit::Unfit;

    impl Reply {
        /// What is missing, for the caller and for the log.
        pub fn unfit(unfit: &Unfit) -> Reply {
            console_error!("{unfit}");
            Reply::problem(&unfit.problem(), Dialect::Native)
        }

        /// As the platform takes it.
        pub fn response(&self) -> worker::Result<Response> {
            let init = ResponseInit::new();
            init.set_status(self.status);
            init.set_headers(&Headers::from(&self.headers).0);
            Ok(Response::new_with_opt_str_and_init(self.body.as_deref(), &init)?)
        }
    }

    /// The same answer, with headers that can be changed: those of an answer that came in cannot.
    pub fn changeable(answer: &Response) -> worker::Result<Response> {
        let init: &ResponseInit = answer.unchecked_ref();
        Ok(Response::new_with_opt_readable_stream_and_init(answer.body().as_ref(), init)?)
    }
}

#[cfg(target_arch = "wasm32")]
pub use platform::changeable;

#[cfg(test)]
mod tests {
    use potluck_gemini::answer::Reason;

    use super::*;

    #[test]
    fn a_page_is_kept_by_nobody_and_a_problem_says_whether_to_retry() {
        let page = Reply::json(&serde_json::json!({ "a": 1 }));
        assert_eq!((page.status, page.body.as_deref()), (200, Some("{\"a\":1}\n")));
        assert_eq!(page.headers[CACHE_CONTROL], "no-store");
        let problem = Reply::problem(&Problem::new(Reason::UnknownKey), Dialect::Native);
        assert_eq!(problem.status, 404);
        assert_eq!(problem.headers["x-should-retry"], "false");
    }
}

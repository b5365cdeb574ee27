//! Answers of our own become responses in this one place.

use potluck_gemini::Dialect;
use potluck_gemini::answer::Problem;
use web_sys::{Headers, Response, ResponseInit};
use worker::console_error;

use crate::unfit::Unfit;

/// JSON, as Google labels it.
const JSON: &str = "application/json; charset=UTF-8";
/// Words for people.
const TEXT: &str = "text/plain; charset=utf-8";

/// What is missing, for the caller and for the log.
pub fn unfit(unfit: &Unfit) -> worker::Result<Response> {
    console_error!("{unfit}");
    problem(&unfit.problem(), Dialect::Native)
}

/// A problem, as the caller's dialect writes it.
pub fn problem(problem: &Problem, dialect: Dialect) -> worker::Result<Response> {
    let body = problem.body(dialect);
    let response = whole(problem.code, JSON, &String::from_utf8_lossy(&body))?;
    if let Some(seconds) = problem.retry_after_seconds() {
        response.headers().set("retry-after", &seconds.to_string())?;
    }
    if !problem.should_retry {
        // Tells SDKs of OpenAI's making whether trying again makes sense.
        response.headers().set("x-should-retry", "false")?;
    }
    Ok(response)
}

/// A value as JSON.
pub fn json(value: &serde_json::Value) -> worker::Result<Response> {
    whole(200, JSON, &value.to_string())
}

/// A line of text.
pub fn text(code: u16, line: &str) -> worker::Result<Response> {
    whole(code, TEXT, &format!("{line}\n"))
}

fn whole(code: u16, kind: &str, body: &str) -> worker::Result<Response> {
    let headers = Headers::new()?;
    headers.set("content-type", kind)?;
    let init = ResponseInit::new();
    init.set_status(code);
    init.set_headers(&headers);
    Ok(Response::new_with_opt_str_and_init(Some(body), &init)?)
}

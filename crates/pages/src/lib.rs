//! What people look at in a browser, for both editions.
//!
//! Rule: pure, and whole in itself: a page asks nothing of any other host and runs no script that
//! stands in it. The table says everything without one. Numbers come from what `/pool`, `/pool/me`
//! and `/pool/admin` tell, so that no page has any of its own.
//!
//! - [`table`]: the page at `/`; [`still`]: those that hold no numbers; [`language`]: in whose words;
//! - [`asset`]: styles and scripts; [`CSP`]: what a browser is to allow them.

pub mod asset;
pub mod language;
pub mod still;
pub mod table;

/// What a browser may load and do on our pages: what comes from here, and nothing else.
pub const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                       connect-src 'self'; base-uri 'none'; form-action 'none'; \
                       frame-ancestors 'none'";

/// HTML, as it is labelled.
pub const HTML: &str = "text/html; charset=utf-8";

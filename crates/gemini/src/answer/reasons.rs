//! The table of our own errors.

/// Why we answer ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No key was shown.
    NoKey,
    /// Two different keys were shown.
    KeyConflict,
    /// What was shown cannot be a key of the Gemini API.
    NotAKey,
    /// Google refused this key a moment ago.
    KeyRefused,
    /// Too many refused keys from one place.
    TooManyRefused,
    /// The call needs the caller's own key, which cannot be used.
    NeedsOwnKey,
    /// An access token that nobody gave out, or that was revoked.
    UnknownToken,
    /// An access token whose time is over.
    TokenExpired,
    /// An access token that is not for this model.
    TokenModel,
    /// An access token has used what it may.
    TokenLimit,
    /// A key that nobody knows came without an invite.
    NeedsInvite,
    /// Keys that nobody knows are not served.
    Closed,
    /// Every key that could serve the call rests.
    Resting,
    /// What the keys have left is kept for their contributors.
    Reserved,
    /// Every key that was tried is out of quota.
    Exhausted,
    /// The keys that were tried could not serve the call.
    Unserved,
    /// Google could not be reached.
    Upstream,
    /// Google did not answer in time.
    UpstreamTimeout,
    /// Google does not serve our place.
    Place,
    /// An answer broke off.
    Broken,
    /// Google answered with an error that is no JSON.
    Unreadable,
    /// No such path.
    NoRoute,
    /// Not with this method.
    Method,
    /// A part of the request is not passed on.
    Refused,
    /// The body is larger than any that is taken.
    TooLarge,
    /// Too many bodies are being kept.
    Busy,
    /// The caller took too long to send the request.
    TooSlow,
    /// The proxy is about to stop.
    Draining,
    /// The contributor's state could not be written.
    Store,
    /// Only for operators.
    NotAdmin,
    /// Too many wrong tokens from one place.
    TooManyTries,
    /// A page of another site asks in an operator's name.
    CrossSite,
    /// The key is not known here.
    UnknownKey,
    /// There is nothing by this id.
    UnknownId,
    /// A signed URL that is not ours, or has run out.
    BadSignature,
    /// The operator has not finished setting the proxy up.
    Setup,
    /// Something is wrong with the proxy itself.
    Internal,
}

/// A line of the table.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) code: u16,
    pub(super) status: &'static str,
    /// The Interactions API's code for it.
    pub(super) word: &'static str,
    pub(super) should_retry: bool,
    pub(super) message: &'static str,
    pub(super) help: Option<(&'static str, &'static str)>,
}

const GET_A_KEY: Option<(&str, &str)> =
    Some(("Get a Gemini API key", "https://aistudio.google.com/apikey"));

impl Reason {
    /// All of them, in the order of the table.
    pub const ALL: [Reason; 37] = [
        Reason::NoKey,
        Reason::KeyConflict,
        Reason::NotAKey,
        Reason::KeyRefused,
        Reason::TooManyRefused,
        Reason::NeedsOwnKey,
        Reason::UnknownToken,
        Reason::TokenExpired,
        Reason::TokenModel,
        Reason::TokenLimit,
        Reason::NeedsInvite,
        Reason::Closed,
        Reason::Resting,
        Reason::Reserved,
        Reason::Exhausted,
        Reason::Unserved,
        Reason::Upstream,
        Reason::UpstreamTimeout,
        Reason::Place,
        Reason::Broken,
        Reason::Unreadable,
        Reason::NoRoute,
        Reason::Method,
        Reason::Refused,
        Reason::TooLarge,
        Reason::Busy,
        Reason::TooSlow,
        Reason::Draining,
        Reason::Store,
        Reason::NotAdmin,
        Reason::TooManyTries,
        Reason::CrossSite,
        Reason::UnknownKey,
        Reason::UnknownId,
        Reason::BadSignature,
        Reason::Setup,
        Reason::Internal,
    ];

    /// `POOL_…`, as clients see it in `ErrorInfo.reason`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The line of the table.
    pub(super) fn row(self) -> Row {
        match self {
            Reason::NoKey
            | Reason::KeyConflict
            | Reason::NotAKey
            | Reason::KeyRefused
            | Reason::TooManyRefused
            | Reason::NeedsOwnKey
            | Reason::NotAdmin
            | Reason::TooManyTries
            | Reason::CrossSite
            | Reason::UnknownKey
            | Reason::UnknownId
            | Reason::BadSignature => self.about_keys(),
            Reason::UnknownToken
            | Reason::TokenExpired
            | Reason::TokenModel
            | Reason::TokenLimit
            | Reason::NeedsInvite
            | Reason::Closed => self.about_admission(),
            Reason::Resting
            | Reason::Reserved
            | Reason::Exhausted
            | Reason::Unserved
            | Reason::Upstream
            | Reason::UpstreamTimeout
            | Reason::Place
            | Reason::Broken
            | Reason::Unreadable => self.about_upstream(),
            _ => self.about_requests(),
        }
    }

    #[rustfmt::skip]
    fn about_keys(self) -> Row {
        match self {
            Reason::NoKey => Row { help: GET_A_KEY, ..row("POOL_NO_KEY", 403, "permission_denied",
                "Method doesn't allow unregistered callers (callers without established identity). \
                 Please use API Key or other form of API consumer identity to call this API.") },
            Reason::KeyConflict => row("POOL_KEY_CONFLICT", 400, "invalid_request",
                "Two different credentials came with this request, and which one is meant cannot \
                 be told. Send one API key, in one place."),
            Reason::NotAKey => Row { help: GET_A_KEY, ..row("POOL_NOT_A_KEY", 400, "authentication",
                "API key not valid. Please pass a valid API key. What was sent cannot be a Gemini \
                 API key by its form, so it was not passed on.") },
            Reason::KeyRefused => Row { help: GET_A_KEY, ..row("POOL_KEY_REFUSED", 400, "authentication",
                "API key not valid. Please pass a valid API key. Google refused this key a moment \
                 ago, and it is not asked again yet.") },
            Reason::TooManyRefused => again("POOL_TOO_MANY_REFUSED", 429, "rate_limit_exceeded",
                "Too many API keys that Google refuses have come from your network lately. \
                 Keys that work are not affected."),
            Reason::NeedsOwnKey => row("POOL_NEEDS_OWN_KEY", 403, "permission_denied",
                "This call points at something that belongs to one project, so only your own key \
                 can serve it, and your own key cannot be used now."),
            Reason::NotAdmin => row("POOL_NOT_ADMIN", 401, "authentication",
                "This is for operators. Send the admin token as a Bearer token."),
            Reason::TooManyTries => again("POOL_TOO_MANY_TRIES", 429, "rate_limit_exceeded",
                "Too many wrong admin tokens have come from your network. Wait a minute, and look \
                 the token up where the operator keeps it."),
            Reason::CrossSite => row("POOL_CROSS_SITE", 403, "permission_denied",
                "A page of another site has sent this. Changes are taken from this server's own \
                 pages, and from programs that are no browser."),
            Reason::UnknownKey => row("POOL_UNKNOWN_KEY", 404, "not_found",
                "This key is not in the pool. It joins with its first successful call."),
            Reason::UnknownId => row("POOL_UNKNOWN_ID", 404, "not_found",
                "There is nothing here by this id; it may have been taken back."),
            _ => row("POOL_BAD_SIGNATURE", 403, "permission_denied",
                "This upload URL was not given out here, or it has run out. Start the upload again."),
        }
    }

    #[rustfmt::skip]
    fn about_admission(self) -> Row {
        match self {
            Reason::UnknownToken => row("POOL_UNKNOWN_TOKEN", 401, "authentication",
                "This access token is not known here: it was revoked, or never given out. Ask whoever \
                 runs this proxy for another one."),
            Reason::TokenExpired => row("POOL_TOKEN_EXPIRED", 401, "authentication",
                "This access token has expired. Ask whoever runs this proxy for another one."),
            Reason::TokenModel => row("POOL_TOKEN_MODEL", 403, "permission_denied",
                "This access token is not for this model."),
            Reason::TokenLimit => again("POOL_TOKEN_LIMIT", 429, "rate_limit_exceeded",
                "This access token has used what it may for now; others are not affected."),
            Reason::NeedsInvite => row("POOL_NEEDS_INVITE", 403, "permission_denied",
                "This pool is open to invited keys alone, and it does not know yours. Ask whoever runs \
                 it for an invite code, and send it once beside your key, in the header \
                 x-potluck-invite."),
            _ => row("POOL_CLOSED", 403, "permission_denied",
                "This pool takes no new keys, and it does not know yours. Ask whoever runs it to add \
                 it, or for an access token."),
        }
    }

    #[rustfmt::skip]
    fn about_upstream(self) -> Row {
        match self {
            Reason::Resting => again("POOL_RESTING", 429, "rate_limit_exceeded",
                "Every key of the pool that could serve this model rests until its quota is back."),
            Reason::Reserved => again("POOL_RESERVED", 429, "rate_limit_exceeded",
                "You have used what your own key alone would have served, and what is left over for \
                 this model; the rest of today's quota is kept for the others who share it."),
            Reason::Exhausted => again("POOL_EXHAUSTED", 429, "rate_limit_exceeded",
                "Several keys of the pool were tried, and all are out of quota for this model."),
            Reason::Unserved => again("POOL_UNSERVED", 503, "service_unavailable",
                "Several keys of the pool were tried, and none could serve this call. Your own key \
                 is not at fault."),
            Reason::Upstream => again("POOL_UPSTREAM", 502, "service_unavailable",
                "Google's API could not be reached, or closed the connection without an answer."),
            Reason::UpstreamTimeout => again("POOL_UPSTREAM_TIMEOUT", 504, "deadline_exceeded",
                "Google's API did not answer in the time that was set."),
            Reason::Place => row("POOL_PLACE", 503, "service_unavailable",
                "Google does not serve requests from where this proxy stands. No key can change \
                 that; its operator has been told."),
            Reason::Broken => again("POOL_BROKEN_STREAM", 502, "service_unavailable",
                "The answer broke off before its end. What came so far is not complete; send the \
                 request again."),
            _ => row("POOL_UPSTREAM_UNREADABLE", 502, "api_error",
                "Google answered with an error that is not in the form of its API."),
        }
    }

    #[rustfmt::skip]
    fn about_requests(self) -> Row {
        match self {
            Reason::NoRoute => row("POOL_NO_ROUTE", 404, "not_found",
                "There is nothing at this path. The Gemini API is served under /v1beta/models/…, its \
                 OpenAI-compatible form under /v1beta/openai/."),
            Reason::Method => row("POOL_METHOD", 405, "invalid_request",
                "This path does not take this method."),
            Reason::Refused => row("POOL_REFUSED", 400, "invalid_request",
                "A part of this request is not passed on."),
            Reason::TooLarge => row("POOL_TOO_LARGE", 413, "invalid_request",
                "The body is larger than any that Google takes in one piece. Upload large files with \
                 the Files API."),
            Reason::Busy => again("POOL_BUSY", 503, "service_unavailable",
                "The proxy holds as many large requests as it can just now."),
            Reason::TooSlow => again("POOL_TOO_SLOW", 408, "deadline_exceeded",
                "The request did not arrive in the time that was set."),
            Reason::Draining => again("POOL_DRAINING", 503, "service_unavailable",
                "The proxy is restarting. Send the request again."),
            Reason::Store => again("POOL_STORE", 503, "service_unavailable",
                "The change could not be written down, so it was not made."),
            Reason::Setup => row("POOL_SETUP", 503, "service_unavailable",
                "The proxy is not set up yet; its operator can read in its log what is missing."),
            _ => again("POOL_INTERNAL", 500, "api_error",
                "Something went wrong in the proxy itself."),
        }
    }
}

/// An error that a retry does not help against.
fn row(name: &'static str, code: u16, word: &'static str, message: &'static str) -> Row {
    let status = super::status_name(code);
    Row { name, code, status, word, should_retry: false, message, help: None }
}

/// An error that passes.
fn again(name: &'static str, code: u16, word: &'static str, message: &'static str) -> Row {
    Row { should_retry: true, ..row(name, code, word, message) }
}

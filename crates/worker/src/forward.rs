//! One call's way to Google and back: attempts, until one answer goes to the caller.
//!
//! Rule: every decision is the pool's (which key, whether again, what the caller may read); this
//! only carries it out. A 2xx head commits; before it, nothing has reached the caller.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use js_sys::Uint8Array;
use potluck_core::{After, Call, Refusal, Way};
use potluck_edition::marks::KeyMark;
use potluck_edition::problem;
use potluck_gemini::answer::{Problem, Reason};
use potluck_gemini::failure;
use potluck_gemini::{ApiKey, redact};
use wasm_bindgen::JsValue;
use worker::{Delay, console_warn};

use crate::asked::{Asked, Credential};
use crate::hand::Hand;
use crate::lease::Lease;
use crate::line::{LentSaid, OutcomeSaid, StepSaid};
use crate::memory;
use crate::platform::{self, Answer, AnswerBody, Asking};
use crate::region;

/// How much of an error is read. Google's take a few KiB; what is larger is no error of Google's.
pub const MAX_ERROR: usize = 64 << 10;

/// A connection that was closed before it was used says so within this time.
const CLOSED_BEFORE: Duration = Duration::from_secs(1);

/// One call, ready to go.
pub struct Job<'a> {
    /// The request.
    pub asked: &'a Asked<'a>,
    /// What the pool must know of it.
    pub call: Call<'a>,
    /// The key that the caller showed.
    pub key: &'a Rc<ApiKey>,
    /// The body.
    pub body: Body,
}

/// A body, and whether it can be sent twice.
pub enum Body {
    /// Bytes, or nothing at all.
    Kept(JsValue),
    /// A stream; gone once sent.
    Once(Cell<JsValue>),
}

/// The answer that goes to the caller.
pub struct Answered {
    /// Google's status.
    pub status: u16,
    /// Google's fields, as they came.
    pub fields: HeaderMap,
    /// The body.
    pub body: AnsweredBody,
    /// The exchange, open until the body has gone.
    pub lease: Lease,
    /// What became of the caller's key.
    pub mark: KeyMark,
    /// The key that served.
    pub used: Rc<ApiKey>,
}

/// Whether an answer's body may still change.
pub enum AnsweredBody {
    /// Google's, byte for byte.
    Upstream(AnswerBody),
    /// Written anew: an error without anybody's key in it, or an answer with URLs of ours.
    Rewritten(Vec<u8>),
}

/// No answer of Google's goes to the caller; this does.
pub struct Refused {
    /// What to say.
    pub problem: Problem,
    /// Attempts that were made.
    pub attempts: u8,
    /// What became of the caller's key.
    pub mark: KeyMark,
}

impl Body {
    /// A stream.
    pub fn once(stream: JsValue) -> Body {
        if stream.is_null() || stream.is_undefined() {
            return Body::Kept(JsValue::UNDEFINED);
        }
        Body::Once(Cell::new(stream))
    }

    fn take(&self) -> Option<JsValue> {
        match self {
            Body::Kept(bytes) => Some(bytes.clone()),
            Body::Once(stream) => {
                Some(stream.replace(JsValue::UNDEFINED)).filter(|stream| !stream.is_undefined())
            }
        }
    }

    fn is_kept(&self) -> bool {
        matches!(self, Body::Kept(_))
    }
}

/// Carries a call out.
pub async fn run(hand: &Rc<Hand>, job: &Job<'_>) -> Result<Answered, Refused> {
    let (lease, mut step) = Lease::begin(hand, &job.call).await;
    let mark = if lease.bearer_is_known() { KeyMark::Known } else { KeyMark::NotStored };
    let mut run = Run { hand, job, lease, mark };
    loop {
        let tried = match step {
            StepSaid::Bearer { number } => {
                run.lease.tries(number, None);
                run.attempt(Rc::clone(job.key), true).await
            }
            StepSaid::Key { number, key } => run.attempt_lent(number, &key).await,
            StepSaid::Wait(milliseconds) => {
                Delay::from(Duration::from_millis(milliseconds)).await;
                Ok(None)
            }
            StepSaid::Refuse(refusal) => Err(problem::of_refusal(refusal, job.call.model)),
        };
        match tried {
            Ok(Some((status, fields, body, used))) => {
                let Run { lease, mark, .. } = run;
                return Ok(Answered { status, fields, body, lease, mark, used });
            }
            Ok(None) => step = run.lease.next().await,
            Err(problem) => return Err(run.refused(problem)),
        }
    }
}

struct Run<'j> {
    hand: &'j Rc<Hand>,
    job: &'j Job<'j>,
    lease: Lease,
    mark: KeyMark,
}

type Given = (u16, HeaderMap, AnsweredBody, Rc<ApiKey>);
/// `None`: the pool wants another attempt.
type Tried = Result<Option<Given>, Problem>;

impl Run<'_> {
    async fn attempt_lent(&mut self, number: u8, lent: &LentSaid) -> Tried {
        self.lease.tries(number, Some(lent));
        let opened = memory::with(|memory| memory.open(lent, &self.hand.fixed.vault));
        match opened {
            Some(key) => self.attempt(key, false).await,
            None => {
                self.lease.unreadable(lent.id);
                self.unanswered("a stored key cannot be opened").await
            }
        }
    }

    /// One attempt, with the key that the caller showed (`shown`) or with one of the pool's.
    async fn attempt(&mut self, key: Rc<ApiKey>, shown: bool) -> Tried {
        let Some(body) = self.job.body.take() else {
            return Err(Problem::new(Reason::Upstream));
        };
        let credential = Credential::Key(&key);
        let answer = match send(self.hand, self.job, &credential, &body).await {
            Ok(answer) => answer,
            Err(error) if platform::is_late(&error) => {
                return Err(Problem::new(Reason::UpstreamTimeout));
            }
            // Whoever left says nothing about the key.
            Err(_) if self.hand.signal.aborted() => return Err(Problem::new(Reason::TooSlow)),
            Err(error) => return self.unanswered(&platform::words(&error)).await,
        };
        if answer.is_good() {
            return Ok(Some(self.served(key, shown, answer).await));
        }
        self.failed(key, answer).await
    }

    /// The head is there: nothing can be taken back from now on.
    async fn served(&mut self, key: Rc<ApiKey>, shown: bool, answer: Answer) -> Given {
        if !shown {
            self.lease.served();
        } else if let After::Commit { admit: true } = self.lease.report(OutcomeSaid::Served).await {
            self.mark = self.join().await;
        }
        let Answer { status, fields, body, .. } = answer;
        (status, fields, AnsweredBody::Upstream(body), key)
    }

    /// Stores the caller's key; an answer is not kept from its caller where that fails.
    async fn join(&mut self) -> KeyMark {
        let Hand { fixed, .. } = &**self.hand;
        let id = fixed.vault.key_id(self.job.key);
        let Ok(sealed) = fixed.vault.seal(&id, self.job.key) else { return KeyMark::NotStored };
        match self.lease.admit(sealed.as_bytes().to_vec()).await {
            true => KeyMark::Stored,
            false => KeyMark::NotStored,
        }
    }

    async fn failed(&mut self, key: Rc<ApiKey>, answer: Answer) -> Tried {
        let status = answer.status;
        if (300..400).contains(&status) {
            // Says nothing about the key, and holds no text: it goes to the caller as it is.
            let unread = failure::read(status, None, b"");
            self.lease.report(OutcomeSaid::Failed(Box::new(unread))).await;
            return Ok(Some((status, answer.fields, AnsweredBody::Upstream(answer.body), key)));
        }
        let text = answer.text(MAX_ERROR).await;
        let kind = answer.fields.get(CONTENT_TYPE).map(|value| value.as_bytes());
        let failure = failure::read(status, kind, &text);
        let again = match self.lease.report(OutcomeSaid::Failed(Box::new(failure))).await {
            After::Again => true,
            After::Admit => {
                self.mark = self.join().await;
                self.mark == KeyMark::Stored
            }
            After::Template(refusal) => return Err(self.template(refusal)),
            After::Pass | After::Commit { .. } => false,
        };
        if again && self.job.body.is_kept() {
            return Ok(None);
        }
        let keys = [&*key, &**self.job.key];
        let text = redact::redact(status, self.job.asked.route.dialect, &text, &keys);
        Ok(Some((status, answer.fields, AnsweredBody::Rewritten(text), key)))
    }

    async fn unanswered(&mut self, why: &str) -> Tried {
        console_warn!("no answer from the upstream: {why}");
        match self.lease.report(OutcomeSaid::NoAnswer).await {
            After::Again if self.job.body.is_kept() => Ok(None),
            After::Template(refusal) => Err(self.template(refusal)),
            _ => Err(Problem::new(Reason::Upstream)),
        }
    }

    fn template(&self, refusal: Refusal) -> Problem {
        problem::of_refusal(refusal, self.job.call.model)
    }

    fn refused(&self, problem: Problem) -> Refused {
        Refused { problem, attempts: self.lease.attempts(), mark: self.mark }
    }
}

/// Sends, from here or from a place that Google serves, and waits for the answer's head.
async fn send(
    hand: &Hand,
    job: &Job<'_>,
    credential: &Credential<'_>,
    body: &JsValue,
) -> Result<Answer, JsValue> {
    let asked = job.asked;
    let asking = Asking {
        url: &asked.url(&hand.fixed.settings.google),
        method: asked.head.method.as_str(),
        head: &asked.fields(credential),
        body,
        signal: Some(&hand.signal),
        patience: asked.patience(),
        relay: None,
        eager: !asked.route.stream,
    };
    let asked_at = memory::now();
    match region::ask(&hand.env, asking, job.body.is_kept()).await {
        // Of connections that are kept, any may have just been closed; that shows at once.
        Err(error)
            if may_repeat(job)
                && !hand.signal.aborted()
                && platform::is_lost(&error)
                && memory::now() < asked_at + CLOSED_BEFORE =>
        {
            region::ask(&hand.env, asking, true).await
        }
        answer => answer,
    }
}

/// Whether a request may reach Google twice: not what changes something of somebody's.
fn may_repeat(job: &Job<'_>) -> bool {
    let reads = matches!(job.asked.head.method, Method::GET | Method::HEAD);
    job.body.is_kept() && (reads || job.call.way == Way::Pool)
}

/// Bytes as the platform takes them.
pub fn bytes(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

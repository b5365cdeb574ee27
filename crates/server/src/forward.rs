//! One call's way to Google and back: attempts, until one answer goes to the caller.
//!
//! Rule: every decision is the pool's (which key, whether again, what the caller may read); this
//! only carries it out. A 2xx head commits; before it, nothing has reached the caller.

use std::time::SystemTime;

use bytes::Bytes;
use http::{Response, StatusCode, response};
use potluck_core::{After, Attempt, Call, Mono, Outcome, Refusal, Step, Whose};
use potluck_edition::admission;
use potluck_edition::marks::KeyMark;
use potluck_gemini::answer::{Problem, Reason};
use potluck_gemini::failure::{self, Failure};
use potluck_gemini::{ApiKey, redact};
use tokio::time::{sleep_until, timeout};

use crate::app::Hand;
use crate::door::Held;
use crate::join;
use crate::lease::Lease;
use crate::lent::Lent;
use crate::metrics::Stopwatch;
use crate::outgoing::{Credential, Outgoing};
use crate::problem;
use crate::sending::Sending;
use crate::traces::{self, Noted};
use crate::transport::{SendError, UpstreamBody, Why, body};

/// How much of an error is read. Google's take a few KiB; what is larger is no error of Google's.
const MAX_ERROR: usize = 64 << 10;

/// One call, ready to go.
pub struct Job<'a> {
    /// What the pool must know of it.
    pub call: Call<'a>,
    /// What Google is to see.
    pub outgoing: Outgoing<'a>,
    /// The key that the caller showed; none with an access token.
    pub key: Option<&'a ApiKey>,
    /// The invite that came with it.
    pub invite: Option<&'a std::sync::Arc<Held>>,
    /// A waiting connection that dies under the request may be replaced by a fresh one.
    pub repeatable: bool,
}

/// The answer that goes to the caller.
pub struct Answered {
    /// Status and headers, Google's, as they came.
    pub parts: response::Parts,
    /// The body.
    pub body: AnsweredBody,
    /// The exchange, open until the body has gone.
    pub lease: Lease,
    /// What became of the caller's key.
    pub mark: KeyMark,
    /// The key that served.
    pub used: Lent,
}

/// Whether an answer's body may still change.
pub enum AnsweredBody {
    /// Google's, byte for byte.
    Upstream(UpstreamBody<Sending>),
    /// As [`Self::Upstream`], behind what was read of it already.
    Behind(Bytes, UpstreamBody<Sending>),
    /// Written anew: an error without anybody's key in it, or an answer with URLs of ours.
    Rewritten(Bytes),
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

/// Carries a call out.
pub async fn run(hand: &Hand, job: &mut Job<'_>) -> Result<Answered, Refused> {
    let Some(traces) = &hand.app.traces else { return carry(hand, job, &mut None).await };
    let mut noted = Some(Noted::start());
    let done = carry(hand, job, &mut noted).await;
    let status = match &done {
        Ok(answered) => answered.parts.status.as_u16(),
        Err(refused) => refused.problem.code,
    };
    if let Some(noted) = noted {
        traces.tell(noted, job.call.model, traces::Outcome { status });
    }
    done
}

async fn carry(
    hand: &Hand,
    job: &mut Job<'_>,
    noted: &mut Option<Noted>,
) -> Result<Answered, Refused> {
    let (lease, mut step) = Lease::begin(&hand.app, job.call);
    let mark = match job.key {
        None => KeyMark::Token,
        Some(_) if lease.bearer_is_known() => KeyMark::Known,
        Some(_) => KeyMark::NotStored,
    };
    let mut run = Run { hand, lease, mark, watch: Stopwatch::start() };
    loop {
        match step {
            Step::Try(attempt) => {
                let began = noted.as_ref().map(|_| SystemTime::now());
                let answered = run.attempt(job, &attempt).await.transpose();
                if let Some((noted, began)) = noted.as_mut().zip(began) {
                    noted.attempt(began, run.lease.last_verdict());
                }
                if let Some(answered) = answered {
                    return match answered {
                        Ok((parts, body, used)) => {
                            hand.app.metrics.times.head(&run.watch);
                            run.lease.set_began(run.watch.began());
                            Ok(Answered { parts, body, lease: run.lease, mark: run.mark, used })
                        }
                        Err(problem) => Err(run.refused(problem)),
                    };
                }
            }
            Step::Wait { until } => run.wait(until).await,
            Step::Refuse(refusal) => return Err(run.refused(run.template(job, refusal))),
        }
        step = run.lease.next();
    }
}

struct Run<'h> {
    hand: &'h Hand,
    lease: Lease,
    mark: KeyMark,
    watch: Stopwatch,
}

type Given = (response::Parts, AnsweredBody, Lent);

impl Run<'_> {
    /// One attempt. `None`: the pool wants another.
    async fn attempt(
        &mut self,
        job: &mut Job<'_>,
        attempt: &Attempt<Lent>,
    ) -> Result<Option<Given>, Problem> {
        let own;
        let lent = match &attempt.whose {
            Whose::Key { secret, .. } => secret,
            Whose::Bearer => {
                let key = job.key.ok_or_else(|| Problem::new(Reason::NoKey))?;
                own = Lent::of(key);
                &own
            }
        };
        let response = match self.send(job, lent).await {
            Ok(response) => response,
            Err(Unanswered::Late) => return Err(Problem::new(Reason::UpstreamTimeout)),
            Err(Unanswered::Send(error)) => return self.unanswered(job, &error),
        };
        if response.status().is_success() {
            return Ok(Some(self.served(job, lent.clone(), response).await));
        }
        Box::pin(self.failed(job, lent, response)).await
    }

    async fn wait(&mut self, until: Mono) {
        let app = &self.hand.app;
        let _waiting = app.metrics.wait();
        self.watch.pausing(sleep_until(app.clock.instant(until))).await;
    }

    async fn send(
        &mut self,
        job: &mut Job<'_>,
        lent: &Lent,
    ) -> Result<Response<UpstreamBody<Sending>>, Unanswered> {
        let Some(body) = job.outgoing.body() else { return Err(Unanswered::Late) };
        let again = || if job.repeatable { job.outgoing.body_again() } else { None };
        let credential = Credential::Key(lent);
        let sent = send(self.hand, &job.outgoing, &credential, body, again);
        self.watch.pausing(sent).await
    }

    /// The head is there: nothing can be taken back from now on.
    async fn served(
        &mut self,
        job: &Job<'_>,
        used: Lent,
        response: Response<UpstreamBody<Sending>>,
    ) -> Given {
        if let After::Commit { admit: true } = self.lease.report(Outcome::Served) {
            self.mark = Box::pin(self.join(job)).await;
        }
        let (parts, body) = response.into_parts();
        (parts, AnsweredBody::Upstream(body), used)
    }

    /// The caller's key is proven: it joins.
    async fn join(&mut self, job: &Job<'_>) -> KeyMark {
        match job.key {
            Some(key) => join::join(&self.hand.app, &mut self.lease, key, job.invite).await,
            None => self.mark,
        }
    }

    async fn failed(
        &mut self,
        job: &mut Job<'_>,
        lent: &Lent,
        response: Response<UpstreamBody<Sending>>,
    ) -> Result<Option<Given>, Problem> {
        let (parts, mut upstream) = response.into_parts();
        if parts.status.is_redirection() {
            // Says nothing about the key, and holds no text: it goes to the caller as it is.
            self.lease.report(Outcome::Failed(&unread(parts.status)));
            return Ok(Some((parts, AnsweredBody::Upstream(upstream), lent.clone())));
        }
        let text = body::collect(&mut upstream, MAX_ERROR).await.unwrap_or_default();
        drop(upstream);
        let kind = parts.headers.get(http::header::CONTENT_TYPE).map(|value| value.as_bytes());
        let failure = failure::read(parts.status.as_u16(), kind, &text);
        tracing::debug!(status = failure.status, reason = failure.reason, "an attempt failed");
        let again = match self.lease.report(Outcome::Failed(&failure)) {
            After::Again => true,
            After::Admit => {
                self.mark = Box::pin(self.join(job)).await;
                self.mark == KeyMark::Stored
            }
            After::Template(refusal) => return Err(self.template(job, refusal)),
            After::Pass | After::Commit { .. } => false,
        };
        if again && job.outgoing.can_be_made_again() {
            return Ok(None);
        }
        let used = lent.key();
        let keys: Vec<&ApiKey> = used.iter().chain(job.key).collect();
        let dialect = job.outgoing.dialect;
        let text = redact::redact(parts.status.as_u16(), dialect, &text, &keys);
        Ok(Some((parts, AnsweredBody::Rewritten(text.into()), lent.clone())))
    }

    fn unanswered(&mut self, job: &Job<'_>, error: &SendError) -> Result<Option<Given>, Problem> {
        if let Why::RequestBody(_) = error.why {
            return Err(Problem::new(Reason::TooSlow));
        }
        tracing::warn!(%error, "no answer from the upstream");
        match self.lease.report(Outcome::NoAnswer) {
            After::Again if job.outgoing.can_be_made_again() => Ok(None),
            After::Template(refusal) => Err(self.template(job, refusal)),
            _ => Err(Problem::new(Reason::Upstream)),
        }
    }

    fn template(&self, job: &Job<'_>, refusal: Refusal) -> Problem {
        match job.key {
            Some(_) => problem::of_refusal(refusal, job.call.model),
            None => admission::of_refusal(refusal, job.call.model),
        }
    }

    fn refused(&self, problem: Problem) -> Refused {
        Refused { problem, attempts: self.lease.attempts(), mark: self.mark }
    }
}

/// Why there is no head.
pub enum Unanswered {
    /// The caller's or the operator's patience is over.
    Late,
    /// The connection failed.
    Send(SendError),
}

/// Sends, and waits for the head as long as is allowed.
pub async fn send(
    hand: &Hand,
    outgoing: &Outgoing<'_>,
    credential: &Credential<'_>,
    body: Sending,
    again: impl FnMut() -> Option<Sending>,
) -> Result<Response<UpstreamBody<Sending>>, Unanswered> {
    let fields = outgoing.travelling(credential);
    let answer = hand.upstream.send(outgoing.asking(&fields), body, again);
    let answer = match outgoing.patience {
        Some(patience) => {
            Box::pin(timeout(patience, answer)).await.map_err(|_| Unanswered::Late)?
        }
        None => answer.await,
    };
    answer.map_err(Unanswered::Send)
}

fn unread(status: StatusCode) -> Failure {
    failure::read(status.as_u16(), None, b"")
}

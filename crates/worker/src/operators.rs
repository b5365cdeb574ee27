//! `/pool/admin`: what operators ask and decide, in the isolate that they came to.
//!
//! Rule: who asks is checked here, and keys that are added are sealed here; what is done to the pool
//! the objects do, each to the keys that it holds. Isolates share no memory, so a session says itself
//! until when it is good.

mod add;

use std::time::Duration;

use http::Method;
use http::header::{HeaderValue, SET_COOKIE};
use potluck_core::{KeyId, Wall};
use potluck_edition::admin::change::{self, Act, Changed};
use potluck_edition::admin::listing::{self, Wanted};
use potluck_edition::admin::rekeying::Rekeying;
use potluck_edition::admin::sessions::{self, Session};
use potluck_edition::admin::settings::InForce;
use potluck_edition::admin::sights::{self, Place};
use potluck_edition::admin::{ROOT, Task, bad, openapi, operations, site};
use potluck_edition::gate::Gate;
use potluck_edition::{admission, alarms, pages, table, usage};
use potluck_gemini::answer::{Problem, Reason};
use serde_json::{Value, json};
use wasm_bindgen_futures::JsFuture;
use web_sys::Response;
use worker::{RequestInit, console_error};
use zeroize::Zeroizing;

use crate::asked::{self, Head};
use crate::hand::Hand;
use crate::platform::{Incoming, Taken};
use crate::reply::Reply;
use crate::{lease, local, memory, object};

/// The secret that lets an operator in.
const ADMIN_TOKEN: &str = "POTLUCK_ADMIN_TOKEN";
/// What a session's name is signed for.
const SESSIONS: &str = "sessions";

/// Why an operator gets another answer than was asked for.
enum Stop {
    /// This is wrong.
    Problem(Problem),
    /// An object said so.
    Answer(Response),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Stop {
        Stop::Problem(problem)
    }
}

impl From<worker::Error> for Stop {
    fn from(error: worker::Error) -> Stop {
        console_error!("an object cannot be reached: {error}");
        Stop::Problem(Problem::new(Reason::Store))
    }
}

/// Answers an operator, and nobody else.
pub async fn answer(
    hand: &Hand,
    incoming: &Incoming<'_>,
    head: &Head<'_>,
) -> worker::Result<Response> {
    match operate(hand, incoming, head).await {
        Ok(response) | Err(Stop::Answer(response)) => Ok(response),
        Err(Stop::Problem(problem)) => local::told(&problem),
    }
}

async fn operate(hand: &Hand, incoming: &Incoming<'_>, head: &Head<'_>) -> Result<Response, Stop> {
    let changes = !matches!(head.method, Method::GET | Method::HEAD);
    let public = hand.fixed.settings.public_url.as_deref().unwrap_or(head.origin);
    if changes && site::is_cross_site(&head.fields, Some(public)) {
        return Err(Problem::new(Reason::CrossSite).into());
    }
    let task = operations::task(&head.method, head.path, head.query);
    if task == Ok(Task::SignIn) {
        return Ok(sign_in(hand, head, &read(incoming, sessions::MAX).await?)?.response()?);
    }
    check(hand, head)?;
    let asked = Asked { hand, incoming, head };
    match task? {
        Task::SignIn => unreachable!("answered above"),
        Task::Session => Ok(session(hand, head)?.response()?),
        Task::SignOut => Ok(signed(Reply::empty(), sessions::forgotten()).response()?),
        Task::Status => asked.status().await,
        Task::List(wanted) => asked.list(&wanted).await,
        Task::Add { check } => Ok(Reply::json(&add::add(&asked, check).await?).response()?),
        Task::Check(id) | Task::Look(id) | Task::Change(id) | Task::Erase(id) => {
            asked.of_key(id).await
        }
        Task::ChangeMany => asked.change_many().await,
        Task::Watch(place) => asked.watch(&place).await,
        Task::Usage(wanted) | Task::UsageTable(wanted) => asked.usage(wanted).await,
        Task::Alarms => asked.alarms().await,
        Task::Settings => {
            Ok(Reply::json(&json!(InForce::of(&hand.fixed.settings.in_force()))).response()?)
        }
        Task::Describe => Ok(Reply::json_text(openapi::WRITTEN.to_owned()).response()?),
        Task::Tokens => Ok(Reply::json(&json!({ "tokens": [] })).response()?),
        Task::Invites => Ok(Reply::json(&json!({ "invites": [] })).response()?),
        Task::MakeToken => Err(admission::none_here("access tokens").into()),
        Task::MakeInvite => Err(admission::none_here("invites").into()),
        Task::ChangeToken(_) | Task::RevokeToken(_) | Task::RevokeInvite(_) => {
            Err(Problem::new(Reason::UnknownId).into())
        }
        Task::Rekey => Err(bad(NO_REKEYING).into()),
        Task::Rekeying => Ok(Reply::json(&json!(Rekeying::default())).response()?),
    }
}

/// Whether an operator asks.
pub fn check(hand: &Hand, head: &Head<'_>) -> Result<(), Problem> {
    if session_left(hand, head, memory::wall()).is_some() {
        return Ok(());
    }
    compare(hand, head, pages::operator(&head.fields))
}

/// Whether that is the operators' token; a wrong one is remembered, here.
fn compare(hand: &Hand, head: &Head<'_>, shown: Option<&[u8]>) -> Result<(), Problem> {
    let (token, tries) = (admin_token(hand), (asked::source(&head.fields), memory::now()));
    // Where there is no token, none is wrong.
    let shown = shown.filter(|_| token.is_some());
    let is_right = |shown: &[u8]| {
        token.as_ref().is_some_and(|token| hand.fixed.vault.same_token(shown, token.as_bytes()))
    };
    let checked = memory::with(|memory| {
        let mut gate = memory.gate.borrow_mut();
        gate.get_or_insert_with(|| Gate::of(hand.fixed.seed)).check(tries, shown, is_right)
    });
    checked.map_err(|problem| match (&token, problem.reason) {
        (None, Reason::NotAdmin) => problem.saying(NO_TOKEN),
        _ => problem,
    })
}

/// The operators' token; without one nobody is an operator.
fn admin_token(hand: &Hand) -> Option<Zeroizing<String>> {
    let token = Zeroizing::new(hand.env.secret(ADMIN_TOKEN).ok()?.to_string());
    Some(token).filter(|token| !token.is_empty())
}

fn sign_in(hand: &Hand, head: &Head<'_>, text: &[u8]) -> Result<Reply, Problem> {
    let token = sessions::token(text).map(Zeroizing::new);
    compare(hand, head, token.as_ref().map(|token| token.as_bytes()))?;
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|_| Problem::new(Reason::Internal))?;
    let now = memory::wall();
    let name = sessions::signed(random, now, |said| sign(hand, said));
    Ok(signed(Reply::json(&json!(Session::begun(now))), sessions::kept(&name)))
}

/// A session ends with the token that it was opened with.
fn sign(hand: &Hand, said: &[u8]) -> sessions::Signature {
    let token = admin_token(hand).unwrap_or_default();
    let said = Zeroizing::new([said, token.as_bytes()].concat());
    hand.fixed.vault.sign(SESSIONS, &said)
}

fn session_left(hand: &Hand, head: &Head<'_>, now: Wall) -> Option<Duration> {
    let same = |a: &[u8], b: &[u8]| hand.fixed.vault.same_token(a, b);
    let left = sessions::left(&head.fields, now, |said| sign(hand, said), same);
    left.filter(|_| admin_token(hand).is_some())
}

fn session(hand: &Hand, head: &Head<'_>) -> Result<Reply, Problem> {
    // Once: read twice, a clock that goes on in between moves the session's end.
    let now = memory::wall();
    let left = session_left(hand, head, now).ok_or_else(|| Problem::new(Reason::NotAdmin))?;
    Ok(Reply::json(&json!(Session::of(left, now))))
}

fn signed(reply: Reply, cookie: Option<HeaderValue>) -> Reply {
    reply.with_fields(cookie.map(|cookie| (SET_COOKIE, cookie)))
}

/// A request's body.
async fn read(incoming: &Incoming<'_>, most: usize) -> Result<Vec<u8>, Problem> {
    match incoming.read(most).await {
        Ok(Taken::Whole(text)) if text.length() as usize <= most => Ok(text.to_vec()),
        Ok(_) => Err(Problem::new(Reason::TooLarge).saying("The body is too large.")),
        Err(_) => Err(bad("the body broke off")),
    }
}

/// What an operator asks.
struct Asked<'r> {
    hand: &'r Hand,
    incoming: &'r Incoming<'r>,
    head: &'r Head<'r>,
}

impl Asked<'_> {
    /// The parts of the pool.
    fn parts(&self) -> impl Iterator<Item = u8> + use<> {
        0..self.hand.fixed.settings.shards
    }

    /// Has an object answer; `target` is behind [`ROOT`].
    async fn send(
        &self,
        part: u8,
        method: worker::Method,
        target: &str,
        body: Option<String>,
    ) -> worker::Result<Response> {
        let mut init = RequestInit::new();
        init.method = method;
        init.body = body.map(Into::into);
        // What this isolate has done by now is in the answer.
        object::tell(self.hand, part).await;
        let (env, settings) = (&self.hand.env, &self.hand.fixed.settings);
        local::ask_so(env, &settings.object(part), &format!("{ROOT}{target}"), &init).await
    }

    /// What an object tells.
    async fn hear(
        &self,
        part: u8,
        method: worker::Method,
        target: &str,
        body: Option<String>,
    ) -> Result<Value, Stop> {
        let answer = self.send(part, method, target, body).await?;
        if !answer.ok() {
            return Err(Stop::Answer(answer));
        }
        let text = JsFuture::from(answer.text().map_err(worker::Error::from)?).await;
        let text = text.map_err(worker::Error::from)?.as_string().unwrap_or_default();
        serde_json::from_str(&text).map_err(|_| Problem::new(Reason::Internal).into())
    }

    async fn look(&self, part: u8, target: &str) -> Result<Value, Stop> {
        self.hear(part, worker::Method::Get, target, None).await
    }

    /// What each part tells.
    async fn each(&self, target: impl Fn(u8) -> String) -> Result<Vec<Value>, Stop> {
        let mut told = Vec::new();
        for part in self.parts() {
            told.push(self.look(part, &target(part)).await?);
        }
        Ok(told)
    }

    async fn status(&self) -> Result<Response, Stop> {
        let (mut all, mut withdrawn) = (Value::Null, 0);
        for mut told in self.each(|_| "/status".to_owned()).await? {
            // Every part knows of all that were withdrawn before it began.
            withdrawn = withdrawn.max(told["withdrawn"].take().as_u64().unwrap_or_default());
            all = table::together(all, told);
        }
        all["withdrawn"] = withdrawn.into();
        Ok(Reply::json(&all).response()?)
    }

    async fn list(&self, wanted: &Wanted) -> Result<Response, Stop> {
        let (mut after, mut keys, mut lent) = (wanted.after, Vec::new(), 0);
        for part in self.parts() {
            let (here, from) = listing::split(after);
            let left = wanted.limit - keys.len();
            let looks = here == u32::from(part) && left > 0;
            // A part that is passed over tells what its keys lent together, all the same.
            let (from, most) = if looks { (from, left) } else { (u32::MAX, 1) };
            let mut page = self.look(part, &listing::target(wanted, from.into(), most)).await?;
            lent += page["lent_calls"].as_u64().unwrap_or_default();
            if looks {
                after = match page["next"].as_u64() {
                    Some(next) => listing::place(here, next as u32),
                    None => listing::place(here + 1, 0),
                };
                keys.extend(page["keys"].as_array_mut().map(std::mem::take).into_iter().flatten());
            }
        }
        let more = listing::split(after).0 < u32::from(self.hand.fixed.settings.shards);
        let next = more.then_some(after);
        let page = json!({ "keys": keys, "next": next, "lent_calls": lent });
        Ok(Reply::json(&page).response()?)
    }

    /// Asks the part that holds a key, in the operator's own words.
    async fn of_key(&self, id: KeyId) -> Result<Response, Stop> {
        let body = match self.head.method {
            Method::PATCH => Some(self.text(change::MAX).await?),
            _ => None,
        };
        if matches!(self.head.method, Method::PATCH | Method::DELETE) {
            lease::forget(self.hand, id).await;
        }
        let method = worker::Method::from(self.head.method.to_string());
        let target = self.head.path.strip_prefix(ROOT).unwrap_or_default();
        let part = self.hand.fixed.settings.shard(&id.0);
        Ok(self.send(part, method, target, body).await?)
    }

    /// The body, for an object to read.
    async fn text(&self, most: usize) -> Result<String, Problem> {
        String::from_utf8(read(self.incoming, most).await?)
            .map_err(|_| bad("the body is not text in UTF-8"))
    }

    async fn change_many(&self) -> Result<Response, Stop> {
        let (act, ids) = change::many(&read(self.incoming, change::MAX_MANY).await?)?;
        let unknown = ids.iter().filter(|id| id.is_none()).count();
        let mut changed = Changed { done: 0, unknown };
        for part in self.parts() {
            let here = |id: &&KeyId| self.hand.fixed.settings.shard(&id.0) == part;
            let ids: Vec<KeyId> = ids.iter().flatten().filter(here).copied().collect();
            if !ids.is_empty() {
                self.change_part(part, act, &ids, &mut changed).await?;
            }
        }
        Ok(Reply::json(&json!(changed)).response()?)
    }

    async fn change_part(
        &self,
        part: u8,
        act: Act,
        ids: &[KeyId],
        changed: &mut Changed,
    ) -> Result<(), Stop> {
        for id in ids {
            lease::forget(self.hand, *id).await;
        }
        let names: Vec<String> = ids.iter().map(KeyId::to_string).collect();
        let body = json!({ "do": act, "keys": names }).to_string();
        let told = self.hear(part, worker::Method::Post, "/keys/changes", Some(body)).await?;
        let count = |name: &str| {
            told[name].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or_default()
        };
        changed.done += count("done");
        changed.unknown += count("unknown");
        Ok(())
    }

    async fn watch(&self, after: &Place) -> Result<Response, Stop> {
        let target = |part: u8| format!("/sights?after={}", after.in_part(part.into()));
        Ok(Reply::json(&sights::together(self.each(target).await?)).response()?)
    }

    /// D1 is one for all parts: once all have told it what they know, one of them reads it.
    async fn usage(&self, wanted: usage::Wanted) -> Result<Response, Stop> {
        let settings = &self.hand.fixed.settings;
        let reads = wanted.key.map_or(0, |id| settings.shard(&id.0));
        for part in self.parts().filter(|part| wanted.key.is_none() && *part != reads) {
            self.look(part, "/usage?days=1").await?;
        }
        let query = self.head.query.map(|query| format!("?{query}")).unwrap_or_default();
        let target = self.head.path.strip_prefix(ROOT).unwrap_or_default();
        Ok(self.send(reads, worker::Method::Get, &format!("{target}{query}"), None).await?)
    }

    async fn alarms(&self) -> Result<Response, Stop> {
        let told = self.each(|_| "/alarms".to_owned()).await?;
        Ok(Reply::json(&alarms::together(told)).response()?)
    }
}

const NO_TOKEN: &str = "This Worker has no operators' token: set one with `npx wrangler secret put \
                        POTLUCK_ADMIN_TOKEN`.";
const NO_REKEYING: &str = "the master key of this edition is a secret of the Worker's, which nothing \
                           that runs in it can change";

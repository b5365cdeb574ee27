//! Calls that the pool may serve: the body decides.

use std::rc::Rc;

use js_sys::Uint8Array;
use potluck_core::KeyId;
use potluck_edition::{calls, problem, storing};
use potluck_gemini::ApiKey;
use potluck_gemini::answer::{Problem, Reason};
use potluck_gemini::body::{Own, Scan, Scanner};
use potluck_gemini::uploads::{self, MAPPED_BODY_MAX};
use web_sys::Response;

use crate::asked::Asked;
use crate::forward::{self, Body, Job};
use crate::hand::Hand;
use crate::kept::{LARGEST, Room, UNPROVEN, UNTOLD};
use crate::line::Asked as Question;
use crate::platform::{self, Incoming, Taken};
use crate::{memory, object, own, served};

/// The largest body of all, as natively: Google takes 100 MB and some.
const LONGEST: u64 = 110 << 20;
/// So much of a body is copied into wasm at a time.
const SLICE: u32 = 256 << 10;

/// Answers a call of a stateless method.
pub async fn answer(
    hand: &Rc<Hand>,
    asked: &Asked<'_>,
    incoming: &Incoming<'_>,
    key: &Rc<ApiKey>,
) -> Result<Response, Problem> {
    let length = asked.head.length();
    if length.is_some_and(|length| length > LONGEST) {
        return Err(Problem::new(Reason::TooLarge));
    }
    let keep = most_kept(hand, key, length).await;
    if asked.masked || length.is_some_and(|length| length > keep as u64) {
        return own::answer(hand, asked, incoming, key).await;
    }
    let Prompt { scan, body, room } = prompt(hand, asked, incoming, keep).await?;
    let call = calls::pooled(&asked.route, &scan, asked.bearer(key, &hand.fixed), asked.own);
    let job = Job { asked, call, key, body };
    let answered = forward::run(hand, &job).await;
    drop(room);
    match answered {
        Ok(answered) => served::answer(answered, asked.route.dialect, !asked.masked, &hand.signal),
        Err(refused) => Ok(served::refused(&refused, asked.route.dialect)),
    }
}

/// How much of this caller's body may be kept: whoever is not known may be nobody.
async fn most_kept(hand: &Rc<Hand>, key: &ApiKey, length: Option<u64>) -> usize {
    if length.is_some_and(|length| length <= UNPROVEN as u64) {
        return LARGEST;
    }
    let id = hand.fixed.vault.key_id(key);
    let (remembered, garbage) = memory::with(|memory| {
        let now = memory::now();
        (memory.knows(KeyId(id), now), memory.garbage.borrow().holds(KeyId(id), now))
    });
    let known = remembered
        || !garbage && {
            let shard = hand.fixed.settings.shard(&id);
            let heard = object::ask(hand, shard, Question::Knows(id)).await;
            heard.is_some_and(|heard| heard.known)
        };
    if known { LARGEST } else { UNPROVEN }
}

/// A call's body, and what was read of it.
struct Prompt {
    scan: Scan,
    body: Body,
    /// Held until the answer's head is there.
    room: Option<Room>,
}

/// Reads a body that decides who may serve its call.
async fn prompt(
    hand: &Hand,
    asked: &Asked<'_>,
    incoming: &Incoming<'_>,
    keep: usize,
) -> Result<Prompt, Problem> {
    let length = asked.head.length().and_then(|length| usize::try_from(length).ok());
    let first = length.map_or(UNTOLD.min(keep), |_| keep);
    let mut room = Room::reserve(length.unwrap_or(first))?;
    let mut taken = incoming.read(first).await;
    if let (true, Ok(Taken::Longer(rest))) = (first < keep, &taken) {
        drop(room);
        room = Room::reserve(keep)?;
        taken = platform::read(Some(rest), keep).await;
    }
    match taken.map_err(|_| problem::refused("The body broke off or is badly framed."))? {
        Taken::Whole(bytes) => {
            room.shrink(bytes.length() as usize);
            let (scan, bytes) = mapped(hand, asked, scan(hand, asked, &bytes), bytes);
            let bytes = without_storing(hand, asked, &scan, bytes);
            Ok(Prompt { scan, body: Body::Kept(bytes.into()), room: Some(room) })
        }
        // Nothing is known of it, so it goes with the own key.
        Taken::Longer(rest) => {
            let scan = Scan { own: Some(Own::Unreadable), ..Scan::default() };
            Ok(Prompt { scan, body: Body::once(rest.into()), room: None })
        }
    }
}

fn scan(hand: &Hand, asked: &Asked<'_>, bytes: &Uint8Array) -> Scan {
    let route = &asked.route;
    let model = route.model.as_deref();
    let mut scanner = Scanner::new(route.dialect, route.family, model, hand.fixed.seed);
    let mut begin = 0;
    while begin < bytes.length() {
        let end = begin.saturating_add(SLICE).min(bytes.length());
        scanner.push(&bytes.subarray(begin, end).to_vec());
        begin = end;
    }
    scanner.finish()
}

/// A body that names our host means a file of the caller's: it is own, and Google's host is put
/// back. A file's path makes a call own on whatever host it stands, so plain bodies hold none.
fn mapped(hand: &Hand, asked: &Asked<'_>, scan: Scan, bytes: Uint8Array) -> (Scan, Uint8Array) {
    if scan.own.is_none() || bytes.length() as usize > MAPPED_BODY_MAX {
        return (scan, bytes);
    }
    let (base, google) = (asked.base(&hand.fixed), &hand.fixed.settings.google);
    match uploads::body_for_google(&bytes.to_vec(), base, google) {
        Some(text) => {
            let own = Some(Own::State("a file on this host"));
            (Scan { own, ..scan }, Uint8Array::from(text.as_slice()))
        }
        None => (scan, bytes),
    }
}

/// Asks Google not to store what is pooled, where the operator wants that.
fn without_storing(hand: &Hand, asked: &Asked<'_>, scan: &Scan, bytes: Uint8Array) -> Uint8Array {
    if !hand.fixed.settings.store_false || !storing::is_silent(&asked.route, scan) {
        return bytes;
    }
    storing::refused(&bytes.to_vec()).map_or(bytes, |text| Uint8Array::from(text.as_slice()))
}

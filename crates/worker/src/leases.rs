//! Leases that an isolate holds: exchanges begun ahead, by the kind of call that they are for.
//!
//! Rule: a lease is used once, before it runs out, and for a call of the very kind it was begun
//! for; how many are asked for follows what the last seconds needed.

use std::collections::HashMap;
use std::time::Duration;

use potluck_core::{KeyId, Mono, Way};
use potluck_gemini::Family;
use potluck_gemini::body::Metered;

use crate::exchanges::LEASE;
use crate::line::{Ahead, Token};

/// Kinds of calls remembered. Beyond, those whose leases have run out are forgotten.
const MOST_KINDS: usize = 1024;
/// Leases asked for at a time: what is asked for in vain is a key's turn that others wait for.
const MOST: u32 = 64;
/// The object counts from when it gave them, the isolate from when they came; clocks differ too.
const MARGIN: Duration = Duration::from_millis(500);

/// What a call must have in common with another for a lease of the one to serve the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Kind {
    /// The caller's key.
    pub bearer: KeyId,
    /// The model.
    pub model: Option<String>,
    /// The kind of method.
    pub family: Family,
    /// The metered features.
    pub metered: Metered,
    /// Whose key may serve.
    pub way: Way,
}

/// Leases that nobody will use, and whose calls they were for.
pub type Over = Vec<(KeyId, Token)>;

/// All leases of an isolate.
#[derive(Debug, Default)]
pub struct Leases(HashMap<Kind, Shelf>);

#[derive(Debug, Default)]
struct Shelf {
    ready: Vec<Ahead>,
    until: Mono,
    /// When the object was asked last, and calls since, that one among them.
    asked: Mono,
    calls: u32,
}

impl Leases {
    /// A lease for a call of that kind, if there is one.
    pub fn take(&mut self, kind: &Kind, now: Mono) -> Option<Ahead> {
        let shelf = self.0.get_mut(kind)?;
        if shelf.until <= now {
            return None;
        }
        let lease = shelf.ready.pop()?;
        shelf.calls += 1;
        Some(lease)
    }

    /// How many to ask for with a call of that kind, none being ready; and those that ran out.
    pub fn want(&mut self, kind: &Kind, now: Mono) -> (u32, Over) {
        let (mut over, full) = (Vec::new(), self.0.len() >= MOST_KINDS);
        if full {
            over.extend(self.forget(now));
        }
        if self.0.len() >= MOST_KINDS && !self.0.contains_key(kind) {
            return (0, over);
        }
        let shelf = self.0.entry(kind.clone()).or_default();
        over.extend(named(kind, shelf.ready.drain(..)));
        let wanted = shelf.wanted(now);
        (shelf.asked, shelf.calls) = (now, 1);
        (wanted, over)
    }

    /// Puts leases away that were asked for at that time.
    pub fn put(&mut self, kind: &Kind, leases: Vec<Ahead>, now: Mono) -> Over {
        let Some(shelf) = self.0.get_mut(kind) else {
            return named(kind, leases).collect();
        };
        // The first was begun first, and is to be used first.
        let before = std::mem::replace(&mut shelf.ready, leases);
        shelf.ready.reverse();
        shelf.until = now + (LEASE - MARGIN);
        named(kind, before).collect()
    }

    /// Forgets every lease of a bearer: what they were for has changed.
    pub fn drop_bearer(&mut self, bearer: KeyId) -> Over {
        let theirs = self.0.iter_mut().filter(|(kind, _)| kind.bearer == bearer);
        theirs.flat_map(|(kind, shelf)| named(kind, shelf.ready.drain(..))).collect()
    }

    /// Forgets every lease of a key: what Google said of it is not weighed yet.
    pub fn drop_key(&mut self, key: &[u8; 16]) -> Over {
        let mut over = Vec::new();
        for (kind, shelf) in &mut self.0 {
            over.extend(named(kind, shelf.ready.extract_if(.., |lease| lease.key.id == *key)));
        }
        over
    }

    fn forget(&mut self, now: Mono) -> Over {
        let mut over = Vec::new();
        self.0.retain(|kind, shelf| {
            let kept = now < shelf.asked + LEASE;
            if !kept {
                over.extend(named(kind, shelf.ready.drain(..)));
            }
            kept
        });
        over
    }
}

fn named(
    kind: &Kind,
    leases: impl IntoIterator<Item = Ahead>,
) -> impl Iterator<Item = (KeyId, Token)> {
    let bearer = kind.bearer;
    leases.into_iter().map(move |lease| (bearer, lease.exchange))
}

impl Shelf {
    /// What the time since the last question needed, for the time that leases last; twice as much
    /// where they were used up before they ran out.
    fn wanted(&self, now: Mono) -> u32 {
        if self.calls == 0 {
            return 0;
        }
        let since = now.since(self.asked);
        if since >= 2 * LEASE {
            return 0;
        }
        let wanted = match since < LEASE {
            true => self.calls.saturating_mul(2),
            false => self.calls,
        };
        wanted.min(MOST)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::line::LentSaid;

    fn kind(bearer: u8) -> Kind {
        Kind {
            bearer: KeyId([bearer; 16]),
            model: Some("m".into()),
            family: Family::Generate,
            metered: Metered::NONE,
            way: Way::Pool,
        }
    }

    fn lease(exchange: Token) -> Ahead {
        Ahead { exchange, key: LentSaid { id: [0; 16], own: false, sealed: Vec::new() } }
    }

    fn at(milliseconds: u64) -> Mono {
        Mono(1_000_000 + milliseconds)
    }

    #[test]
    fn a_lease_is_used_once_in_its_time_and_for_its_kind() {
        let mut leases = Leases::default();
        assert_eq!(leases.want(&kind(1), at(0)), (0, vec![]));
        assert!(leases.put(&kind(1), vec![lease(7), lease(8)], at(0)).is_empty());

        assert!(leases.take(&kind(2), at(1)).is_none());
        assert_eq!(leases.take(&kind(1), at(1)).unwrap().exchange, 7);
        assert!(leases.take(&kind(1), at(4_500)).is_none());
        assert_eq!(leases.want(&kind(1), at(4_600)).1, [(KeyId([1; 16]), 8)]);
    }

    #[test]
    fn so_many_are_asked_for_as_are_used() {
        let mut leases = Leases::default();
        let mut clock = 0;
        let mut asked = 0;
        // A call each 100 ms: fifty while leases last.
        for call in 0..1_000 {
            clock += 100;
            if leases.take(&kind(1), at(clock)).is_none() {
                let (wanted, _) = leases.want(&kind(1), at(clock));
                leases.put(&kind(1), (0..wanted.into()).map(lease).collect(), at(clock));
                asked += u32::from(call > 200);
            }
        }
        assert!((800 / 60..=800 / 40).contains(&asked), "{asked}");
        assert_eq!(leases.want(&kind(1), at(clock + 60_000)).0, 0);
    }

    #[test]
    fn what_is_dropped_is_named() {
        let mut leases = Leases::default();
        leases.want(&kind(1), at(0));
        leases.put(&kind(1), vec![lease(1), lease(2)], at(0));
        assert_eq!(leases.put(&kind(1), vec![lease(3)], at(0)).len(), 2);
        assert_eq!(leases.drop_bearer(KeyId([1; 16])), [(KeyId([1; 16]), 3)]);
        assert_eq!(leases.put(&kind(9), vec![lease(4)], at(0)), [(KeyId([9; 16]), 4)]);
        leases.put(&kind(1), vec![lease(5), lease(6)], at(0));
        assert!(leases.drop_key(&[1; 16]).is_empty());
        assert_eq!(leases.drop_key(&[0; 16]).len(), 2);
    }
}

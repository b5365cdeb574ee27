//! Invites: how an unknown key comes to a pool that is not open to everybody.
//!
//! Rule: a use is held for as long as its call is under way, and counted only if the key was stored;
//! so an invite never lets in more keys than it is for, and no failed call costs one.

use std::collections::HashMap;

use crate::{
    id::{Hashed, InviteId},
    time::Wall,
    tokens::{TermsRefused, parse_name},
};

/// All invites of a pool.
#[derive(Debug, Default)]
pub struct Invites {
    all: HashMap<InviteId, Invite, Hashed>,
}

#[derive(Debug)]
struct Invite {
    record: InviteRecord,
    /// Uses whose calls are under way.
    held: u32,
}

/// An invite as it is stored and told; of the code itself it holds nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InviteRecord {
    /// Its id.
    pub id: InviteId,
    /// What people call it.
    pub name: Box<str>,
    /// When it was made.
    pub made: Wall,
    /// When it expires.
    pub expires: Option<Wall>,
    /// How many keys it is for.
    pub uses: u32,
    /// How many joined with it.
    pub used: u32,
}

impl InviteRecord {
    /// A new one, if it can be.
    pub fn new(
        id: InviteId,
        name: &str,
        uses: u32,
        expires: Option<Wall>,
        made: Wall,
    ) -> Result<InviteRecord, TermsRefused> {
        if uses == 0 {
            return Err(TermsRefused::NothingAllowed);
        }
        Ok(InviteRecord { id, name: parse_name(name)?, made, expires, uses, used: 0 })
    }
}

/// Why an invite lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uninvited {
    /// Nobody gave it out, or it was taken back.
    Unknown,
    /// Its time is over.
    Expired,
    /// As many keys came with it as it is for.
    UsedUp,
}

impl Invites {
    /// Takes an invite into the book; false where it has no room.
    pub fn add(&mut self, record: InviteRecord) -> bool {
        let room = self.all.len() < MAX_INVITES || self.all.contains_key(&record.id);
        if room {
            self.all.insert(record.id, Invite { record, held: 0 });
        }
        room
    }

    /// Whether there is an invite by this id.
    pub fn knows(&self, id: InviteId) -> bool {
        self.all.contains_key(&id)
    }

    /// All invites, in the order in which they were made.
    pub fn list(&self) -> Vec<&InviteRecord> {
        let mut all: Vec<_> = self.all.values().map(|invite| &invite.record).collect();
        all.sort_unstable_by_key(|record| (record.made, record.id));
        all
    }

    /// Takes an invite back; nobody joins with it any more.
    pub fn revoke(&mut self, id: InviteId) -> bool {
        self.all.remove(&id).is_some()
    }

    /// Holds a use for a call that begins; to be given back by [`joined`](Self::joined) or
    /// [`left`](Self::left).
    pub fn hold(&mut self, id: InviteId, now: Wall) -> Result<(), Uninvited> {
        let invite = self.all.get_mut(&id).ok_or(Uninvited::Unknown)?;
        if invite.record.expires.is_some_and(|expires| expires <= now) {
            return Err(Uninvited::Expired);
        }
        if u64::from(invite.record.used) + u64::from(invite.held) >= invite.record.uses.into() {
            return Err(Uninvited::UsedUp);
        }
        invite.held += 1;
        Ok(())
    }

    /// The call's key was stored: the use counts.
    pub fn joined(&mut self, id: InviteId) {
        if let Some(invite) = self.all.get_mut(&id) {
            invite.record.used = invite.record.used.saturating_add(1);
            invite.held = invite.held.saturating_sub(1);
        }
    }

    /// The call is over, and its key was not stored.
    pub fn left(&mut self, id: InviteId) {
        if let Some(invite) = self.all.get_mut(&id) {
            invite.held = invite.held.saturating_sub(1);
        }
    }
}

/// The most invites a pool has, old ones included: who has made so many can take some back.
pub const MAX_INVITES: usize = 10_000;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ID: InviteId = InviteId([3; 16]);

    fn book(uses: u32, expires: Option<Wall>) -> Invites {
        let mut invites = Invites::default();
        invites.add(InviteRecord::new(ID, "for <friends>", uses, expires, Wall(1)).unwrap());
        invites
    }

    #[test]
    fn an_invite_lets_in_as_many_keys_as_it_is_for_and_failed_calls_cost_none() {
        let mut invites = book(2, None);
        assert_eq!([(); 2].map(|()| invites.hold(ID, Wall(5))), [Ok(()); 2]);
        assert_eq!(invites.hold(ID, Wall(5)), Err(Uninvited::UsedUp));
        invites.left(ID);
        invites.joined(ID);
        assert_eq!(invites.hold(ID, Wall(5)), Ok(()));
        invites.joined(ID);
        assert_eq!(invites.hold(ID, Wall(5)), Err(Uninvited::UsedUp));
        assert_eq!(invites.list()[0].used, 2);
    }

    #[test]
    fn an_expired_or_revoked_invite_lets_nobody_in() {
        let mut invites = book(9, Some(Wall(10)));
        assert_eq!(invites.hold(ID, Wall(9)), Ok(()));
        assert_eq!(invites.hold(ID, Wall(10)), Err(Uninvited::Expired));
        assert!(invites.revoke(ID) && !invites.revoke(ID));
        invites.joined(ID);
        assert_eq!(invites.hold(ID, Wall(9)), Err(Uninvited::Unknown));
    }

    #[test]
    fn an_invite_for_nobody_or_without_a_name_cannot_be() {
        for (name, uses) in [("x", 0), ("", 1), ("two\nlines", 1)] {
            assert!(InviteRecord::new(ID, name, uses, None, Wall(1)).is_err(), "{name:?} {uses}");
        }
    }
}

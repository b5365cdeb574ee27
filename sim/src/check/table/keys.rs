//! Keys: how they are named, what contributors do with them, and how they must be counted.

use std::time::Duration;

use potluck_core::{
    Call, Census, Event, KeyId, KeyRecord, Limits, LimitsPatch, Me, Outcome, SourceBlock, State,
    Tombstone, Usage, Way,
};

use super::{BEARERS, Checked, MODELS, Table, expect, promise};
use crate::check::{Reply, Step};

pub(super) fn id(key: u32) -> KeyId {
    KeyId([key as u8 + 1; 16])
}

pub(super) fn grave(key: u32) -> Tombstone {
    Tombstone([key as u8 + 101; 16])
}

pub(super) fn bearer(number: u8) -> u32 {
    u32::from(number) % BEARERS
}

pub(super) fn call(who: u8, model: u8, own: bool, talk: u8, tokens: u32) -> Call<'static> {
    let who = bearer(who);
    Call {
        tombstone: Some(grave(who)),
        way: if own { Way::OwnOnly } else { Way::Pool },
        conversation: (talk > 0).then_some(talk.into()),
        has_model_turn: talk > 0,
        prompt_tokens: tokens,
        source: SourceBlock(u128::from(who)),
        ..Call::plain(id(who), MODELS[usize::from(model) % MODELS.len()].0)
    }
}

impl Table {
    pub(super) fn restore(&mut self, key: u32) {
        let record = KeyRecord {
            id: id(key),
            added: self.now.wall,
            limits: Limits::default(),
            state: State::Active,
            cooldowns: Vec::new(),
            usage: Usage::default(),
            learned: "".into(),
        };
        self.pool.restore(record, key, self.now);
    }

    pub(super) fn change(&mut self, step: Step) {
        let none = LimitsPatch::default();
        let (key, patch) = match step {
            Step::Pause { key, on } => (key, LimitsPatch { paused: Some(on), ..none }),
            Step::Borrow { key, on } => (key, LimitsPatch { borrow: Some(on), ..none }),
            Step::LendPerDay { key, limit } => {
                (key, LimitsPatch { lend_per_day: Some(limit.map(u32::from)), ..none })
            }
            Step::LendModels { key, models } => {
                (key, LimitsPatch { lend_models: Some(named(models)), ..none })
            }
            _ => return,
        };
        let key = bearer(key);
        self.pool.change(id(key), Some(grave(key)), &patch, self.now);
    }

    pub(super) fn withdraw(&mut self, key: u8) {
        let key = bearer(key);
        if let Some(withdrawal) = self.pool.withdraw(id(key), grave(key), self.now) {
            self.left.insert(withdrawal.slot);
            self.withdrawn.insert(key);
        }
    }

    pub(super) fn rejoin(&mut self, key: u8) {
        let key = bearer(key);
        let patch = LimitsPatch { paused: Some(false), ..LimitsPatch::default() };
        self.pool.change(id(key), Some(grave(key)), &patch, self.now);
    }

    pub(super) fn probe(&mut self, alive: bool) {
        let Some(slot) = self.probes.pop() else { return };
        let dead = Reply::Dead.failure("").filter(|_| !alive);
        let outcome = dead.as_ref().map_or(Outcome::Served, Outcome::Failed);
        self.pool.probed(slot, outcome, self.now);
    }

    /// Lets every timer ring that is due by then.
    pub(super) fn pass(&mut self, ms: u64) {
        let end = self.now.mono + Duration::from_millis(ms);
        while let Some((due, _)) = self.pool.poll_timeout().filter(|(due, _)| *due <= end) {
            let ahead = due.since(self.now.mono);
            self.now = self.now + ahead;
            self.pool.handle_timeout(self.now);
        }
        let rest = end.since(self.now.mono);
        self.now = self.now + rest;
    }

    pub(super) fn take_events(&mut self) -> Checked {
        while let Some(event) = self.pool.poll_event(self.now) {
            match event {
                Event::Probe { slot, secret, .. } => {
                    promise(self.is_there(secret), || format!("key {secret} left and is asked"))?;
                    self.probes.push(slot);
                }
                Event::TombstoneLifted(tombstone) => {
                    self.withdrawn.retain(|key| grave(*key) != tombstone);
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn is_there(&self, key: u32) -> bool {
        self.pool.knows(id(key)) && !self.withdrawn.contains(&key)
    }

    pub(super) fn me(&self, key: u32) -> Option<Me> {
        self.pool.me(id(key), self.now)
    }

    /// Every key as its contributor sees it, counts apart.
    pub(super) fn everyone(&self) -> Vec<Option<Me>> {
        let bare = |me: Me| Me { usage: Usage::default(), ..me };
        (0..BEARERS).map(|key| self.me(key).map(bare)).collect()
    }

    pub(super) fn states_agree(&self, keys: Census) -> Checked {
        let mut found = Census::default();
        let mut active = 0;
        for key in 0..BEARERS {
            let Some(me) = self.me(key) else { continue };
            promise(!self.withdrawn.contains(&key), || format!("key {key} left and is there"))?;
            let usage = me.usage;
            let sane = usage.lent_calls.max(usage.own_calls).max(usage.borrowed_calls) < SANE
                && u64::from(usage.lent_today) < SANE;
            promise(sane, || format!("a count of key {key} fell below zero: {usage:?}"))?;
            match me.state {
                "held" => found.held += 1,
                "paused" => found.paused += 1,
                "disabled" => found.disabled += 1,
                _ => active += 1,
            }
        }
        expect(
            (found.held, found.paused, found.disabled, active),
            (keys.held, keys.paused, keys.disabled, keys.serving + keys.resting),
            "keys held, paused, disabled and in service",
        )
    }
}

fn named(models: u8) -> Option<Vec<String>> {
    let bits = (0..MODELS.len()).filter(|bit| models >> bit & 1 == 1);
    let names = bits.map(|bit| MODELS[bit].0.to_owned()).collect();
    (models > 0).then_some(names)
}

/// No count of a script comes near.
const SANE: u64 = 1 << 30;

//! The real core, driven as `crates/server/src/lease.rs` drives it.

use potluck_core::{
    After, Attempt, Call, Config, End, Ending, Event, Exchange, Guest, KeyId, KeyRecord,
    LimitsPatch, Mono, Now, Outcome, Pool, Refusal, Room, Slot, SourceBlock, State, Step as Said,
    Usage, Wall, Whose,
};

use potluck_gemini::Family;

use crate::{
    google::Answer,
    policy::{Kept, Policy, Standing, Step, Used},
    rng::mix,
    world::{Ask, MODELS, Ms, QUOTA_NAMES, START, World},
};

/// One owner of the pool.
#[derive(Debug)]
pub struct Potluck {
    pub(super) pool: Pool<u32>,
    open: Vec<Option<Open>>,
    probes: Vec<(u64, Slot)>,
    asked: u64,
}

/// An exchange under way, and the key shown.
#[derive(Debug)]
struct Open {
    exchange: Exchange,
    bearer: u32,
}

impl Potluck {
    /// With the keys that are there at the start.
    pub fn new(world: &World) -> Potluck {
        Self::part(world, 0, 1, |_| true)
    }

    /// With some of them, as one of so many parts.
    pub(super) fn part(
        world: &World,
        number: u64,
        parts: u8,
        holds: impl Fn(u32) -> bool,
    ) -> Potluck {
        let config = Config { parts, ..Config::default() };
        let pool = Pool::new(config, mix(world.seed ^ number));
        let mut potluck = Potluck { pool, open: Vec::new(), probes: Vec::new(), asked: 0 };
        for (number, key) in world.keys.iter().enumerate() {
            if key.joins == Ms::MIN && holds(number as u32) {
                potluck.restore(number as u32, key.names_models);
            }
        }
        potluck
    }

    fn restore(&mut self, number: u32, names_models: bool) {
        let now = now(START);
        let record = KeyRecord {
            id: id(number),
            added: now.wall,
            limits: potluck_core::Limits::default(),
            state: State::Active,
            cooldowns: Vec::new(),
            usage: Usage::default(),
            learned: "".into(),
        };
        self.pool.restore(record, number, now);
        if names_models {
            let names = MODELS.iter().map(|model| model.name.to_owned()).collect();
            let patch = LimitsPatch { lend_models: Some(Some(names)), ..LimitsPatch::default() };
            self.pool.change(id(number), None, &patch, now);
        }
    }

    /// What may be said of a call's bearer elsewhere, if the call was refused here.
    pub(super) fn guest(&self, call: usize) -> Option<Guest> {
        self.open[call].as_ref()?.exchange.guest()
    }

    /// Begins a call for whom another pool vouches, if there is anything for it.
    pub(super) fn begin_guest(
        &mut self,
        call: usize,
        ask: &Ask,
        guest: Guest,
        at: Ms,
    ) -> Result<Step, Refusal> {
        let said = Call { guest: Some(guest), ..call_of(ask) };
        let mut exchange = self.pool.begin(said, now(at));
        let step = self.pool.next(&mut exchange, now(at));
        self.hold(call, exchange, ask.key);
        match step {
            Said::Refuse(refusal) => Err(refusal),
            step => Ok(read(step, ask.key)),
        }
    }

    /// Holds an exchange under the call's name.
    pub(super) fn hold(&mut self, call: usize, exchange: Exchange, bearer: u32) {
        if self.open.len() <= call {
            self.open.resize_with(call + 1, || None);
        }
        self.open[call] = Some(Open { exchange, bearer });
    }
}

impl Policy for Potluck {
    fn begin(&mut self, call: usize, ask: &Ask, at: Ms) -> Step {
        let mut exchange = self.pool.begin(call_of(ask), now(at));
        let step = self.pool.next(&mut exchange, now(at));
        self.hold(call, exchange, ask.key);
        read(step, ask.key)
    }

    fn again(&mut self, call: usize, at: Ms) -> Step {
        let Some(open) = &mut self.open[call] else { return Step::Failed };
        read(self.pool.next(&mut open.exchange, now(at)), open.bearer)
    }

    fn answered(&mut self, call: usize, answer: &Answer, at: Ms) -> Step {
        let Some(open) = &mut self.open[call] else { return Step::Failed };
        let (failure, now) = (answer.failure(), now(at));
        let outcome = failure.as_ref().map_or(Outcome::Served, Outcome::Failed);
        let admit = match self.pool.report(&mut open.exchange, outcome, now) {
            After::Commit { admit: false } => return Step::Served,
            After::Pass | After::Template(_) => return Step::Failed,
            After::Commit { admit: true } | After::Admit => true,
            After::Again => false,
        };
        if admit {
            self.pool.admitted(&mut open.exchange, open.bearer, now);
        }
        if failure.is_none() {
            return Step::Served;
        }
        read(self.pool.next(&mut open.exchange, now), open.bearer)
    }

    fn ended(&mut self, call: usize, used: Used, at: Ms) {
        if let Some(open) = self.open[call].take() {
            self.pool.finish(open.exchange, end(used), now(at));
        }
    }

    fn due(&self) -> Option<Ms> {
        self.pool.poll_timeout().map(|(due, _)| moment(due))
    }

    fn wake(&mut self, at: Ms) {
        self.pool.handle_timeout(now(at));
    }

    fn probe(&mut self, at: Ms) -> Option<(u64, u32)> {
        while let Some(event) = self.pool.poll_event(now(at)) {
            if let Event::Probe { slot, secret, .. } = event {
                self.asked += 1;
                self.probes.push((self.asked, slot));
                return Some((self.asked, secret));
            }
        }
        None
    }

    fn probed(&mut self, probe: u64, answer: &Answer, at: Ms) {
        let Some(place) = self.probes.iter().position(|(asked, _)| *asked == probe) else { return };
        let (_, slot) = self.probes.swap_remove(place);
        let failure = answer.failure();
        let outcome = failure.as_ref().map_or(Outcome::Served, Outcome::Failed);
        self.pool.probed(slot, outcome, now(at));
    }

    fn kept(&mut self, quota: usize, key: u32, at: Ms) -> Kept {
        let kept = |room: Option<Room>| room.map_or(0, |room| room.kept);
        let model = QUOTA_NAMES[quota];
        let outlook = self.pool.outlook(model, Family::Generate, Some(id(key)), now(at));
        outlook.map_or(Kept::default(), |at| Kept { day: kept(at.day), minute: kept(at.minute) })
    }

    fn standing(&self, key: u32, at: Ms) -> Standing {
        match self.pool.me(id(key), now(at)) {
            None => Standing::Unknown,
            Some(me) if me.state == "disabled" => Standing::Out,
            Some(_) => Standing::In,
        }
    }
}

/// What the pool is told of a call's end, the one place for it.
fn end(used: Used) -> End {
    match used.prompt + used.output {
        0 => End::LEFT,
        tokens => End { tokens, prompt_tokens: used.prompt, ending: Ending::Whole },
    }
}

pub(super) fn read(step: Said<u32>, bearer: u32) -> Step {
    match step {
        Said::Try(Attempt { whose: Whose::Key { secret, .. }, .. }) => Step::Try(secret),
        Said::Try(Attempt { whose: Whose::Bearer, .. }) => Step::Try(bearer),
        Said::Wait { until } => Step::Wait(moment(until)),
        Said::Refuse(_) => Step::Failed,
    }
}

pub(super) fn call_of(ask: &Ask) -> Call<'static> {
    Call {
        prompt_tokens: ask.estimate,
        source: SourceBlock(u128::from(ask.contributor)),
        ..Call::plain(id(ask.key), MODELS[usize::from(ask.model)].name)
    }
}

/// Ids are hashes: evenly spread.
pub(super) fn id(key: u32) -> KeyId {
    let half = mix(u64::from(key) + 1);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&half.to_le_bytes());
    bytes[8..].copy_from_slice(&mix(half).to_le_bytes());
    KeyId(bytes)
}

pub(super) fn now(at: Ms) -> Now {
    Now { mono: Mono((at - START + BOOTED).unsigned_abs()), wall: Wall(at) }
}

fn moment(mono: Mono) -> Ms {
    i64::try_from(mono.0).unwrap_or(Ms::MAX / 2) - BOOTED + START
}

/// What the monotonic clock shows at the start.
const BOOTED: Ms = 1_000_000;

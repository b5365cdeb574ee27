//! Random scripts.

use crate::{check::Reply, rng::Rng};

/// One step. A drawn one says with any number which of the exchanges that are there it moves; in a
/// played one that is the name of the exchange, so that it means the same when others are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A call comes.
    Begin {
        /// What it is called from now on.
        name: u32,
        /// Whose.
        bearer: u8,
        /// Of what model.
        model: u8,
        /// For the own key alone.
        own: bool,
        /// A turn of this conversation; 0 for none.
        talk: u8,
        /// The size of the prompt.
        tokens: u32,
    },
    /// An exchange is begun ahead of its call.
    Ahead {
        /// What it is called from now on.
        name: u32,
        /// Whose.
        bearer: u8,
        /// Of what model.
        model: u8,
    },
    /// The call comes for which one was begun ahead.
    TakeUp {
        /// Which.
        at: u32,
        /// The size of the prompt.
        tokens: u32,
    },
    /// No call comes for it.
    GiveBack {
        /// Which.
        at: u32,
    },
    /// An exchange goes on: it asks for its next step, or its attempt is answered.
    Proceed {
        /// Which.
        at: u32,
        /// How.
        reply: Reply,
    },
    /// Time passes.
    Pass {
        /// So many milliseconds.
        ms: u32,
    },
    /// A contributor pauses the key, or does not.
    Pause {
        /// Whose.
        key: u8,
        /// Whether.
        on: bool,
    },
    /// A contributor borrows, or does not.
    Borrow {
        /// Whose.
        key: u8,
        /// Whether.
        on: bool,
    },
    /// A contributor lends so many calls a day, or any number.
    LendPerDay {
        /// Whose.
        key: u8,
        /// How many.
        limit: Option<u8>,
    },
    /// A contributor lends these models alone, as bits; 0 for all.
    LendModels {
        /// Whose.
        key: u8,
        /// Which.
        models: u8,
    },
    /// A contributor withdraws the key.
    Withdraw {
        /// Whose.
        key: u8,
    },
    /// A contributor who withdrew wants to come back.
    Rejoin {
        /// Whose.
        key: u8,
    },
    /// A probe is answered.
    Probe {
        /// Whether the key lives.
        alive: bool,
    },
}

/// Draws a script. Every script has a mood of its own: some know many deaths, some many quotas.
pub fn draw(seed: u64, length: usize) -> Vec<Step> {
    let rng = &mut Rng::of(seed, 7);
    let mood = Mood { grim: rng.unit() * rng.unit(), hasty: rng.unit() };
    (0..length).map(|name| step(rng, mood, name as u32)).collect()
}

#[derive(Clone, Copy)]
struct Mood {
    /// How often answers are other than served.
    grim: f64,
    /// How little time passes.
    hasty: f64,
}

fn step(rng: &mut Rng, mood: Mood, name: u32) -> Step {
    let (bearer, model, key, at) = (byte(rng), byte(rng), byte(rng), rng.below(256) as u32);
    let on = rng.unit() < 0.4;
    let tokens = rng.log_between(1.0, 300_000.0) as u32;
    match rng.below(100) {
        0..24 => {
            let talk = if rng.unit() < 0.2 { 1 + byte(rng) % 4 } else { 0 };
            Step::Begin { name, bearer, model, own: rng.unit() < 0.1, talk, tokens }
        }
        24..29 => Step::Ahead { name, bearer, model },
        29..32 => Step::TakeUp { at, tokens },
        32..34 => Step::GiveBack { at },
        34..84 => Step::Proceed { at, reply: reply(rng, mood) },
        84..92 => Step::Pass { ms: pause(rng, mood) },
        92 => Step::Pause { key, on },
        93 => Step::Borrow { key, on: !on },
        94 => Step::LendPerDay { key, limit: (rng.unit() < 0.6).then(|| byte(rng) % 5) },
        95 => Step::LendModels { key, models: if on { byte(rng) } else { 0 } },
        96 if on => Step::Withdraw { key },
        96 | 97 => Step::Rejoin { key },
        _ => Step::Probe { alive: on },
    }
}

fn byte(rng: &mut Rng) -> u8 {
    rng.below(256) as u8
}

/// Mostly moments, sometimes minutes, now and then a day.
fn pause(rng: &mut Rng, mood: Mood) -> u32 {
    let longest = if rng.unit() < mood.hasty { 20_000.0 } else { 100_000_000.0 };
    rng.log_between(10.0, longest) as u32
}

fn reply(rng: &mut Rng, mood: Mood) -> Reply {
    if rng.unit() > 0.1 + 0.9 * mood.grim {
        return Reply::Served;
    }
    let (wait, limit) = (rng.below(90) as u16, 1 + rng.below(20) as u16);
    match rng.below(20) {
        0..3 => Reply::CallerFault,
        3 => Reply::Unclear,
        4 => Reply::Signature,
        5..8 => Reply::Minute(wait, limit),
        8 => Reply::MinuteTokens(wait, rng.below(250_000) as u32 + 1),
        9 | 10 => Reply::Day(limit),
        11 => Reply::Zero,
        12 => Reply::Unnamed,
        13 | 14 => Reply::Dead,
        15 => Reply::Leaked,
        16 => {
            if rng.unit() < 0.3 {
                Reply::Billing
            } else {
                Reply::Place
            }
        }
        17 => Reply::Trouble,
        18 => Reply::Reset,
        _ => Reply::Leave,
    }
}

//! Draws a world.

use gemini_sim::quota::Limits;

use crate::{
    rng::Rng,
    world::{
        ALIAS, Appetite, Ask, Change, Contributor, DAY, FLASH, Key, LITE, MODELS, Ms, PRO, PROMPTS,
        Project, QUOTAS, START, Scenario, Shape, Trouble, TroubleKind, World, shadow,
    },
};

/// How large a world is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Keys of the pool.
    pub keys: usize,
    /// Contributors; by default a tenth fewer than keys.
    pub contributors: Option<usize>,
    /// Demand as a share of the aggregate quota.
    pub load: f64,
    /// Days that are measured.
    pub days: u32,
    /// Where chance comes from.
    pub seed: u64,
}

/// Draws the world of a scenario.
pub fn build(scenario: Scenario, size: Size) -> World {
    let mut world = World {
        scenario,
        seed: size.seed,
        load: size.load,
        days: size.days + 1,
        projects: Vec::new(),
        keys: Vec::new(),
        good_keys: size.keys,
        contributors: Vec::new(),
        asks: Vec::new(),
        changes: Vec::new(),
        troubles: Vec::new(),
        inspections: Vec::new(),
    };
    people(&mut world, size);
    appetites(&mut world, size);
    if scenario == Scenario::Churn {
        churn(&mut world);
    }
    let mut asks = Vec::new();
    for contributor in 0..world.contributors.len() {
        draw(&world, contributor, &mut asks);
    }
    together(&mut world, &mut asks);
    asks.sort_by_key(|ask: &Ask| (ask.at, ask.contributor, ask.model));
    world.asks = asks;
    world.changes.sort_by_key(|(at, _)| *at);
    shadow::entitle(&mut world);
    world
}

/// Projects, their keys and whom they belong to.
fn people(world: &mut World, size: Size) {
    let shared = if world.scenario == Scenario::Projects { (size.keys / 3).max(2) } else { 0 };
    let (groups, singles) = ((shared / SIBLINGS).max(usize::from(shared > 0)), size.keys - shared);
    let owners = size.contributors.unwrap_or(size.keys - size.keys / 10);
    let owners = owners.clamp(1, groups + singles);
    world.contributors =
        vec![
            Contributor { keys: Vec::new(), wants: [Appetite::NONE; QUOTAS], alone: [0; QUOTAS] };
            owners
        ];
    for number in 0..groups + singles {
        world.projects.push(project(world.scenario, size.keys, number));
    }
    for number in 0..size.keys {
        let project = if number < shared { number % groups } else { number - shared + groups };
        add_key(world, project, project % owners);
    }
}

fn add_key(world: &mut World, project: usize, owner: usize) -> u32 {
    let number = world.keys.len() as u32;
    let names_models = !world.projects[project].limits[PRO].zero();
    let names_models = names_models && world.scenario == Scenario::Zero;
    world.keys.push(Key { project, owner, joins: Ms::MIN, names_models, born_alive: true });
    world.contributors[owner].keys.push(number);
    number
}

/// A project's limits. The day of the small model shrinks as the pool grows, to keep the volume
/// of a study sensible; the other's is Google's.
fn project(scenario: Scenario, keys: usize, number: usize) -> Project {
    if scenario == Scenario::Minute {
        // As a paid project's, but smaller: prompts of some size make the tokens bind now and then.
        let paid = Limits { rpm: Some(30), tpm: Some(400_000), rpd: None, tpd: None };
        return Project { limits: [paid, Limits::ZERO, Limits::ZERO], free: false };
    }
    let lite_day = (5_000 / keys as u64).clamp(40, 500);
    let has_pro = scenario == Scenario::Zero && number % 3 == 1;
    let pro = if has_pro { Limits::new(5, 250_000, 50) } else { Limits::ZERO };
    let limits = [Limits::new(5, 250_000, 20), Limits::new(15, 250_000, lite_day), pro];
    Project { limits, free: true }
}

/// Who wants how much, and when.
fn appetites(world: &mut World, size: Size) {
    let greedy = (world.scenario == Scenario::Greedy).then(|| world.contributors.len() - 1);
    for quota in 0..QUOTAS {
        let total: f64 = (0..world.projects.len()).map(|p| capacity(world, p, quota)).sum();
        let wants: Vec<(Appetite, bool)> =
            (0..world.contributors.len()).map(|who| appetite(world, who, quota)).collect();
        let counted = |scaled: bool| {
            let theirs = wants.iter().enumerate().filter(|(who, _)| Some(*who) != greedy);
            theirs.filter(|(_, (_, s))| *s == scaled).map(|(_, (a, _))| a.per_day).sum::<f64>()
        };
        let (fixed, scaled) = (counted(false), counted(true));
        let scale = ((size.load * total - fixed) / scaled.max(1e-9)).max(0.0);
        for (who, (mut appetite, scales)) in wants.into_iter().enumerate() {
            appetite.per_day *= if scales { scale } else { 1.0 };
            if Some(who) == greedy {
                // Of the model with the small day alone, for the volume's sake.
                let per_day = if quota == FLASH { 10.0 * total } else { 0.0 };
                appetite = Appetite { shape: Shape::Steady, per_day };
            }
            world.contributors[who].wants[quota] = appetite;
        }
    }
}

/// What a project can serve in a day, or in the hours in which it is asked.
fn capacity(world: &World, project: usize, quota: usize) -> f64 {
    match world.per_day(project, quota) {
        Some(day) => day as f64,
        None => world.projects[project].per_minute(quota) * (busy(world) / 60_000) as f64,
    }
}

/// How long paid keys are asked in a day: a whole one would be millions of calls.
fn busy(world: &World) -> Ms {
    (1_500 / world.good_keys as Ms).clamp(6, 60) * 60_000
}

/// An appetite before demand is scaled, and whether it is.
fn appetite(world: &World, who: usize, quota: usize) -> (Appetite, bool) {
    let rng = &mut Rng::of(world.seed, 0x100 + (who * QUOTAS + quota) as u64);
    let mut projects: Vec<usize> =
        world.contributors[who].keys.iter().map(|key| world.keys[*key as usize].project).collect();
    projects.dedup();
    let own: f64 = projects.iter().map(|project| capacity(world, *project, quota)).sum();
    // Some who have no quota for a model want it all the same.
    let wishes = world.scenario == Scenario::Zero && own == 0.0 && quota == PRO;
    let own = if wishes && rng.unit() < 0.25 { 5.0 } else { own };
    let hours = |hours: f64| (hours * 3_600_000.0) as Ms;
    let uneven = rng.log_between(0.2, 3.0);
    if world.scenario == Scenario::Minute {
        let shape = Shape::Within { from: hours(12.0), span: busy(world) };
        return (Appetite { shape, per_day: own * uneven }, true);
    }
    let (shape, ratio, scales) = match who % 5 {
        1 => {
            let shape = Shape::Bursty { from: hours(rng.between(5.0, 19.0)), span: hours(3.0) };
            (shape, rng.between(0.3, 0.8), false)
        }
        2 => (Shape::Steady, uneven, true),
        4 => (Shape::Steady, 0.02, false),
        // People of one part of the world, mostly.
        _ => (Shape::Diurnal { peak: hours(rng.between(9.0, 21.0)) }, uneven, true),
    };
    (Appetite { shape, per_day: own * ratio }, scales)
}

/// Some keys die, half of them come back, and some join late.
fn churn(world: &mut World) {
    let rng = &mut Rng::of(world.seed, 2);
    let days = f64::from(world.days);
    let at = |days: f64| START + (days * DAY as f64) as Ms;
    for key in 0..world.keys.len() {
        let alone = world.contributors[world.keys[key].owner].keys.len() == 1;
        let (number, chance) = (key as u32, rng.unit());
        let moment = rng.between(0.5, 0.7 * days);
        if chance < 0.15 {
            world.changes.push((at(moment), Change::Dies(number)));
            if rng.unit() < 0.5 {
                world.changes.push((at(moment + 1.5), Change::Revives(number)));
            }
        } else if chance > 0.88 && alone {
            world.keys[key].joins = at(moment);
            world.changes.push((at(moment), Change::Joins(number)));
        }
    }
}

/// All calls of one contributor.
fn draw(world: &World, who: usize, out: &mut Vec<Ask>) {
    let (mut times, mut turn) = (Vec::new(), 0);
    // A limit that nobody has met is not known: on the learning day every limit is met.
    let learning = (LEARNING_LOAD / world.load).max(1.0);
    for quota in 0..QUOTAS {
        let rng = &mut Rng::of(world.seed, 0x10_0000 + (who * QUOTAS + quota) as u64);
        for day in 0..world.days {
            times.clear();
            let wants = world.contributors[who].wants[quota];
            let per_day = wants.per_day * if day == 0 { learning } else { 1.0 };
            Appetite { per_day, ..wants }.draw(rng, &mut times);
            for time in &times {
                let at = START + Ms::from(day) * DAY + time;
                out.extend(ask(world, who, quota, at, rng, &mut turn));
            }
        }
    }
}

fn ask(
    world: &World,
    who: usize,
    quota: usize,
    at: Ms,
    rng: &mut Rng,
    turn: &mut usize,
) -> Option<Ask> {
    let alias = quota == FLASH && rng.unit() < 0.2;
    let model = if alias { Some(ALIAS) } else { MODELS.iter().position(|m| m.quota == quota) };
    let tokens = rng.log_between(PROMPTS.0, PROMPTS.1);
    let estimate = tokens * rng.between(0.8, 1.2);
    let output = rng.log_between(20.0, 4_000.0);
    let isolate = rng.below(8) as u8;
    let key = shown(world, who, at, turn);
    (at >= world.keys[key as usize].joins).then_some(Ask {
        at,
        contributor: who as u32,
        key,
        model: model.unwrap_or(LITE) as u8,
        entitled: false,
        isolate,
        tokens: tokens as u32,
        estimate: estimate as u32,
        output: output as u32,
    })
}

/// The key that a contributor shows: all in turn, but for those that are dead, if not all are.
fn shown(world: &World, who: usize, at: Ms, turn: &mut usize) -> u32 {
    let keys = &world.contributors[who].keys;
    *turn += 1;
    let mut in_turn = (0..keys.len()).map(|ahead| keys[(*turn + ahead) % keys.len()]);
    let first = keys[*turn % keys.len()];
    in_turn.find(|key| keys.len() == 1 || world.is_alive_at(*key, at)).unwrap_or(first)
}

/// The scenarios in which much happens at once.
fn together(world: &mut World, asks: &mut Vec<Ask>) {
    let scenario = world.scenario;
    let noon = |day: Ms| START + day * DAY + DAY / 2;
    let mut trouble = |day: Ms, kind| {
        world.troubles.push(Trouble { from: noon(day), to: noon(day) + TROUBLE, kind });
        world.inspections.push(noon(day) + TROUBLE + 90_000);
        crowd(world, noon(day), asks);
    };
    match scenario {
        Scenario::Block => {
            trouble(1, TroubleKind::KeysLookDead);
            trouble(2, TroubleKind::Place);
        }
        Scenario::Outage => trouble(1, TroubleKind::Outage),
        Scenario::Attacker => attack(world, noon(1), noon(2), asks),
        _ => {}
    }
}

/// Everybody calls, a call a second in all, through a time of trouble and two minutes more.
fn crowd(world: &World, from: Ms, asks: &mut Vec<Ask>) {
    let rng = &mut Rng::of(world.seed, 3 + from.unsigned_abs());
    let mut turns = vec![0; world.contributors.len()];
    for second in 0..(TROUBLE / 1_000 + 120) {
        let who = rng.below(world.contributors.len() as u64) as usize;
        let at = from + second * 1_000 + rng.below(1_000) as Ms;
        asks.extend(ask(world, who, LITE, at, rng, &mut turns[who]));
    }
}

/// Fifty keys that are dead from the start are shown at one time, and fifty that were good until
/// then at another.
fn attack(world: &mut World, shown: Ms, die: Ms, asks: &mut Vec<Ask>) {
    let rng = &mut Rng::of(world.seed, 4);
    for number in 0..2 * HORDE {
        let dead = number < HORDE;
        world.projects.push(project(world.scenario, world.good_keys, number));
        world.contributors.push(Contributor {
            keys: Vec::new(),
            wants: [Appetite::NONE; QUOTAS],
            alone: [0; QUOTAS],
        });
        let (at, owner) = (if dead { shown } else { die }, world.contributors.len() - 1);
        let key = add_key(world, world.projects.len() - 1, owner);
        let place = key as usize;
        world.keys[place].born_alive = !dead;
        if dead {
            world.keys[place].joins = shown;
        } else {
            world.changes.push((die, Change::Dies(key)));
        }
        for _ in 0..2 {
            let at = at + 1 + rng.below(2_000) as Ms;
            asks.extend(ask(world, owner, FLASH, at, rng, &mut 0));
        }
    }
    world.inspections.extend([shown + 90_000, die + 150_000]);
}

/// Keys that share one project, where keys share projects.
const SIBLINGS: usize = 3;
/// The learning day's demand as a share of the quota.
const LEARNING_LOAD: f64 = 1.5;
/// How long a time of trouble is.
const TROUBLE: Ms = 600_000;
/// An attacker's keys of one kind.
const HORDE: usize = 50;

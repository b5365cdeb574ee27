//! How much a contributor asks for, and when: known functions of the time of day.
//!
//! Rule: what is drawn and what can be foretold come from one shape. [`Appetite::draw`] makes the
//! arrivals of a day; [`Appetite::mean`] and [`Appetite::variance`] say how many of them are
//! to be expected between two times of it, which is all that an oracle may know.

use crate::{
    rng::Rng,
    world::{DAY, Ms},
};

/// One contributor's wish for one quota.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Appetite {
    /// When in the day.
    pub shape: Shape,
    /// Calls a day, on average.
    pub per_day: f64,
}

/// When in the day calls come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// All day alike.
    Steady,
    /// A day and a night: most at `peak`, none half a day from it.
    Diurnal {
        /// The time of day with the most calls.
        peak: Ms,
    },
    /// On most days one burst within minutes, at any moment of a window.
    Bursty {
        /// Where the window begins.
        from: Ms,
        /// How long it is.
        span: Ms,
    },
    /// All alike, in a window of the day alone.
    Within {
        /// Where the window begins.
        from: Ms,
        /// How long it is.
        span: Ms,
    },
}

impl Appetite {
    /// Who wants nothing.
    pub const NONE: Appetite = Appetite { shape: Shape::Steady, per_day: 0.0 };

    /// Calls to be expected between two times of one day.
    pub fn mean(&self, from: Ms, to: Ms) -> f64 {
        self.per_day * (self.share(to) - self.share(from)).max(0.0)
    }

    /// How far a number of calls varies of which so many are expected.
    pub fn variance(&self, mean: f64) -> f64 {
        match self.shape {
            Shape::Bursty { .. } => {
                let size = self.per_day / BURST_CHANCE;
                let chance = (mean / size.max(1e-9)).min(1.0);
                mean + chance * (1.0 - chance) * size * size
            }
            _ => mean,
        }
    }

    /// The same for the rest of a day whose first call came at `began`: whose burst has begun, is
    /// known to have no other.
    pub fn rest(&self, began: Ms, at: Ms, mean: f64) -> f64 {
        match self.shape {
            Shape::Bursty { .. } => {
                let left = (began + BURST - at).max(0) as f64 / BURST as f64;
                self.per_day / BURST_CHANCE * left
            }
            _ => mean,
        }
    }

    /// How long a day's calls take, if they come at once.
    pub fn takes(&self) -> Option<Ms> {
        matches!(self.shape, Shape::Bursty { .. }).then_some(BURST)
    }

    /// The arrivals of one day, as times of it, in any order.
    pub fn draw(&self, rng: &mut Rng, out: &mut Vec<Ms>) {
        if self.per_day <= 0.0 {
            return;
        }
        match self.shape {
            Shape::Steady => poisson(rng, self.per_day, 0, DAY, |_| 1.0, out),
            Shape::Within { from, span } => {
                poisson(rng, self.per_day, from, from + span, |_| 1.0, out);
            }
            Shape::Diurnal { peak } => {
                let density = |at| (1.0 + angle(at - peak).cos()) / 2.0;
                poisson(rng, 2.0 * self.per_day, 0, DAY, density, out);
            }
            Shape::Bursty { from, span } => {
                if rng.unit() < BURST_CHANCE {
                    let begin = from + rng.below((span - BURST).max(1).unsigned_abs()) as Ms;
                    let size = self.per_day / BURST_CHANCE;
                    poisson(rng, size, begin, begin + BURST, |_| 1.0, out);
                }
            }
        }
    }

    /// The share of a day's calls that come before a time of it.
    fn share(&self, at: Ms) -> f64 {
        match self.shape {
            Shape::Steady => at as f64 / DAY as f64,
            Shape::Diurnal { peak } => {
                let wave = |at: Ms| angle(at - peak).sin() / std::f64::consts::TAU;
                at as f64 / DAY as f64 + wave(at) - wave(0)
            }
            Shape::Bursty { from, span } | Shape::Within { from, span } => {
                ((at - from) as f64 / span as f64).clamp(0.0, 1.0)
            }
        }
    }
}

/// Random times between two, so many on average, thinned by a density of at most 1.
fn poisson(
    rng: &mut Rng,
    count: f64,
    from: Ms,
    to: Ms,
    density: impl Fn(Ms) -> f64,
    out: &mut Vec<Ms>,
) {
    let gap = (to - from) as f64 / count;
    let mut at = from as f64;
    loop {
        at += rng.wait(gap);
        if at >= to as f64 {
            return;
        }
        if rng.unit() < density(at as Ms) {
            out.push(at as Ms);
        }
    }
}

fn angle(since: Ms) -> f64 {
    since as f64 / DAY as f64 * std::f64::consts::TAU
}

/// How many days have a burst.
const BURST_CHANCE: f64 = 0.8;
/// How long a burst takes.
const BURST: Ms = 8 * 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_is_what_was_foretold() {
        let shapes = [
            Shape::Steady,
            Shape::Diurnal { peak: 20 * 3_600_000 },
            Shape::Bursty { from: 9 * 3_600_000, span: 3 * 3_600_000 },
            Shape::Within { from: DAY / 2, span: 1_800_000 },
        ];
        for shape in shapes {
            let appetite = Appetite { shape, per_day: 40.0 };
            let (mut rng, mut drawn) = (Rng::of(1, 1), Vec::new());
            (0..2_000).for_each(|_| appetite.draw(&mut rng, &mut drawn));
            for (from, to) in [(0, DAY / 3), (DAY / 3, DAY / 2), (DAY / 2, DAY)] {
                let found = drawn.iter().filter(|at| (from..to).contains(*at)).count();
                let (found, mean) = (found as f64 / 2_000.0, appetite.mean(from, to));
                assert!((found - mean).abs() < 0.8, "{shape:?} {from}: {found}, not {mean}");
            }
        }
    }
}

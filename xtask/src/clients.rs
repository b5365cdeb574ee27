//! Suites.
use crate::{Result, test::Tally};
pub const NEEDS: &[&str] = &[];
pub fn run(_: &mut Tally) -> Result {
    Ok(())
}

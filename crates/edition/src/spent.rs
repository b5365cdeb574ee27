//! What an answer used, for the pool's counts.

use potluck_core::{End, Ending};
use potluck_gemini::stream::{Usage, Watch};

/// How an exchange ended whose answer was watched: by the answer's own account. Of one that gives none
/// the prompt's tokens count as they were estimated before, and what a judged answer holds besides
/// (compatible streams tell only whoever asked).
pub fn end(watch: &Watch, prompt_estimate: u64, judged: bool, ending: Ending) -> End {
    let Usage { prompt, output, total } = watch.usage();
    let parts = || Some(prompt?.saturating_add(output.unwrap_or(0)));
    let tokens = match total.or_else(parts) {
        Some(told) => told,
        None if judged => prompt_estimate + watch.estimate(),
        None => prompt_estimate + output.unwrap_or(0),
    };
    End { tokens, prompt_tokens: prompt.unwrap_or(0), ending }
}

/// An answer of which nothing is known but that it came whole.
pub const UNWATCHED: End = End { tokens: 0, prompt_tokens: 0, ending: Ending::Whole };

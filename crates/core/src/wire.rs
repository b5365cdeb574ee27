//! What the pool takes from the wire's side, in one place.

pub use potluck_gemini::{
    Family,
    body::Metered,
    failure::{Failure, Quota},
};

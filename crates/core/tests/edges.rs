//! Where two things meet: clocks that disagree, keys that leave while they are asked, limits that
//! change while a call is under way.
#![allow(clippy::unwrap_used, missing_docs)]

use potluck_core::{Limits, LimitsPatch, LimitsRefused};

#[test]
fn a_model_that_no_model_is_called_cannot_be_lent() {
    let patch = |name: &str| LimitsPatch {
        lend_models: Some(Some(vec![name.to_owned()])),
        ..LimitsPatch::default()
    };
    for name in ["a\nb", "*", "", "models/", "a b", "é", "models/*"] {
        let refused = patch(name).apply(&mut Limits::default());
        assert_eq!(refused, Err(LimitsRefused::NoModelName), "{name:?}");
    }
    assert_eq!(patch("models/gemini-2.5-flash_x").apply(&mut Limits::default()), Ok(()));
}

//! Where two things meet: clocks that disagree, keys that leave while they are asked, limits that
//! change while a call is under way.
#![allow(clippy::unwrap_used, missing_docs)]

mod table;

use potluck_core::{Call, Limits, LimitsPatch, LimitsRefused};
use potluck_gemini::{Family, body::Metered};
use table::*;

#[test]
fn a_doubt_about_a_metered_call_rests_that_kind_of_call_alone() {
    let mut table = Table::of(1);
    let lends = Limits { lend_models: Some([MODEL.into()].into()), ..Limits::default() };
    table.join_with(1, lends);
    let maps = Call { metered: Metered::MAPS, ..Call::plain(id(0), MODEL) };
    let blocked = || reason(403, "API_KEY_SERVICE_BLOCKED", None);

    let asked = table.ask(maps, |key| (key == 1).then(blocked));

    assert_eq!(asked.tried, [1, 0]);
    assert!((0..4).any(|_| table.serve(0) == 1), "plain calls go on");
    assert_eq!(table.ask(maps, |_| None).tried, [0], "maps rest");
}

#[test]
fn metered_calls_cannot_use_up_the_lanes_of_plain_ones() {
    let mut table = Table::of(2);
    let kinds = [
        Metered::SEARCH,
        Metered::MAPS,
        Metered::CODE,
        Metered::COMPUTER,
        Metered::IMAGE_OUT,
        Metered::SPEECH_OUT,
    ];
    for number in 0..20 {
        for bits in 1..64 {
            let chosen = kinds.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
            let metered = chosen.fold(Metered::NONE, |sum, (_, one)| sum | *one);
            let model = format!("gemini-{number}");
            let family = Family::CountTokens;
            table.ask(Call { metered, family, ..Call::plain(id(0), &model) }, |_| None);
        }
    }
    // A model of its own rests by itself, not with all that came late.
    (0..2).for_each(|_| drop(table.ask(Call::plain(id(0), "late"), |_| Some(day()))));
    assert_eq!(table.ask(Call::plain(id(0), "later"), |_| None).result, Result::Answer);
}

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

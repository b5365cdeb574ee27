#![allow(clippy::unwrap_used)]
use super::*;
use crate::time::Mono;

const ID: TokenId = TokenId([7; 16]);
/// Noon in California, in summer.
const NOON: i64 = 1_782_932_400_000;

fn at(seconds: u64) -> Now {
    Now { mono: Mono(0), wall: Wall(NOON) } + Duration::from_secs(seconds)
}

fn book(terms: Terms) -> Tokens {
    let mut tokens = Tokens::default();
    let used = Used::default();
    assert!(tokens.add(TokenRecord { id: ID, made: Wall(NOON), terms, used }));
    tokens
}

fn limit(told: Result<(), Denied>) -> (LimitOf, u64) {
    match told {
        Err(Denied::Limit { of, wait }) => (of, wait.as_secs()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_sixty_seconds_have_more_requests_than_are_allowed() {
    let mut tokens = book(Terms { requests_per_minute: Some(3), ..Terms::default() });
    let mut served = Vec::new();
    for second in 0..600 {
        if tokens.enter(ID, None, at(second)).is_ok() {
            served.push(second);
        }
    }
    assert!(served.windows(4).all(|four| four[3] - four[0] >= 60), "{served:?}");
    assert!(served.len() >= 28, "{served:?}");
    let (of, wait) = limit(tokens.may_ask(ID, at(552)));
    assert_eq!(of, LimitOf::RequestsPerMinute);
    assert!((1..=61).contains(&wait), "{wait}");
}

#[test]
fn a_day_s_requests_are_back_at_midnight_and_survive_a_restart() {
    let mut tokens = book(Terms { requests_per_day: Some(2), ..Terms::default() });
    assert_eq!([0, 1].map(|second| tokens.enter(ID, None, at(second))), [Ok(()); 2]);
    assert_eq!(limit(tokens.enter(ID, None, at(2))), (LimitOf::RequestsPerDay, 12 * 3600 - 2));

    let record = tokens.look(ID).unwrap().clone();
    let mut again = Tokens::default();
    again.add(record);
    assert_eq!(limit(again.may_ask(ID, at(3))).0, LimitOf::RequestsPerDay);
    assert_eq!(again.enter(ID, None, at(12 * 3600)), Ok(()));
    assert_eq!(again.look(ID).unwrap().used.requests, 3);
}

#[test]
fn tokens_of_text_count_once_they_are_told() {
    let limits =
        Terms { tokens_per_minute: Some(100), tokens_per_day: Some(150), ..Terms::default() };
    let mut tokens = book(limits);
    tokens.enter(ID, None, at(0)).unwrap();
    tokens.spent(ID, 120, at(1));
    assert_eq!(limit(tokens.enter(ID, None, at(2))).0, LimitOf::TokensPerMinute);
    tokens.enter(ID, None, at(63)).unwrap();
    tokens.spent(ID, 30, at(63));
    assert_eq!(limit(tokens.enter(ID, None, at(200))).0, LimitOf::TokensPerDay);
}

#[test]
fn a_revoked_or_expired_token_and_a_foreign_model_are_not_let_in() {
    let models = Some(vec!["models/a".to_owned()]);
    let mut terms = Terms::default();
    let patch = TermsPatch { models: Some(models), name: Some(" x ".into()), ..Default::default() };
    patch.apply(&mut terms).unwrap();
    let mut tokens = book(Terms { expires: Some(Wall(NOON + 5_000)), ..terms });
    assert_eq!(tokens.enter(ID, Some("b"), at(0)), Err(Denied::Model));
    assert_eq!(tokens.enter(ID, Some("a"), at(0)), Ok(()));
    assert_eq!(tokens.enter(ID, Some("a"), at(5)), Err(Denied::Expired));
    let good = [4, 5].map(|second| tokens.may_go_on(ID, at(second)));
    assert_eq!(good, [Ok(()), Err(Denied::Expired)]);
    assert!(tokens.revoke(ID) && !tokens.revoke(ID));
    assert_eq!(tokens.enter(ID, Some("a"), at(0)), Err(Denied::Unknown));
    tokens.spent(ID, 5, at(0));
}

#[test]
fn a_change_touches_what_it_names_and_nothing_where_it_is_refused() {
    let mut tokens = book(Terms { name: "one".into(), ..Terms::default() });
    let minute = TermsPatch { requests_per_minute: Some(Some(5)), ..TermsPatch::default() };
    let name = TermsPatch { name: Some("<b>二</b>".into()), ..TermsPatch::default() };
    tokens.change(ID, &minute).unwrap().unwrap();
    let record = tokens.change(ID, &name).unwrap().unwrap();
    assert_eq!((&*record.terms.name, record.terms.requests_per_minute), ("<b>二</b>", Some(5)));

    for (patch, why) in [
        (TermsPatch { name: Some("x".repeat(101)), ..minute.clone() }, TermsRefused::Name),
        (TermsPatch { name: Some("a\nb".into()), ..minute.clone() }, TermsRefused::Name),
        (
            TermsPatch { tokens_per_day: Some(Some(0)), ..name.clone() },
            TermsRefused::NothingAllowed,
        ),
        (TermsPatch { models: Some(Some(vec![String::new()])), ..name }, TermsRefused::Models),
    ] {
        assert_eq!(tokens.change(ID, &patch), Some(Err(why)));
        assert_eq!(tokens.look(ID), Some(&record));
    }
    assert_eq!(tokens.change(TokenId([8; 16]), &minute), None);
}

#[test]
fn what_was_used_is_told_once_until_it_changes() {
    let mut tokens = book(Terms::default());
    assert_eq!(tokens.take_unwritten(), []);
    tokens.enter(ID, None, at(0)).unwrap();
    tokens.enter(ID, None, at(0)).unwrap();
    let told = tokens.take_unwritten();
    assert_eq!(told.iter().map(|(id, used)| (*id, used.requests)).collect::<Vec<_>>(), [(ID, 2)]);
    assert_eq!(tokens.take_unwritten(), []);
    tokens.untold(ID);
    assert_eq!(tokens.take_unwritten(), told);
}

#[test]
fn a_full_book_takes_no_more() {
    let mut tokens = Tokens::default();
    let add = |tokens: &mut Tokens, n: usize| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&n.to_le_bytes());
        let (terms, used) = (Terms::default(), Used::default());
        tokens.add(TokenRecord { id: TokenId(id), made: Wall(0), terms, used })
    };
    assert!((0..MAX_TOKENS).all(|n| add(&mut tokens, n)));
    assert!(!add(&mut tokens, MAX_TOKENS));
    assert!(add(&mut tokens, 1), "one that is there already");
}

//! What every store that keeps access tokens and invites is tested against.

use std::pin::Pin;

use super::{id, row, stone};
use crate::admission::{AdmissionStore, Admissions, InviteRow, TokenRow, TokenTerms, TokenUsed};
use crate::rows::RowId;
use crate::{Answer, Inserted, StoreError};

/// Where such a store's data lies; opening it again finds what was there.
pub trait AdmissionPlace {
    /// Opens the store. The one opened before has been closed.
    fn open(&self) -> Answer<Box<dyn AdmissionStore>>;
}

/// One promise on trial.
pub type AdmissionCase =
    for<'p> fn(&'p dyn AdmissionPlace) -> Pin<Box<dyn Future<Output = ()> + 'p>>;

/// All promises by name; each wants a place of its own, empty.
pub const ADMISSION_CASES: &[(&str, AdmissionCase)] = &[
    ("tokens_and_invites_are_there_after_opening_again", |place| {
        Box::pin(tokens_and_invites_are_there_after_opening_again(place))
    }),
    ("a_token_s_terms_and_use_are_set_apart", |place| {
        Box::pin(a_token_s_terms_and_use_are_set_apart(place))
    }),
    ("an_invite_lets_in_as_many_keys_as_it_is_for", |place| {
        Box::pin(an_invite_lets_in_as_many_keys_as_it_is_for(place))
    }),
    ("odd_names_are_kept_and_endless_ones_refused", |place| {
        Box::pin(odd_names_are_kept_and_endless_ones_refused(place))
    }),
];

async fn tokens_and_invites_are_there_after_opening_again(place: &dyn AdmissionPlace) {
    let store = place.open().await.unwrap();
    assert_eq!(store.load_admissions().await, Ok(Admissions::default()));
    for n in [2, 1] {
        assert_eq!(store.add_token(token(n, "two")).await, Ok(true));
        assert_eq!(store.add_invite(invite(n, "three")).await, Ok(true));
    }
    assert_eq!(store.add_token(token(1, "other")).await, Ok(false));
    assert_eq!(store.add_invite(invite(1, "other")).await, Ok(false));

    store.close().await.unwrap();
    let store = place.open().await.unwrap();

    let all = store.load_admissions().await.unwrap();
    assert_eq!(all.tokens, [token(1, "two"), token(2, "two")]);
    assert_eq!(all.invites, [invite(1, "three"), invite(2, "three")]);
    assert_eq!(store.erase_token(id(1)).await, Ok(true));
    assert_eq!(store.erase_token(id(1)).await, Ok(false));
    assert_eq!(store.erase_invite(id(2)).await, Ok(true));
    assert_eq!(store.erase_invite(id(2)).await, Ok(false));
    let all = store.load_admissions().await.unwrap();
    assert_eq!((all.tokens, all.invites), (vec![token(2, "two")], vec![invite(1, "three")]));
}

async fn a_token_s_terms_and_use_are_set_apart(place: &dyn AdmissionPlace) {
    let store = place.open().await.unwrap();
    store.add_token(token(1, "one")).await.unwrap();
    let terms = TokenTerms {
        name: "another".to_owned(),
        expires_at: None,
        requests_per_minute: None,
        requests_per_day: Some(u32::MAX),
        models: Some(vec![]),
        ..token(1, "").terms
    };
    let used = TokenUsed {
        day_ends: 9,
        requests_today: 1,
        tokens_today: 2,
        requests: 3,
        tokens: u64::MAX,
        used_at: 4,
    };

    assert_eq!(store.set_token(id(1), terms.clone()).await, Ok(true));
    assert_eq!(store.set_tokens_used(vec![(id(1), used), (id(7), used)]).await, Ok(()));
    assert_eq!(store.set_token(id(7), terms.clone()).await, Ok(false));

    let kept = TokenUsed { tokens: crate::sql::LARGEST, ..used };
    let all = store.load_admissions().await.unwrap();
    assert_eq!(all.tokens, [TokenRow { terms, used: kept, ..token(1, "") }]);
}

async fn an_invite_lets_in_as_many_keys_as_it_is_for(place: &dyn AdmissionPlace) {
    let store = place.open().await.unwrap();
    store.add_invite(InviteRow { uses: 2, ..invite(1, "two") }).await.unwrap();
    let join = |n| store.insert_invited(row(n), stone(n), id(1));

    assert_eq!(join(1).await, Ok(Some(Inserted::Stored)));
    assert_eq!(join(1).await, Ok(Some(Inserted::Already)));
    assert_eq!(used(&*store).await, [1]);
    assert_eq!(join(2).await, Ok(Some(Inserted::Stored)));
    assert_eq!(join(3).await, Ok(None));
    assert_eq!(join(2).await, Ok(Some(Inserted::Already)), "a caller who left comes again");
    assert_eq!(store.insert_invited(row(3), stone(3), id(9)).await, Ok(None));

    assert_eq!(used(&*store).await, [2]);
    let keys: Vec<RowId> = store.load(0).await.unwrap().keys.iter().map(|key| key.id).collect();
    assert_eq!(keys, [id(1), id(2)]);
}

async fn odd_names_are_kept_and_endless_ones_refused(place: &dyn AdmissionPlace) {
    let store = place.open().await.unwrap();
    let odd = "<script>alert('é')</script>\u{1f372}; DROP TABLE tokens --";

    assert_eq!(store.add_token(token(1, odd)).await, Ok(true));
    assert_eq!(store.add_invite(invite(1, odd)).await, Ok(true));
    let long = "名".repeat(101);
    assert_eq!(store.add_token(token(2, &long)).await, Err(StoreError::Rejected));
    assert_eq!(store.add_invite(invite(2, &long)).await, Err(StoreError::Rejected));

    let all = store.load_admissions().await.unwrap();
    assert_eq!((all.tokens, all.invites), (vec![token(1, odd)], vec![invite(1, odd)]));
}

async fn used(store: &dyn AdmissionStore) -> Vec<u32> {
    let all = store.load_admissions().await.unwrap();
    all.invites.iter().map(|invite| invite.used).collect()
}

fn token(n: u16, name: &str) -> TokenRow {
    let terms = TokenTerms {
        name: name.to_owned(),
        expires_at: Some(1_790_000_000_000),
        requests_per_minute: Some(10),
        requests_per_day: None,
        tokens_per_minute: Some(1),
        tokens_per_day: Some(1_000_000),
        models: Some(vec!["gemini-3-pro".to_owned(), "veo".to_owned()]),
    };
    TokenRow { id: id(n), made_at: 1_780_000_000_000, terms, used: TokenUsed::default() }
}

fn invite(n: u16, name: &str) -> InviteRow {
    let (made_at, name) = (1_780_000_000_000, name.to_owned());
    InviteRow { id: id(n), name, made_at, expires_at: None, uses: 9, used: 0 }
}

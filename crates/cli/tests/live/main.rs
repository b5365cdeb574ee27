//! Live sockets: pooled where they are plain, own where they are not, told when they end.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod client;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use client::{BIDI, MODEL, SERVICE, Said, complete, knock, open};
use common::raw::Ask;
use common::serving::{Potluck, key, keys_seen, sim};
use gemini_sim::{Act, KeyState, Rule, Sim};
use serde_json::json;
use tokio_tungstenite::tungstenite::Error;

const SOON: Duration = Duration::from_secs(2);

/// A key whose sockets are closed so.
fn closing(sim: &Sim, number: usize, code: u16, reason: &str) {
    let act = Act::CloseLive { code, reason: reason.into() };
    sim.rule(Rule::always(act).key(key(number)));
}

#[tokio::test]
async fn plain_sockets_are_shared_like_calls() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    for _ in 0..6 {
        let mut client = open(&potluck, 1).await;
        assert_eq!(client.set_up(json!({})).await, complete());
        assert_eq!(client.ask("hello").await, "You said: hello");
        assert!(client.ask("2 + 2").await.contains("The answer is 4."));
        client.0.close(None).await.unwrap();
    }
    let counters = sim.counters();
    assert!((1..=3).all(|number| counters.by_key[&key(number)] == 2), "{counters:?}");
    assert!(sim.wait_until(SOON, |seen| seen.in_flight == 0));
    for arrival in sim.log() {
        assert_eq!((arrival.query.as_deref(), arrival.header("authorization")), (None, None));
    }
}

#[tokio::test]
async fn keys_are_shown_in_the_usual_ways_and_a_doubled_slash_is_forgiven() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    let bearer = format!("Bearer {}", key(1));
    let by_query = format!("{SERVICE}{BIDI}?key={}", key(1));
    let doubled = format!("/{SERVICE}{BIDI}?key={}", key(1));
    let alpha = SERVICE.replace("v1beta", "v1alpha") + BIDI;
    for (target, headers) in [
        (by_query, vec![]),
        (doubled, vec![]),
        (format!("{SERVICE}{BIDI}"), vec![("authorization", bearer.as_str())]),
        (alpha, vec![("x-goog-api-key", &bearer[7..])]),
    ] {
        let mut client = knock(&potluck, &target, &headers).await.unwrap();
        assert_eq!(client.set_up(json!({})).await, complete(), "{target}");
        let seen = sim.last().unwrap();
        assert_eq!((seen.key, seen.query), (Some(key(1)), None), "{target}");
    }
    let none = knock(&potluck, &format!("{SERVICE}{BIDI}"), &[]).await.err().unwrap();
    let Error::Http(answer) = none else { panic!("{none}") };
    assert_eq!(answer.status(), 403);
    let plain = Ask::get(&format!("{SERVICE}{BIDI}")).header("x-goog-api-key", &key(1));
    assert_eq!(potluck.ask(plain).status, 400, "no handshake");
}

#[tokio::test]
async fn what_is_bound_or_costs_is_own() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    let audio = json!({ "generationConfig": { "responseModalities": ["AUDIO"] } });
    for more in [
        json!({ "sessionResumption": {} }),
        json!({ "tools": [{ "googleSearch": {} }] }),
        json!({ "somethingOfTomorrow": {} }),
        audio.clone(),
    ] {
        for _ in 0..3 {
            let mut client = open(&potluck, 2).await;
            assert_eq!(client.set_up(more.clone()).await, complete(), "{more}");
        }
    }
    let target = format!("{SERVICE}{BIDI}");
    let key2 = key(2);
    for _ in 0..3 {
        let headers = [("x-goog-api-key", key2.as_str()), ("x-potluck-route", "own")];
        let mut client = knock(&potluck, &target, &headers).await.unwrap();
        assert_eq!(client.set_up(json!({})).await, complete());
    }
    assert_eq!(keys_seen(&sim), BTreeSet::from([key(2)]));

    potluck.change(&key(3), &json!({ "lend_models": [MODEL] }));
    for _ in 0..4 {
        assert_eq!(open(&potluck, 2).await.set_up(audio.clone()).await, complete());
    }
    assert_eq!(keys_seen(&sim), BTreeSet::from([key(2), key(3)]), "lent by name");
}

#[tokio::test]
async fn a_session_is_resumed_with_the_own_key() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    let mut client = open(&potluck, 2).await;
    client.set_up(json!({ "sessionResumption": {} })).await;
    client.ask("hello").await;
    let Said::Message(update) = client.said().await else { panic!() };
    let handle = update["sessionResumptionUpdate"]["newHandle"].clone();
    assert!(handle.is_string(), "{update}");
    drop(client);

    for _ in 0..3 {
        let mut again = open(&potluck, 2).await;
        let resumed = again.set_up(json!({ "sessionResumption": { "handle": handle } })).await;
        assert_eq!(resumed, complete());
    }
    assert_eq!(keys_seen(&sim), BTreeSet::from([key(2)]));
}

#[tokio::test]
async fn another_key_is_tried_until_google_says_complete() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    sim.set_state(&key(2), KeyState::Expired);
    let quota = "You exceeded your current quota, please check your plan and billing details.";
    closing(&sim, 3, 1011, quota);
    for _ in 0..4 {
        let mut client = open(&potluck, 1).await;
        assert_eq!(client.set_up(json!({})).await, complete());
        assert_eq!(client.ask("hello").await, "You said: hello");
    }
    let counters = sim.counters();
    let log: Vec<_> = sim.log().into_iter().map(|one| (one.key, one.path, one.status)).collect();
    assert!(counters.by_key[&key(3)] == 1, "it rests: {log:?}");
    assert_eq!(potluck.me(&key(3))["cooldowns"][0]["family"], "live");
    assert_ne!(potluck.me(&key(2))["state"], "resting");
    assert_eq!(potluck.generate(&key(1), "x").status, 200);
}

#[tokio::test]
async fn the_callers_faults_close_with_googles_words_at_once() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    for (code, reason) in [
        (1007, "Request contains an invalid argument."),
        (1008, "models/gemini-5-live is not found for API version v1beta, or is not supported"),
    ] {
        sim.clear_rules();
        sim.clear_log();
        sim.rule(Rule::always(Act::CloseLive { code, reason: reason.into() }));
        let said = open(&potluck, 1).await.set_up(json!({})).await;
        assert_eq!(said, Said::Closed(code, reason.into()));
        assert_eq!(sim.counters().requests, 1);
    }
    sim.clear_rules();
    let mut strange = open(&potluck, 1).await;
    strange.send(json!({ "clientContent": {} })).await;
    assert!(matches!(strange.said().await, Said::Closed(1007, _)));
    (1..=3).for_each(|number| assert_eq!(potluck.me(&key(number))["state"], "active"));
}

#[tokio::test]
async fn close_reasons_show_no_key() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    let reason = format!("Consumer 'api_key:{}' projects/12345 is odd", key(1));
    for within in [false, true] {
        sim.clear_rules();
        sim.rule(Rule::always(match within {
            false => Act::CloseLive { code: 1008, reason: reason.clone() },
            true => Act::CloseLiveTurn { code: 1008, reason: reason.clone() },
        }));
        let mut client = open(&potluck, 1).await;
        let mut said = client.set_up(json!({})).await;
        if within {
            assert_eq!(said, complete());
            let turn = json!({ "role": "user", "parts": [{ "text": "hello" }] });
            client
                .send(json!({ "clientContent": { "turns": [turn], "turnComplete": true } }))
                .await;
            while let Said::Message(_) = said {
                said = client.said().await;
            }
        }
        let Said::Closed(code, told) = said else { panic!("{said:?}") };
        assert_eq!(code, 1008, "{told}");
        assert!(!told.contains(&key(1)) && !told.contains("12345"), "{told}");
    }
}

#[tokio::test]
async fn what_google_closes_with_in_the_middle_has_its_effect_on_the_key() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    let quota = "You exceeded your current quota, please check your plan and billing details.";
    sim.rule(Rule::always(Act::CloseLiveTurn { code: 1011, reason: quota.into() }).key(key(2)));
    for _ in 0..2 {
        let mut client = open(&potluck, 1).await;
        assert_eq!(client.set_up(json!({})).await, complete());
        let turn = json!({ "role": "user", "parts": [{ "text": "hello" }] });
        client.send(json!({ "clientContent": { "turns": [turn], "turnComplete": true } })).await;
        client.said().await;
        let mut said = client.said().await;
        while let Said::Message(message) = &said {
            if message["serverContent"]["turnComplete"] == true {
                break;
            }
            said = client.said().await;
        }
        if let Said::Closed(code, reason) = said {
            assert_eq!((code, reason.as_str()), (1011, quota));
        }
    }
    let me = potluck.me(&key(2));
    assert_eq!(me["cooldowns"].as_array().unwrap().len(), 1, "{me}");
}

#[tokio::test]
async fn a_later_frame_that_points_at_state_ends_a_pooled_socket_alone() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    let uri = "https://generativelanguage.googleapis.com/v1beta/files/abc";
    let part = json!({ "fileData": { "fileUri": uri, "mimeType": "image/png" } });
    let foreign = json!({ "clientContent": { "turns": [{ "role": "user", "parts": [part] }],
        "turnComplete": true } });
    let mut ends = Vec::new();
    for _ in 0..2 {
        let mut client = open(&potluck, 1).await;
        assert_eq!(client.set_up(json!({})).await, complete());
        let used = sim.last().unwrap().key.unwrap();
        client.send(foreign.clone()).await;
        ends.push((used, client.said().await));
    }
    ends.sort_by(|one, other| one.0.cmp(&other.0));
    // Both close it with 1008: Google for a file that is not there, we for a key that is not
    // the caller's.
    let Said::Closed(code, reason) = &ends[0].1 else { panic!("{ends:?}") };
    assert!(!reason.contains("POOL_"), "the own socket: {code} {reason}");
    let Said::Closed(code, reason) = &ends[1].1 else { panic!("{ends:?}") };
    assert_eq!(*code, 1008);
    assert!(reason.contains("POOL_NEEDS_OWN_KEY"), "{reason}");
}

#[tokio::test]
async fn a_cut_is_told_as_a_close() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    sim.rule(Rule::always(Act::CutBody { after: 1, rst: true }));
    let mut client = open(&potluck, 1).await;
    assert_eq!(client.set_up(json!({})).await, complete());
    let turn = json!({ "role": "user", "parts": [{ "text": "hello" }] });
    client.send(json!({ "clientContent": { "turns": [turn], "turnComplete": true } })).await;
    let mut said = client.said().await;
    while let Said::Message(_) = said {
        said = client.said().await;
    }
    assert!(matches!(said, Said::Closed(1011, _)), "{said:?}");
}

#[tokio::test]
async fn who_leaves_frees_google_before_the_setup_and_after() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    let mut client = open(&potluck, 1).await;
    assert_eq!(client.set_up(json!({})).await, complete());
    assert_eq!(sim.counters().in_flight, 1);
    drop(client);
    assert!(sim.wait_until(SOON, |seen| seen.in_flight == 0), "after the setup");

    sim.rule(Rule::always(Act::StallHead));
    let mut client = open(&potluck, 1).await;
    client.send(json!({ "setup": { "model": MODEL } })).await;
    assert!(sim.wait_until(SOON, |seen| seen.in_flight == 1));
    drop(client);
    assert!(sim.wait_until(SOON, |seen| seen.in_flight == 0), "before");
}

#[tokio::test]
async fn an_exhausted_pool_closes_here() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    let quota = "You exceeded your current quota, please check your plan and billing details.";
    (1..=2).for_each(|number| closing(&sim, number, 1011, quota));
    let burned = open(&potluck, 1).await.set_up(json!({})).await;
    assert!(matches!(burned, Said::Closed(1011, _)), "{burned:?}");
    sim.clear_log();

    let said = open(&potluck, 1).await.set_up(json!({})).await;

    let Said::Closed(1011, reason) = said else { panic!("{said:?}") };
    assert!(reason.contains("rests"), "{reason}");
    assert_eq!(sim.counters().requests, 0);
}

#[tokio::test]
async fn a_socket_proves_no_key() {
    let sim = sim(1);
    let potluck = Potluck::start(&sim);
    let mut client = open(&potluck, 1).await;
    assert_eq!(client.set_up(json!({})).await, complete());
    assert_eq!(potluck.get("/pool/me", Some(&key(1))).status, 404);

    let bad = open(&potluck, 77).await.set_up(json!({})).await;
    let Said::Closed(code, reason) = bad else { panic!("{bad:?}") };
    assert_eq!(code, 1007, "{reason}");
    let again = open(&potluck, 77).await.set_up(json!({})).await;
    assert!(matches!(again, Said::Closed(1007, _)), "{again:?}");
    let asked = sim.counters().by_key.get(&key(77)).copied();
    assert_eq!(asked, Some(1), "and is not asked again at once");
}

#[tokio::test]
async fn ephemeral_tokens_pass_untouched_on_their_own_sockets_alone() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    let ask = Ask::post("/v1alpha/auth_tokens").header("x-goog-api-key", &key(2));
    let made = potluck.ask(ask.json(&json!({ "uses": 5 })));
    assert_eq!((made.status, made.served_by()), (200, "own"), "{made:?}");
    let token = made.json()["name"].as_str().unwrap().to_owned();
    sim.clear_log();
    let service = SERVICE.replace("v1beta", "v1alpha");
    let constrained = format!("{service}BidiGenerateContentConstrained");
    let header = format!("Token {token}");

    let by_header = knock(&potluck, &constrained, &[("authorization", &header)]).await;
    assert_eq!(by_header.unwrap().set_up(json!({})).await, complete());
    assert_eq!(sim.last().unwrap().header("authorization"), Some(header.as_str()));
    let query = format!("access_token={token}");
    let by_query = knock(&potluck, &format!("{constrained}?{query}"), &[]).await;
    assert_eq!(by_query.unwrap().set_up(json!({})).await, complete());
    assert_eq!(sim.last().unwrap().query.as_deref(), Some(query.as_str()));

    let before = sim.counters().requests;
    for target in [format!("{service}{BIDI}"), "/v1beta/models".to_owned()] {
        let refused = knock(&potluck, &target, &[("authorization", &header)]).await;
        let Err(Error::Http(answer)) = refused else { panic!("{target}") };
        assert_eq!(answer.status(), 400, "{target}");
    }
    let bad = format!("{constrained}?access_token=auth_tokens/unknown");
    let said = knock(&potluck, &bad, &[]).await.unwrap().set_up(json!({})).await;
    assert!(matches!(said, Said::Closed(..)), "{said:?}");
    assert_eq!(sim.counters().requests, before + 1, "one attempt");
    assert_eq!(potluck.get("/keycount", None).json()["keyCount"], 2);
}

#[tokio::test]
async fn a_door_that_is_not_open_to_strangers_is_not_open_to_ephemeral_tokens() {
    let sim = sim(1);
    for (mode, why) in [("closed", "POOL_CLOSED"), ("invite", "POOL_NEEDS_INVITE")] {
        let potluck = Potluck::with(&sim.url(), &["--admission", mode]);
        let constrained = format!("{SERVICE}{BIDI}Constrained?access_token=auth_tokens/x");

        let Err(Error::Http(answer)) = knock(&potluck, &constrained, &[]).await else {
            panic!("{mode}: it was let in")
        };

        assert_eq!(answer.status(), 403);
        let body = answer.body().clone().unwrap_or_default();
        assert!(String::from_utf8_lossy(&body).contains(why), "{mode}: {body:?}");
    }
    assert_eq!(sim.log().len(), 0);
}

#[tokio::test]
async fn a_token_opens_plain_sockets_and_no_other() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    let admin = format!("Bearer {}", potluck.admin_token());
    let make = Ask::post("/pool/admin/v1/tokens").header("authorization", &admin);
    let made = potluck.ask(make.json(&json!({ "name": "x", "requests_per_day": 2 }))).json();
    let token = made["token"].as_str().unwrap();
    let target = format!("{SERVICE}{BIDI}");
    let headers = [("x-goog-api-key", token)];

    let own = json!({ "sessionResumption": {} });
    let mut client = knock(&potluck, &target, &headers).await.unwrap();
    let Said::Closed(1008, why) = client.set_up(own).await else { panic!("it was served") };
    assert!(why.starts_with("POOL_NEEDS_OWN_KEY"), "{why}");
    let mut open = None;
    for _ in 0..2 {
        let mut client = knock(&potluck, &target, &headers).await.unwrap();
        assert_eq!(client.set_up(json!({})).await, complete());
        assert_eq!(client.ask("hello").await, "You said: hello");
        open = Some(client);
    }
    let refused = knock(&potluck, &target, &headers).await.err().unwrap();
    let Error::Http(answer) = refused else { panic!("{refused}") };
    assert_eq!(answer.status(), 429, "its requests of the day are used up");
    for path in [format!("{SERVICE}{BIDI}Music"), format!("{SERVICE}{BIDI}Constrained")] {
        let other = knock(&potluck, &path, &headers).await.err().unwrap();
        let Error::Http(answer) = other else { panic!("{other}") };
        assert!(matches!(answer.status().as_u16(), 403 | 429), "{path} {answer:?}");
    }
    let path = format!("/pool/admin/v1/tokens/{}", made["about"]["id"].as_str().unwrap());
    let revoke = Ask::new("DELETE", &path).header("authorization", &admin);
    assert_eq!(potluck.ask(revoke).status, 204);
    let Said::Closed(1008, why) = open.unwrap().said().await else { panic!("it stays open") };
    assert!(why.starts_with("POOL_UNKNOWN_TOKEN"), "{why}");
    let log = json!(sim.log()).to_string();
    assert!(!log.contains(&token[4..]));
    assert_eq!(sim.log().len(), 2);
}

#[tokio::test]
async fn what_a_turn_took_counts_at_once_and_a_spent_token_loses_its_socket() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    let admin = format!("Bearer {}", potluck.admin_token());
    let make = Ask::post("/pool/admin/v1/tokens").header("authorization", &admin);
    let made = potluck.ask(make.json(&json!({ "name": "x", "tokens_per_day": 1 }))).json();
    let token = made["token"].as_str().unwrap();
    let target = format!("{SERVICE}{BIDI}");
    let mut client = knock(&potluck, &target, &[("x-goog-api-key", token)]).await.unwrap();
    assert_eq!(client.set_up(json!({})).await, complete());

    assert_eq!(client.ask("hello").await, "You said: hello");

    let Said::Closed(1008, why) = client.said().await else { panic!("it stays open") };
    assert!(why.starts_with("POOL_TOKEN_LIMIT"), "{why}");
    let list = Ask::get("/pool/admin/v1/tokens").header("authorization", &admin);
    let used = potluck.ask(list).json()["tokens"][0]["total"].clone();
    let taken = used["tokens"].as_u64().unwrap();
    assert!(used["requests"] == 1 && taken > 1, "{used}");
    let lent = |n: usize| potluck.me(&key(n))["lent"]["tokens"].as_u64().unwrap();
    let soon = Instant::now() + Duration::from_secs(20);
    while lent(1) + lent(2) != taken {
        assert!(Instant::now() < soon, "the pool counts {} of {taken}", lent(1) + lent(2));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

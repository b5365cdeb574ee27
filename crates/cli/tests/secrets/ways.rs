//! Every way a key can take over HTTP.

use gemini_sim::{Act, Form, KeyState};
use serde_json::json;

use crate::common::raw::{Ask, Conn};
use crate::common::serving::{MODEL, generate, prompt, stream};
use crate::table::{Table, chat, shown};

/// Sends canaries 1 to 68 and 79 to 100 their ways; the others are for sockets.
pub fn all(table: &mut Table) {
    good(table);
    refused(table);
    dying(table);
    spent(table);
    breaking(table);
    own(table);
    uploads(table);
    contributors(table);
    misplaced(table);
    malformed(table);
    leaving(table);
}

/// What is left of it after a restart.
pub fn again(table: &mut Table) {
    for n in [1, 2, 3, 30, 40, 50] {
        let ask = shown(&table.key(n), n);
        table.ask(n, &ask);
    }
}

/// 1 to 20: keys join in every way that there is, and are used.
fn good(table: &mut Table) {
    let content = json!({ "content": { "parts": [{ "text": "x" }] } });
    for n in 1..=20 {
        let key = table.key(n);
        let first = match n % 5 {
            0 => chat(&key, n % 2 == 0),
            1 => Ask::get("/v1beta/models").query("key", &key),
            2 => Ask::post("/v1beta/models/gemini-embedding-001:embedContent")
                .header("x-goog-api-key", &key)
                .json(&content),
            3 => stream(&key, "hello").header("origin", "https://example.com"),
            _ => shown(&key, n),
        };
        let answer = table.ask(n, &first);
        assert_eq!(answer.header("x-potluck-key"), Some("stored"), "canary {n}: {answer:?}");
        let ask = shown(&key, n / 4);
        assert_eq!(table.ask(n, &ask).status, 200);
        // What a caller says goes to Google and back, and nowhere else.
        let said = generate(&key, &format!("my key is {key}"));
        assert!(table.ask(n, &said).text().contains(&key));
    }
}

/// 21 to 28: unknown keys that Google refuses, with the key in its words.
fn refused(table: &mut Table) {
    let states = [
        KeyState::Invalid,
        KeyState::Suspended,
        KeyState::Leaked,
        KeyState::Expired,
        KeyState::Denied,
        KeyState::ServiceDisabled,
        KeyState::IpAddress,
        KeyState::Unrestricted,
    ];
    for (n, state) in (21..=28).zip(states) {
        table.becomes(n, state);
        let key = table.key(n);
        for ask in [
            shown(&key, n),
            chat(&key, false),
            stream(&key, "hello"),
            Ask::get("/v1beta/models").query("key", &key),
            Ask::get("/v1beta/files/none").header("x-goog-api-key", &key),
        ] {
            let answer = table.ask(n, &ask);
            assert!(answer.status >= 400, "canary {n}: {answer:?}");
        }
    }
}

/// 29 to 50: members whose keys die, found out by others' calls.
fn dying(table: &mut Table) {
    for n in 29..=50 {
        table.join(n);
        table.becomes(
            n,
            match n {
                29..=36 => KeyState::Invalid,
                37..=44 => KeyState::Suspended,
                _ => KeyState::Leaked,
            },
        );
        match n % 3 {
            0 => table.reach(n, |key| generate(key, "hello")),
            1 => table.reach(n, |key| stream(key, "hello")),
            _ => table.reach(n, |key| chat(key, true)),
        }
        let own = shown(&table.key(n), n).header("x-potluck-route", "own");
        table.ask(n, &own);
        table.generate(n);
        let me = Ask::get("/pool/me").header("x-goog-api-key", &table.key(n));
        table.ask(n, &me);
    }
}

/// 51 to 56: keys without quota, and errors of any kind that name the key they came for.
fn spent(table: &mut Table) {
    for n in 51..=56 {
        table.join(n);
        let key = table.key(n);
        let words = format!("Consumer 'api_key:{key}' of projects/{key}/x: key={key} {key}");
        let error = |code: u16| {
            json!({ "error": { "code": code, "message": words, "status": "X",
                "details": [{ "@type": "x/google.rpc.DebugInfo", "detail": key },
                    { key.clone(): [words] }] } })
        };
        let page = json!(format!("<html><title>{words}</title></html>"));
        for (status, body) in [
            (400, error(400)),
            (403, json!([error(403)])),
            (429, error(429)),
            (500, error(500)),
            (503, page.clone()),
            (404, page),
            (400, json!(words)),
            // Cut in the middle of the key, as long messages are.
            (400, json!({ "error": { "message": &words[..40] } })),
            (400, json!({ "error": { "message": format!("…{}", &key[12..]) } })),
        ] {
            let rule = table.meets(n, Act::Answer { status, headers: vec![], body });
            let own = generate(&key, "hello").header("x-potluck-route", "own");
            table.ask(n, &own);
            table.ask(n, &own.header("accept", "text/html"));
            table.generate(n);
            table.sim.remove_rule(rule);
        }
        let rule = table.meets(n, Act::Sample("quota_free_per_day".into()));
        table.generate(n);
        table.sim.remove_rule(rule);
    }
}

/// 57 to 68: streams that are cut, and errors within them that name the key.
fn breaking(table: &mut Table) {
    for n in 57..=68 {
        table.join(n);
        let key = table.key(n);
        let sample = format!("Consumer 'api_key:{key}' has been suspended: {key}");
        let form = [Form::Bare, Form::Data, Form::Array][n % 3];
        let rule = table.meets(
            n,
            match n {
                57..=58 => Act::CutBody { after: 2, rst: n == 57 },
                59 => Act::EndBody { after: 2 },
                60 => Act::CutBeforeHead { rst: true },
                61 => Act::HeaderBomb { kb: 600 },
                62 => Act::BadGzip,
                _ => Act::MidStream { after: 2, sample, form },
            },
        );
        table.reach(n, |key| stream(key, "[[long 60]]"));
        table.reach(n, |key| chat(key, true));
        let own = stream(&key, "[[long 60]]").header("x-potluck-route", "own");
        table.ask(n, &own);
        table.sim.remove_rule(rule);
    }
}

/// 79 to 84: calls that only their own key may serve.
fn own(table: &mut Table) {
    for n in 79..=84 {
        table.join(n);
        let key = table.key(n);
        let cached =
            json!({ "model": format!("models/{MODEL}"), "contents": prompt("x")["contents"] });
        for ask in [
            Ask::get("/v1beta/files?pageSize=5"),
            Ask::get("/v1beta/files/none:download?alt=media"),
            Ask::post("/v1beta/cachedContents").json(&cached),
            Ask::get("/v1beta/operations/none"),
            Ask::get("/v1beta/none/such"),
            Ask::post("/v1beta/interactions").json(&json!({ "model": MODEL, "input": "x" })),
            Ask::get("/v1beta/models?fields=models.name"),
        ] {
            table.ask(n, &ask.clone().header("x-goog-api-key", &key));
            table.ask(n, &ask.query("key", &key));
        }
        let redirect =
            table.meets(n, Act::Redirect { to: "https://example.com/".into(), status: 302 });
        let down = Ask::get("/v1beta/files/x:download?alt=media").header("x-goog-api-key", &key);
        table.ask(n, &down);
        table.sim.remove_rule(redirect);
    }
}

/// 85 to 88: uploads.
fn uploads(table: &mut Table) {
    for n in 85..=88 {
        let start = Ask::post("/upload/v1beta/files")
            .query("key", &table.key(n))
            .header("x-goog-upload-protocol", "resumable")
            .header("x-goog-upload-command", "start")
            .json(&json!({ "file": { "displayName": "x" } }));
        let answer = table.ask(n, &start);
        let url = answer.header("x-goog-upload-url").unwrap();
        let target = url.strip_prefix(&table.potluck.url()).unwrap().to_owned();
        let (start, signature) = target.split_once("potluck_sig=").unwrap();
        let part = |target: &str| {
            let ask = Ask::post(target).header("x-goog-upload-command", "upload, finalize");
            ask.header("x-goog-upload-offset", "0").body("words")
        };
        let forged = format!("{start}potluck_sig={}", "0".repeat(signature.len()));
        table.ask(n, &part(&forged));
        table.ask(n, &part(&forged).query("key", &table.key(n)));
        assert_eq!(table.ask(n, &part(&target)).status, 200);
        assert!(!table.potluck.log().contains(&signature[..16]), "signatures are not logged");
    }
}

/// 89 to 92: contributors look, decide, and leave.
fn contributors(table: &mut Table) {
    for n in 89..=92 {
        let key = table.key(n);
        let me = |method: &str| Ask::new(method, "/pool/me").header("x-goog-api-key", &key);
        table.ask(n, &me("GET"));
        table.join(n);
        for ask in [
            me("GET"),
            me("PATCH").json(&json!({ "lend_per_day": 5, "lend_models": [MODEL] })),
            me("PATCH").json(&json!({ &key: &key })),
            me("PATCH").json(&json!({ "lend_models": [key] })),
            me("PATCH").body(format!("{{\"paused\": \"{key}\"")),
            me("PATCH").json(&json!({ "paused": key })),
            me("DELETE"),
            me("DELETE"),
            me("GET"),
            generate(&key, "hello"),
            me("PATCH").json(&json!({ "paused": false })),
        ] {
            table.ask(n, &ask);
        }
    }
}

/// 93 and 94, and all kinds: keys where no key belongs.
fn misplaced(table: &mut Table) {
    for n in 93..=94 {
        let key = table.key(n);
        for ask in [
            shown(&format!("sk-{key}"), n),
            shown(&format!("ya29.{key}"), n),
            shown(&format!("auth_tokens/{key}"), n),
            shown(&format!("{key}!{{}}"), 0),
            shown(&format!("{key}{key}{key}{key}{key}{key}{key}"), 2),
            shown(&key, 0).header("x-api-key", &table.key(95)),
            shown(&key, 1).query("key", &table.key(95)),
            shown(&key, 0).header("x-goog-user-project", &key).header("cookie", &key),
            shown(&key, 0).query("%24key", &key),
            shown(&key, 0).query("access_token", &key),
            shown(&key, 0).query("callback", &key),
            shown(&key, 0).query("fields", &key),
            shown(&key, 0).header("x-http-method-override", &key),
            Ask::get("/pool/admin/keys").header("authorization", &format!("Bearer {key}")),
            Ask::get("/metrics").header("authorization", &format!("Bearer {key}")),
            Ask::get(&format!("/nowhere?key={key}")),
        ] {
            table.ask(n, &ask);
        }
    }
    for n in 93..=95 {
        let key = table.key(n);
        for target in [
            format!("/v1beta/models/{key}:generateContent"),
            format!("/v1beta/files/{key}"),
            format!("/v1beta/none/{key}/such"),
            format!("/none/{key}"),
        ] {
            let ask = Ask::post(&target).header("x-goog-api-key", &key).json(&prompt("x"));
            table.ask(n, &ask);
        }
    }
}

/// 95 to 98: requests that are none.
fn malformed(table: &mut Table) {
    for n in 95..=98 {
        let key = table.key(n);
        let head = format!("x-goog-api-key: {key}\r\n");
        let long = "a".repeat(40_000);
        for bytes in [
            format!("GET /v1beta/models?key={key} HTTP/1.1\r\n\r\n"),
            format!("GET /v1beta/models HTTP/1.1\r\nHost: a\r\nHost: b\r\n{head}\r\n"),
            format!("GET http://evil/{key} HTTP/1.1\r\nHost: a\r\n{head}\r\n"),
            format!("CONNECT {key}:443 HTTP/1.1\r\nHost: {key}\r\n{head}\r\n"),
            format!("POST / HTTP/1.1\r\nHost: a\r\n{head}Transfer-Encoding: x\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nHost: a\r\n{head}x: {long}\r\n\r\n"),
            format!("GET /?key={key}{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nHost: a\r\n{key}\r\n\r\n"),
            format!("{key}\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nHost: a\r\n{head}x-{key} : \x01\r\n\r\n"),
        ] {
            let mut conn = Conn::to(table.potluck.addr());
            conn.write(bytes.as_bytes());
            if let Some(answer) = conn.answered() {
                assert!(answer.status >= 400, "{bytes} {answer:?}");
                table.hear(n, &answer);
            }
        }
        let broken = shown(&key, n).body(format!("{{\"contents\": \"{key}"));
        table.ask(n, &broken);
    }
}

/// 99 and 100: callers who leave.
fn leaving(table: &mut Table) {
    for n in 99..=100 {
        table.join(n);
        let key = table.key(n);
        for act in [Act::StallHead, Act::StallBody { after: 1 }] {
            let rule = table.meets(n, act);
            for ask in [stream(&key, "[[long 60]]"), chat(&key, true)] {
                let requests = table.sim.counters().requests;
                let own = ask.header("x-potluck-route", "own");
                let conn = own.open(table.potluck.addr());
                assert!(table.sim.wait_until(PATIENCE, |seen| seen.requests > requests));
                drop(conn);
            }
            table.sim.remove_rule(rule);
        }
        assert!(table.sim.wait_until(PATIENCE, |seen| seen.in_flight == 0));
    }
}

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

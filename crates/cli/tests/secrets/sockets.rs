//! Every way a key can take through a Live socket.

use gemini_sim::Act;
use serde_json::json;

use crate::client::{BIDI, Client, SERVICE, Said, complete, knock};
use crate::table::Table;

/// Sends canaries 69 to 78 their ways.
pub fn all(table: &mut Table) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for n in 69..=78 {
            table.join(n);
            let key = table.key(n);
            let plain = socket(table, n, false).await;
            converse(table, n, plain).await;
            let whole = format!("Permission denied: Consumer 'api_key:{key}' has been suspended.");
            // A close frame holds 123 bytes, whatever is cut by that.
            let cut = format!("{}{key}", " ".repeat(123 - 9 - n % 9));
            let inner = key[10..].to_owned();
            for reason in [whole, cut, inner] {
                let reason: String = reason.chars().take(123).collect();
                for act in [
                    Act::CloseLive { code: 1008, reason: reason.clone() },
                    Act::CloseLiveTurn { code: 1011, reason: reason.clone() },
                ] {
                    let rule = table.meets(n, act);
                    for own in [true, false] {
                        let socket = socket(table, n, own).await;
                        converse(table, n, socket).await;
                    }
                    table.sim.remove_rule(rule);
                }
            }
        }
        let token = table.key(78);
        let target = format!("{}{BIDI}Constrained", SERVICE.replace("v1beta", "v1alpha"));
        for (target, value) in [
            (format!("{target}?access_token=auth_tokens/{token}"), None),
            (target, Some(format!("Token auth_tokens/{token}"))),
        ] {
            let headers: Vec<_> = value.iter().map(|v| ("authorization", v.as_str())).collect();
            if let Ok(client) = knock(&table.potluck, &target, &headers).await {
                converse(table, 78, client).await;
            }
        }
    });
}

async fn socket(table: &Table, n: usize, own: bool) -> Client {
    let key = table.key(n);
    let route = if own { "own" } else { "pool" };
    let bearer = format!("Bearer {key}");
    let target = format!("{SERVICE}{BIDI}");
    let opened = match n % 3 {
        0 => {
            knock(&table.potluck, &target, &[("x-goog-api-key", &key), ("x-potluck-route", route)])
                .await
        }
        1 => {
            knock(
                &table.potluck,
                &target,
                &[("authorization", &bearer), ("x-potluck-route", route)],
            )
            .await
        }
        _ => {
            knock(&table.potluck, &format!("{target}?key={key}"), &[("x-potluck-route", route)])
                .await
        }
    };
    opened.unwrap()
}

/// A setup, a turn, and a frame that does not belong there; all that is said is remembered.
async fn converse(table: &mut Table, n: usize, mut client: Client) {
    let said = client.set_up(json!({})).await;
    table.hear_text(n, &format!("{said:?}"));
    if said != complete() {
        return;
    }
    let turn = json!({ "role": "user", "parts": [{ "text": "hello" }] });
    client.send(json!({ "clientContent": { "turns": [turn], "turnComplete": true } })).await;
    loop {
        let said = client.said().await;
        table.hear_text(n, &format!("{said:?}"));
        match said {
            Said::Message(message) if message["serverContent"]["turnComplete"] != true => {}
            Said::Message(_) => break,
            Said::Closed(..) | Said::Cut => return,
        }
    }
    client.0.close(None).await.unwrap();
}

//! Tells alarms to a URL of the operator's.
//!
//! Rule: as Standard Webhooks has it (standardwebhooks.com): each message has an id, which stays the
//! same when it is sent again, and is signed with its time, so that whoever gets it knows from whom it
//! is. What cannot be delivered within some minutes is given up, and said so in the log.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use potluck_edition::alarms::Notice;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::sleep;
use ureq::Agent;

use crate::app::App;
use crate::settings::Webhook;
use crate::{client, clock};

/// Where notices wait to be sent.
pub type Queue = mpsc::Sender<Notice>;

/// Queues a notice, if anybody wants it.
pub fn tell(app: &App, notice: Notice) {
    let Some(queue) = &app.webhook else { return };
    if queue.try_send(notice).is_err() {
        tracing::warn!("an alarm was not told to the webhook: too many wait already");
    }
}

/// A queue, and what sends from it.
pub fn queue(webhook: Webhook) -> (Queue, impl Future<Output = ()> + Send + use<>) {
    let (queue, mut notices) = mpsc::channel::<Notice>(QUEUE);
    let sender = Arc::new(Sender { agent: agent(), webhook });
    let sending = async move {
        while let Some(notice) = notices.recv().await {
            deliver(&sender, &notice).await;
        }
    };
    (queue, sending)
}

struct Sender {
    agent: Agent,
    webhook: Webhook,
}

async fn deliver(sender: &Arc<Sender>, notice: &Notice) {
    let told = notice.told();
    let body = json!({ "type": "potluck.alarm", "timestamp": told.at(), "data": told }).to_string();
    let Ok(number) = getrandom::u64() else { return };
    let id = format!("msg_{number:016x}");
    for wait in WAITS {
        let (sender, id, body) = (sender.clone(), id.clone(), body.clone());
        let sent = tokio::task::spawn_blocking(move || sender.send(&id, body)).await;
        match sent {
            Ok(Ok(())) => return,
            Ok(Err(why)) => tracing::warn!(why, "the webhook did not take an alarm"),
            Err(error) => tracing::error!(%error, "an alarm could not be sent"),
        }
        sleep(jittered(wait)).await;
    }
    tracing::error!("an alarm is given up: the webhook did not take it");
}

impl Sender {
    fn send(&self, id: &str, body: String) -> Result<(), String> {
        let seconds = clock::wall().0 / 1000;
        let sent = self
            .agent
            .post(self.webhook.url.to_string())
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", self.signature(id, seconds, &body))
            .send(body);
        match sent {
            Ok(answer) if answer.status().is_success() => Ok(()),
            // A redirect is not followed: whoever signs for one address does not mean another.
            Ok(answer) => Err(format!("it answers {}", answer.status().as_u16())),
            // Says which status or what of the connection; the URL may hold a secret.
            Err(ureq::Error::StatusCode(status)) => Err(format!("it answers {status}")),
            Err(_) => Err("it cannot be reached".to_owned()),
        }
    }

    fn signature(&self, id: &str, seconds: i64, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.webhook.secret.expose());
        let signed = hmac::sign(&key, format!("{id}.{seconds}.{body}").as_bytes());
        format!("v1,{}", BASE64.encode(signed.as_ref()))
    }
}

fn agent() -> Agent {
    let config = Agent::config_builder()
        .tls_config(client::tls())
        .timeout_global(Some(PATIENCE))
        .max_redirects(0)
        .build();
    config.into()
}

/// Between half of it and all of it, so that several servers do not come at once.
fn jittered(wait: Duration) -> Duration {
    let part = getrandom::u32().unwrap_or(u32::MAX);
    wait / 2 + wait.mul_f64(f64::from(part) / f64::from(u32::MAX) / 2.0)
}

/// Notices that wait: an alarm of every kind, and a key a second for some minutes.
const QUEUE: usize = 256;
/// After each failure, as long as it may take a receiver to be started anew.
const WAITS: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(20),
    Duration::from_secs(60),
    Duration::from_secs(120),
    Duration::from_secs(240),
];
/// A receiver that has not answered by then is asked again later.
const PATIENCE: Duration = Duration::from_secs(15);

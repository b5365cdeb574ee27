//! Live sockets: setup, turns, and errors as close frames.

#![allow(clippy::unwrap_used)]

mod support;

use futures_util::{SinkExt, StreamExt};
use gemini_sim::{Act, KeyState, Rule, Sim};
use serde_json::{Value, json};
use support::{KEY, OTHER, sim};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

const PATH: &str = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent";
const MODEL: &str = "models/gemini-live-2.5-flash-preview";

struct Client(WebSocketStream<TcpStream>);

/// What a socket said: a message, or its end.
#[derive(Debug, PartialEq)]
enum Said {
    Message(Value),
    Closed(u16, String),
    Cut,
}

impl Client {
    async fn open(sim: &Sim, query: &str, key: Option<&str>) -> Self {
        let url = format!("ws://{}{PATH}{query}", sim.addr());
        let mut request = url.into_client_request().unwrap();
        if let Some(key) = key {
            request.headers_mut().insert("x-goog-api-key", key.parse().unwrap());
        }
        let stream = TcpStream::connect(sim.addr()).await.unwrap();
        Self(client_async(request, stream).await.unwrap().0)
    }

    async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn setup(&mut self) -> Said {
        self.send(json!({"setup": {"model": MODEL}})).await;
        self.said().await
    }

    async fn said(&mut self) -> Said {
        match self.0.next().await {
            Some(Ok(Message::Binary(bytes))) => {
                Said::Message(serde_json::from_slice(&bytes).unwrap())
            }
            Some(Ok(Message::Close(Some(frame)))) => {
                Said::Closed(frame.code.into(), frame.reason.to_string())
            }
            _ => Said::Cut,
        }
    }

    async fn ask(&mut self, text: &str) {
        let turn = json!({"role": "user", "parts": [{"text": text}]});
        self.send(json!({"clientContent": {"turns": [turn], "turnComplete": true}})).await;
    }
}

fn complete() -> Said {
    Said::Message(json!({"setupComplete": {}}))
}

#[tokio::test]
async fn a_turn_is_answered_and_ends() {
    let sim = sim();
    for (query, key) in [(String::new(), Some(KEY)), (format!("?key={KEY}"), None)] {
        let mut client = Client::open(&sim, &query, key).await;
        assert_eq!(client.setup().await, complete());

        client.ask("20 + 22").await;

        let mut text = String::new();
        let usage = loop {
            let Said::Message(message) = client.said().await else { panic!("closed") };
            let content = &message["serverContent"];
            text += content["modelTurn"]["parts"][0]["text"].as_str().unwrap_or_default();
            if content["turnComplete"] == true {
                break message["usageMetadata"].clone();
            }
        };
        assert!(text.contains("42"), "{text}");
        assert!(usage["totalTokenCount"].as_u64().unwrap() > 0);
    }
}

#[tokio::test]
async fn errors_are_close_frames() {
    let sim = sim();
    let mut unknown = Client::open(&sim, "", Some("AIzaSyUnknown")).await;
    let text = "API key not valid. Please pass a valid API key.";
    assert_eq!(unknown.setup().await, Said::Closed(1007, text.into()));

    sim.set_state(KEY, KeyState::Leaked);
    let mut leaked = Client::open(&sim, "", Some(KEY)).await;
    assert!(
        matches!(leaked.setup().await, Said::Closed(1008, reason) if reason.contains("leaked"))
    );

    let mut client = Client::open(&sim, "", Some(OTHER)).await;
    client.send(json!({"setup": {"model": "models/none"}})).await;
    assert!(matches!(client.said().await, Said::Closed(1008, reason) if reason.len() <= 123));

    sim.rule(Rule::next(1, Act::Sample("live_close_1011_quota".into())).key(OTHER));
    let mut client = Client::open(&sim, "", Some(OTHER)).await;
    assert!(matches!(client.setup().await, Said::Closed(1011, _)));
}

#[tokio::test]
async fn sockets_can_be_cut_or_closed_in_a_turn() {
    let sim = sim();
    for act in [
        Act::CutBody { after: 1, rst: true },
        Act::CloseLiveTurn { code: 1011, reason: "Internal error encountered.".into() },
    ] {
        sim.rule(Rule::next(1, act));
        let mut client = Client::open(&sim, "", Some(KEY)).await;
        assert_eq!(client.setup().await, complete());
        client.ask("hello").await;
        assert!(matches!(client.said().await, Said::Message(_)));
        assert!(!matches!(client.said().await, Said::Message(_)));
    }
}

#[tokio::test]
async fn handles_of_other_projects_are_refused() {
    let sim = sim();
    let mut client = Client::open(&sim, "", Some(KEY)).await;
    client.send(json!({"setup": {"model": MODEL, "sessionResumption": {}}})).await;
    assert_eq!(client.said().await, complete());
    client.ask("hello").await;
    let handle = loop {
        let Said::Message(message) = client.said().await else { panic!("closed") };
        if let Some(update) = message.get("sessionResumptionUpdate") {
            break update["newHandle"].clone();
        }
    };
    let setup = json!({"setup": {"model": MODEL, "sessionResumption": {"handle": handle}}});

    let mut own = Client::open(&sim, "", Some(KEY)).await;
    own.send(setup.clone()).await;
    assert_eq!(own.said().await, complete());
    let mut other = Client::open(&sim, "", Some(OTHER)).await;
    other.send(setup).await;
    assert!(matches!(other.said().await, Said::Closed(1008, _)));
}

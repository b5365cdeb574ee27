//! A client of Live sockets.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::common::serving::{Potluck, key};

pub const SERVICE: &str = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.";
pub const BIDI: &str = "BidiGenerateContent";
pub const MODEL: &str = "models/gemini-live-2.5-flash-preview";
const PATIENCE: Duration = Duration::from_secs(20);

/// An open socket.
pub struct Client(pub WebSocketStream<TcpStream>);

/// What a socket said: a message, or its end.
#[derive(Debug, PartialEq)]
pub enum Said {
    Message(Value),
    Closed(u16, String),
    Cut,
}

/// A handshake with these headers.
pub async fn knock(
    potluck: &Potluck,
    target: &str,
    headers: &[(&'static str, &str)],
) -> Result<Client, Error> {
    let mut request = format!("ws://{}{target}", potluck.addr()).into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(potluck.addr()).await.unwrap();
    Ok(Client(client_async(request, stream).await?.0))
}

pub async fn open(potluck: &Potluck, number: usize) -> Client {
    let key = key(number);
    let opened = knock(potluck, &format!("{SERVICE}{BIDI}"), &[("x-goog-api-key", &key)]).await;
    opened.unwrap()
}

impl Client {
    pub async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    pub async fn said(&mut self) -> Said {
        match timeout(PATIENCE, self.0.next()).await.expect("a word") {
            Some(Ok(Message::Binary(bytes))) => {
                Said::Message(serde_json::from_slice(&bytes).unwrap())
            }
            Some(Ok(Message::Text(text))) => Said::Message(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Close(Some(frame)))) => {
                Said::Closed(frame.code.into(), frame.reason.to_string())
            }
            _ => Said::Cut,
        }
    }

    pub async fn set_up(&mut self, more: Value) -> Said {
        let mut setup = json!({ "model": MODEL,
            "generationConfig": { "responseModalities": ["TEXT"] } });
        for (name, value) in more.as_object().unwrap() {
            setup[name] = value.clone();
        }
        self.send(json!({ "setup": setup })).await;
        self.said().await
    }

    /// Says a turn, and listens to the answer's end.
    pub async fn ask(&mut self, text: &str) -> String {
        let turn = json!({ "role": "user", "parts": [{ "text": text }] });
        self.send(json!({ "clientContent": { "turns": [turn], "turnComplete": true } })).await;
        let mut said = String::new();
        loop {
            let Said::Message(message) = self.said().await else { panic!("it ended: {said}") };
            let content = &message["serverContent"];
            let part = &content["modelTurn"]["parts"][0]["text"];
            said += part.as_str().unwrap_or_default();
            if content["turnComplete"] == true {
                return said;
            }
        }
    }
}

pub fn complete() -> Said {
    Said::Message(json!({ "setupComplete": {} }))
}

//! A Live session: setup, turns, and the ways it can end.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use crate::{
    call::{Call, field},
    generate,
    key::Key,
    line::Line,
    mind::{self, Ask, Draft},
    problem::{Family, Problem},
    rule::Act,
    samples::{self, Filling},
};

/// The reason of a close frame is no longer.
const REASON: usize = 123;
/// Bytes of silence in a spoken answer.
const SILENCE: usize = 480;

/// What kind of socket it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// BidiGenerateContent.
    Live,
    /// BidiGenerateContentConstrained: with an ephemeral token.
    Constrained,
    /// BidiGenerateMusic.
    Music,
}

impl Kind {
    /// The kind of a service's method.
    #[must_use]
    pub fn of(service: &str) -> Option<Self> {
        let method = service.strip_prefix("google.ai.generativelanguage.")?;
        let (version, method) = method.split_once('.')?;
        match (version, method.strip_prefix("GenerativeService.")?) {
            ("v1" | "v1beta" | "v1alpha", "BidiGenerateContent") => Some(Self::Live),
            ("v1alpha", "BidiGenerateContentConstrained") => Some(Self::Constrained),
            ("v1beta" | "v1alpha", "BidiGenerateMusic") => Some(Self::Music),
            _ => None,
        }
    }
}

/// A socket and what was set up on it.
#[derive(Debug)]
pub struct Session {
    socket: WebSocketStream<TokioIo<Upgraded>>,
    kind: Kind,
    call: Call,
    line: Arc<Line>,
    arrival: u64,
    setup: Value,
    turns: Vec<Value>,
    heard: usize,
    act: Option<Act>,
}

/// How a session ends before its client ends it.
#[derive(Debug)]
enum End {
    /// The client left, orderly or not.
    Left { orderly: bool },
    /// With a close frame.
    Close { code: u16, reason: String },
    /// Without.
    Cut { rst: bool },
}

impl From<Problem> for End {
    fn from(problem: Problem) -> Self {
        let code = match problem.status() {
            400 => 1007,
            401..=404 => 1008,
            _ => 1011,
        };
        Self::Close { code, reason: problem.message().to_owned() }
    }
}

/// Holds a session until its end. True when that was orderly, or our own doing.
pub async fn run(session: &mut Session, key: Result<Key, Problem>, shown: &str, uri: &str) -> bool {
    match session.hold(key, shown, uri).await {
        Ok(()) | Err(End::Left { orderly: true }) => true,
        Err(End::Left { orderly: false }) => false,
        Err(End::Close { code, reason }) => {
            session.close(code, &reason).await;
            true
        }
        Err(End::Cut { rst }) => {
            if rst {
                session.line.reset();
            }
            true
        }
    }
}

impl Session {
    /// A session before its setup.
    #[must_use]
    pub fn new(
        socket: WebSocketStream<TokioIo<Upgraded>>,
        kind: Kind,
        call: Call,
        line: Arc<Line>,
        arrival: u64,
    ) -> Self {
        let (setup, turns) = (Value::Null, Vec::new());
        Self { socket, kind, call, line, arrival, setup, turns, heard: 0, act: None }
    }

    async fn hold(&mut self, key: Result<Key, Problem>, shown: &str, uri: &str) -> Result<(), End> {
        let first = self.receive().await?;
        self.call.key = key?;
        self.set_up(&first, shown, uri).await?;
        loop {
            let message = self.receive().await?;
            self.obey(&message).await?;
        }
    }

    async fn set_up(&mut self, first: &Value, shown: &str, uri: &str) -> Result<(), End> {
        let Some(setup) = first.get("setup") else {
            let reason = "setup must be the first message and only the first.".to_owned();
            return Err(End::Close { code: 1007, reason });
        };
        let name = setup["model"].as_str().unwrap_or_default();
        let name = name.strip_prefix("models/").unwrap_or(name).to_owned();
        {
            let mut state = self.call.world.state();
            let within = |act: &Act| act.within_socket();
            self.act = state.rules.take_if(Some(shown), Some(&name), uri, "GET", within);
            let fault = self.act.as_ref().map(Act::name);
            if let Some(entry) = state.log.entry(self.arrival) {
                entry.body(first.to_string().as_bytes());
                entry.model = Some(name.clone());
                entry.fault = fault.or(entry.fault.take());
            }
        }
        match self.act.take() {
            Some(Act::CloseLive { code, reason }) => return Err(End::Close { code, reason }),
            Some(Act::Sample(sample)) => return Err(self.sample(&sample)),
            other => self.act = other,
        }
        let music = self.kind == Kind::Music;
        let method = if music { "bidiGenerateMusic" } else { "bidiGenerateContent" };
        let model = self.call.model(&name, method)?;
        let handle = setup["sessionResumption"]["handle"].as_str().unwrap_or_default();
        if !handle.is_empty() && !handle.starts_with(&self.handle_start()) {
            let reason = "Session not found or expired.".to_owned();
            return Err(End::Close { code: 1008, reason });
        }
        self.call.spend(&model, Family::Live, 0)?;
        self.setup = setup.clone();
        self.send(json!({"setupComplete": {}})).await
    }

    fn sample(&self, name: &str) -> End {
        let filling = Filling { key: &self.call.key.key, ..Filling::default() };
        match samples::named(name).and_then(|sample| sample.close()) {
            Some((code, reason)) => End::Close { code, reason: reason.to_owned() },
            None => Problem::sample(name, &filling).into(),
        }
    }

    fn handle_start(&self) -> String {
        format!("handle-{}-", self.call.key.project)
    }

    async fn obey(&mut self, message: &Value) -> Result<(), End> {
        if self.kind == Kind::Music {
            return self.play(message).await;
        }
        let content = field(message, "clientContent", "client_content");
        if content.is_object() {
            let turns = content["turns"].as_array().cloned().unwrap_or_default();
            self.turns.extend(turns);
            if field(content, "turnComplete", "turn_complete") == true {
                return self.turn().await;
            }
            return Ok(());
        }
        let input = field(message, "realtimeInput", "realtime_input");
        if input.is_object() {
            return self.hear(input).await;
        }
        let answer = field(message, "toolResponse", "tool_response");
        if answer.is_object() {
            let results = field(answer, "functionResponses", "function_responses")
                .as_array()
                .cloned()
                .unwrap_or_default();
            let parts: Vec<Value> =
                results.into_iter().map(|result| json!({"functionResponse": result})).collect();
            self.turns.push(json!({"role": "user", "parts": parts}));
            return self.turn().await;
        }
        let reason = "Request contains an invalid argument.".to_owned();
        Err(End::Close { code: 1007, reason })
    }

    async fn hear(&mut self, input: &Value) -> Result<(), End> {
        for medium in ["audio", "video"] {
            self.heard += input[medium]["data"].as_str().map_or(0, |data| data.len() / 4 * 3);
        }
        for chunk in field(input, "mediaChunks", "media_chunks").as_array().into_iter().flatten() {
            self.heard += chunk["data"].as_str().map_or(0, |data| data.len() / 4 * 3);
        }
        if let Some(text) = input["text"].as_str() {
            self.turns.push(json!({"role": "user", "parts": [{"text": text}]}));
            return self.turn().await;
        }
        let ends = field(input, "audioStreamEnd", "audio_stream_end") == true;
        if ends || field(input, "activityEnd", "activity_end").is_object() {
            let text = format!("{} bytes of sound", std::mem::take(&mut self.heard));
            self.turns.push(json!({"role": "user", "parts": [{"text": text}]}));
            return self.turn().await;
        }
        Ok(())
    }

    async fn play(&mut self, message: &Value) -> Result<(), End> {
        if field(message, "playbackControl", "playback_control") != "PLAY" {
            return Ok(());
        }
        for _ in 0..3 {
            let chunk = json!({"data": BASE64.encode([0; SILENCE]),
                               "mimeType": "audio/l16;rate=48000;channels=2"});
            self.send(json!({"serverContent": {"audioChunks": [chunk]}})).await?;
        }
        Ok(())
    }

    async fn turn(&mut self) -> Result<(), End> {
        let mut body = self.setup.clone();
        body["contents"] = Value::Array(self.turns.clone());
        let name = self.setup["model"].as_str().unwrap_or_default();
        let model =
            self.call.model(name.strip_prefix("models/").unwrap_or(name), "bidiGenerateContent")?;
        let ask = generate::read(&self.call, &model, &body)?;
        let draft = mind::answer(&ask);
        self.turns.push(json!({"role": "model", "parts": [{"text": draft.text}]}));
        let messages = self.messages(&ask, &draft);
        let (cut, end) = match self.act.take() {
            Some(Act::CutBody { after, rst }) => (after, Some(End::Cut { rst })),
            Some(Act::CloseLiveTurn { code, reason }) => (1, Some(End::Close { code, reason })),
            Some(Act::StallBody { after }) => (after, None),
            _ => (usize::MAX, None),
        };
        for message in messages.into_iter().take(cut) {
            self.send(message).await?;
        }
        end.map_or(Ok(()), Err)
    }

    fn messages(&self, ask: &Ask, draft: &Draft) -> Vec<Value> {
        let mut messages = Vec::new();
        if ask.prompt.contains("[[goaway]]") {
            messages.push(json!({"goAway": {"timeLeft": "5s"}}));
        }
        if !draft.calls.is_empty() {
            let call = |(name, args): &(String, Value)| {
                let id = format!("function-call-{}", self.call.world.serial());
                json!({"id": id, "name": name, "args": args})
            };
            let calls: Vec<Value> = draft.calls.iter().map(call).collect();
            messages.push(json!({"toolCall": {"functionCalls": calls}}));
            return messages;
        }
        let config = field(&self.setup, "generationConfig", "generation_config");
        let spoken = field(config, "responseModalities", "response_modalities")
            .to_string()
            .to_ascii_uppercase()
            .contains("AUDIO");
        for piece in mind::pieces(&draft.text) {
            let part = if spoken {
                let data = BASE64.encode([0; SILENCE]);
                json!({"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": data}})
            } else {
                json!({ "text": piece })
            };
            messages
                .push(json!({"serverContent": {"modelTurn": {"role": "model", "parts": [part]}}}));
            if spoken && self.setup.get("outputAudioTranscription").is_some() {
                messages.push(json!({"serverContent": {"outputTranscription": {"text": piece}}}));
            }
        }
        messages.push(json!({"serverContent": {"generationComplete": true}}));
        let (prompt, output) = (ask.prompt_tokens, draft.output_tokens);
        let usage = json!({"promptTokenCount": prompt, "responseTokenCount": output,
                           "totalTokenCount": prompt + output});
        messages.push(json!({"serverContent": {"turnComplete": true}, "usageMetadata": usage}));
        if self.setup.get("sessionResumption").is_some() {
            let handle = format!("{}{}", self.handle_start(), self.call.world.serial());
            let update = json!({"newHandle": handle, "resumable": true});
            messages.push(json!({"sessionResumptionUpdate": update}));
        }
        messages
    }

    /// The next message of the client. Google takes text and binary frames alike.
    async fn receive(&mut self) -> Result<Value, End> {
        loop {
            let text = match self.socket.next().await {
                Some(Ok(Message::Text(text))) => text.as_bytes().to_vec(),
                Some(Ok(Message::Binary(bytes))) => bytes.to_vec(),
                Some(Ok(Message::Close(_))) => {
                    // The library has queued the answering close frame; this sends it.
                    let _ = self.socket.flush().await;
                    return Err(End::Left { orderly: true });
                }
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return Err(End::Left { orderly: false }),
            };
            let message = serde_json::from_slice(&text);
            return message.map_err(|_| End::Close {
                code: 1007,
                reason: "Invalid JSON payload received. Unexpected token.".to_owned(),
            });
        }
    }

    /// Google sends JSON in binary frames.
    async fn send(&mut self, message: Value) -> Result<(), End> {
        let bytes = crate::samples::pretty(&message);
        let sent = self.socket.send(Message::Binary(bytes.into())).await;
        sent.map_err(|_| End::Left { orderly: false })
    }

    async fn close(&mut self, code: u16, reason: &str) {
        let mut end = reason.len().min(REASON);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        let reason = reason[..end].to_owned().into();
        let frame = CloseFrame { code: CloseCode::from(code), reason };
        let _ = self.socket.close(Some(frame)).await;
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}

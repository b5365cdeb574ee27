//! Traces: a span for each call that goes upstream, and one below it for each attempt.
//!
//! Rule: spans are made when a call's head is there or refused, out of what was noted by then, and
//! handed to a queue that drops what does not fit; no call waits for a collector. No span holds a key, an
//! id or a word of a prompt.

use std::time::SystemTime;

use bytes::Bytes;
use http::{Request, Response, Uri};
use opentelemetry::trace::{Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use ureq::Agent;

use crate::client;

/// Where spans go.
pub struct Traces {
    tracer: SdkTracer,
    provider: SdkTracerProvider,
}

impl Traces {
    /// To a collector that takes OTLP over HTTP at this URL.
    pub fn to(url: &Uri) -> Result<Traces, String> {
        use opentelemetry::trace::TracerProvider as _;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector(agent()))
            .with_endpoint(url.to_string())
            .build()
            .map_err(|error| error.to_string())?;
        let resource = Resource::builder().with_service_name("potluck").build();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_batch_exporter(exporter)
            .build();
        Ok(Traces { tracer: provider.tracer("potluck"), provider })
    }

    /// A call whose head is there, or that was refused.
    pub fn tell(&self, noted: Noted, model: Option<&str>, outcome: Outcome) {
        let mut attributes = vec![
            KeyValue::new("potluck.attempts", i64::try_from(noted.attempts.len()).unwrap_or(0)),
            KeyValue::new("http.response.status_code", i64::from(outcome.status)),
        ];
        attributes.extend(model.map(|model| KeyValue::new("potluck.model", model.to_owned())));
        let span = self.tracer.span_builder("exchange").with_kind(SpanKind::Server);
        let span = span.with_start_time(noted.began).with_attributes(attributes);
        let mut span = self.tracer.build_with_context(span, &Context::new());
        let below = Context::new().with_remote_span_context(span.span_context().clone());
        for attempt in &noted.attempts {
            self.tell_attempt(attempt, &below);
        }
        if outcome.status >= 500 {
            span.set_status(Status::error("not served"));
        }
        span.end();
    }

    fn tell_attempt(&self, attempt: &Attempt, below: &Context) {
        let span = self.tracer.span_builder("attempt").with_kind(SpanKind::Client);
        let verdict = KeyValue::new("potluck.verdict", attempt.verdict);
        let span = span.with_start_time(attempt.began).with_attributes([verdict]);
        let mut span = self.tracer.build_with_context(span, below);
        span.end_with_timestamp(attempt.ended);
    }

    /// Sends what is left.
    pub fn end(&self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "some traces were not sent");
        }
    }
}

/// How a call ended, as far as its head tells.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// The status that the caller reads.
    pub status: u16,
}

/// What is noted of a call while it is under way.
#[derive(Debug)]
pub struct Noted {
    began: SystemTime,
    attempts: Vec<Attempt>,
}

#[derive(Debug)]
struct Attempt {
    began: SystemTime,
    ended: SystemTime,
    verdict: &'static str,
}

impl Noted {
    /// Begins now.
    pub fn start() -> Noted {
        Noted { began: SystemTime::now(), attempts: Vec::new() }
    }

    /// An attempt that began then is over.
    pub fn attempt(&mut self, began: SystemTime, verdict: &'static str) {
        self.attempts.push(Attempt { began, ended: SystemTime::now(), verdict });
    }
}

/// A collector, asked in the exporter's own thread, which may wait.
#[derive(Debug)]
struct Collector(Agent);

#[async_trait::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let answer = self.0.run(Request::from_parts(parts, body.to_vec()))?;
        let (parts, mut body) = answer.into_parts();
        Ok(Response::from_parts(parts, body.read_to_vec()?.into()))
    }
}

fn agent() -> Agent {
    let config = Agent::config_builder().tls_config(client::tls()).max_redirects(0);
    config.timeout_global(Some(PATIENCE)).build().into()
}

/// A collector that has not answered by then has lost a batch.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

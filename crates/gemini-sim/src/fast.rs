//! For benches: fixed answers, no keys, no quotas, no log, as cheap as hyper allows.
//!
//! `…:generateContent` gets one JSON of 590 bytes, `…:streamGenerateContent?alt=sse` twenty
//! events of about 200 bytes each, in a burst unless a gap is set.

use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener},
    pin::Pin,
    task::{Context, Poll, ready},
    thread,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::time::{Sleep, sleep};

/// How many events a stream has.
pub const EVENTS: usize = 20;
/// How long the answer to `:generateContent` is.
pub const BODY: usize = 590;

/// What is sent, made once.
#[derive(Clone, Debug)]
struct Fixed {
    whole: Bytes,
    event: Bytes,
    last: Bytes,
    gap: Duration,
}

/// Serves until the process ends. Every thread has a listener and a runtime of its own.
///
/// # Errors
/// When it cannot listen there.
pub fn serve(listen: SocketAddr, threads: usize, gap: Duration) -> io::Result<()> {
    let listener = TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    let fixed = Fixed::new(gap);
    let mut others = Vec::new();
    for _ in 1..threads {
        let (listener, fixed) = (listener.try_clone()?, fixed.clone());
        others.push(thread::spawn(move || run(listener, fixed)));
    }
    run(listener, fixed)
}

fn run(listener: TcpListener, fixed: Fixed) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            let fixed = fixed.clone();
            let service = service_fn(move |request| answer(request, fixed.clone()));
            tokio::spawn(async move {
                let io = TokioIo::new(stream);
                let _ = http1::Builder::new().serve_connection(io, service).await;
            });
        }
    })
}

async fn answer(mut request: Request<Incoming>, fixed: Fixed) -> Result<Response<Few>, Infallible> {
    while let Some(Ok(_)) = request.body_mut().frame().await {}
    let path = request.uri().path();
    let (kind, body) = if path.ends_with(":streamGenerateContent") {
        ("text/event-stream", Few::stream(&fixed))
    } else if path.ends_with(":generateContent") {
        ("application/json; charset=UTF-8", Few::whole(fixed.whole))
    } else {
        let mut response = Response::new(Few::whole(Bytes::new()));
        *response.status_mut() = StatusCode::NOT_FOUND;
        return Ok(response);
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

impl Fixed {
    fn new(gap: Duration) -> Self {
        let padded = |length: usize, finish: Option<&str>| {
            let make = |text: String| {
                let mut candidate =
                    json!({"content": {"parts": [{"text": text}], "role": "model"}});
                candidate["index"] = json!(0);
                if let Some(finish) = finish {
                    candidate["finishReason"] = json!(finish);
                }
                let mut answer =
                    json!({"candidates": [candidate], "modelVersion": "gemini-2.5-flash"});
                if finish.is_some() {
                    answer["usageMetadata"] = json!({"promptTokenCount": 8,
                        "candidatesTokenCount": 40, "totalTokenCount": 48});
                }
                answer.to_string()
            };
            let bare = make(String::new()).len();
            make("word ".chars().cycle().take(length.saturating_sub(bare)).collect())
        };
        let event = |finish| Bytes::from(format!("data: {}\r\n\r\n", padded(190, finish)));
        Self {
            whole: padded(BODY, Some("STOP")).into(),
            event: event(None),
            last: event(Some("STOP")),
            gap,
        }
    }
}

/// A body of one piece, or of a fixed number of equal ones.
#[derive(Debug)]
struct Few {
    piece: Bytes,
    last: Bytes,
    left: usize,
    exact: bool,
    gap: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Few {
    fn whole(body: Bytes) -> Self {
        let left = usize::from(!body.is_empty());
        let (piece, gap) = (Bytes::new(), Duration::ZERO);
        Self { piece, last: body, left, exact: true, gap, sleep: None }
    }

    fn stream(fixed: &Fixed) -> Self {
        let (piece, last, gap) = (fixed.event.clone(), fixed.last.clone(), fixed.gap);
        Self { piece, last, left: EVENTS, exact: false, gap, sleep: None }
    }
}

impl Body for Few {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(sleep) = &mut self.sleep {
            ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
        }
        self.left = match self.left {
            0 => return Poll::Ready(None),
            1 => return self.finish(),
            more => more - 1,
        };
        if !self.gap.is_zero() {
            self.sleep = Some(Box::pin(sleep(self.gap)));
        }
        Poll::Ready(Some(Ok(Frame::data(self.piece.clone()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        let length = if self.left == 0 { 0 } else { self.last.len() as u64 };
        if self.exact { SizeHint::with_exact(length) } else { SizeHint::default() }
    }
}

impl Few {
    fn finish(&mut self) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.left = 0;
        Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.last)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_as_promised() {
        let fixed = Fixed::new(Duration::ZERO);
        assert_eq!(fixed.whole.len(), BODY);
        assert!((195..=215).contains(&fixed.event.len()), "{}", fixed.event.len());
        assert!((195..=260).contains(&fixed.last.len()), "{}", fixed.last.len());
    }
}

//! An answer before and while it goes out: whole or in pieces, with everything that can go wrong
//! on the way as steps of its body.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use serde_json::Value;
use tokio::time::{Sleep, sleep};

use crate::{line::Line, passage::Passage};

/// So long a cut waits, that what was said before it is out.
const BEFORE_CUT: Duration = Duration::from_millis(15);

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Headers of its own; Google's usual ones come later.
    pub headers: HeaderMap,
    /// The body.
    pub content: Content,
}

/// A body.
#[derive(Clone, Debug)]
pub enum Content {
    /// In one piece, with its length.
    Whole(Bytes),
    /// In pieces.
    Pieces(Vec<Bytes>),
}

impl Answer {
    /// An answer in one piece.
    pub fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self { status, headers, content: Content::Whole(body.into()) }
    }

    /// JSON with status 200, printed as Google prints it.
    #[must_use]
    pub fn json(body: &Value) -> Self {
        let json = "application/json; charset=UTF-8";
        Self::new(StatusCode::OK, json, crate::samples::pretty(body))
    }

    /// A stream.
    #[must_use]
    pub fn pieces(content_type: &'static str, pieces: Vec<Bytes>) -> Self {
        let content = Content::Pieces(pieces);
        Self { content, ..Self::new(StatusCode::OK, content_type, Bytes::new()) }
    }

    /// With one more header. What cannot be a header is left out.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.append(HeaderName::from_static(name), value);
        }
        self
    }

    /// The body's pieces.
    #[must_use]
    pub fn into_pieces(self) -> Vec<Bytes> {
        match self.content {
            Content::Whole(body) => vec![body],
            Content::Pieces(pieces) => pieces,
        }
    }
}

/// One step of a body.
#[derive(Debug)]
pub enum Step {
    /// Send this.
    Data(Bytes),
    /// Wait.
    Wait(Duration),
    /// Say nothing more, ever.
    Stall,
    /// End the connection here.
    Cut {
        /// By a reset.
        rst: bool,
    },
}

/// A body that goes through its steps.
#[derive(Debug)]
pub struct Steps {
    steps: VecDeque<Step>,
    exact: Option<u64>,
    sleep: Option<Pin<Box<Sleep>>>,
    passage: Option<Passage>,
    line: Option<Arc<Line>>,
}

impl Steps {
    /// A body of these steps. It ends its passage when it has ended.
    #[must_use]
    pub fn new(steps: Vec<Step>, passage: Option<Passage>, line: Option<Arc<Line>>) -> Self {
        let exact = match steps.as_slice() {
            [] => Some(0),
            [Step::Data(body)] => Some(body.len() as u64),
            _ => None,
        };
        let mut body = Self { steps: steps.into(), exact, sleep: None, passage, line };
        if exact == Some(0) {
            body.finish();
        }
        body
    }

    fn finish(&mut self) {
        if let Some(passage) = self.passage.take() {
            passage.done();
        }
    }

    fn cut(&mut self, rst: bool) -> io::Error {
        self.finish();
        if let (true, Some(line)) = (rst, &self.line) {
            line.reset();
        }
        io::Error::other("cut on demand")
    }
}

impl Body for Steps {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if let Some(sleep) = &mut self.sleep {
                ready!(sleep.as_mut().poll(cx));
                self.sleep = None;
            }
            match self.steps.pop_front() {
                None => {
                    self.finish();
                    return Poll::Ready(None);
                }
                Some(Step::Data(data)) => {
                    // hyper does not ask again when it knows that this was all.
                    if self.steps.is_empty() {
                        self.finish();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Step::Wait(time)) => self.sleep = Some(Box::pin(sleep(time))),
                Some(Step::Stall) => {
                    self.steps.push_front(Step::Stall);
                    return Poll::Pending;
                }
                Some(Step::Cut { rst }) => return Poll::Ready(Some(Err(self.cut(rst)))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty() && self.sleep.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.exact.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// The steps that send all pieces with a pause between them.
#[must_use]
pub fn sending(pieces: Vec<Bytes>, gap: Duration) -> Vec<Step> {
    let mut steps = Vec::with_capacity(pieces.len());
    for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
        if !steps.is_empty() && !gap.is_zero() {
            steps.push(Step::Wait(gap));
        }
        steps.push(Step::Data(piece));
    }
    steps
}

/// The steps that end a connection, leaving time for what was sent before.
#[must_use]
pub fn cutting(rst: bool) -> Vec<Step> {
    vec![Step::Wait(BEFORE_CUT), Step::Cut { rst }]
}

//! An HTTP/1.1 client that hides nothing: it sends the very bytes it is told to, keeps the pieces
//! of an answer apart, and says whether the answer came whole.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Longer than anything here may take; a test that hangs ends by it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request.
#[derive(Clone, Debug)]
pub struct Ask {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

/// An answer as it came.
#[derive(Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers in order, names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body, without its framing.
    pub body: Vec<u8>,
    /// The body's chunks as they were framed; one where there was a length.
    pub chunks: Vec<Vec<u8>>,
    /// Whether its framing came to its end. A body that only the connection's end delimits never
    /// counts as whole.
    pub whole: bool,
}

impl Ask {
    /// A request without headers of its own.
    pub fn new(method: &str, target: &str) -> Ask {
        let (method, target) = (method.to_owned(), target.to_owned());
        Ask { method, target, headers: Vec::new(), body: None }
    }

    /// `GET`.
    pub fn get(target: &str) -> Ask {
        Ask::new("GET", target)
    }

    /// `POST`.
    pub fn post(target: &str) -> Ask {
        Ask::new("POST", target)
    }

    /// With a header; a second one of that name stands beside the first.
    pub fn header(mut self, name: &str, value: &str) -> Ask {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a query parameter, as it is.
    pub fn query(mut self, name: &str, value: &str) -> Ask {
        self.target.push(if self.target.contains('?') { '&' } else { '?' });
        self.target += &format!("{name}={value}");
        self
    }

    /// Whether it has that query parameter.
    pub fn has_query(&self, name: &str) -> bool {
        self.target.contains(&format!("{name}="))
    }

    /// With a body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Ask {
        self.body = Some(body.into());
        self
    }

    /// With a JSON body.
    pub fn json(self, body: &Value) -> Ask {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// Sends it over a connection of its own and reads the answer.
    pub fn send(&self, to: SocketAddr) -> Answer {
        let mut conn = self.open(to);
        conn.answer()
    }

    /// Sends it over a connection of its own.
    pub fn open(&self, to: SocketAddr) -> Conn {
        let mut conn = Conn::to(to);
        conn.ask(self);
        conn
    }

    /// The bytes that are sent. `Host` and `Content-Length` are added where they were not given.
    pub fn bytes(&self, host: SocketAddr) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let given = |name: &str| self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        if !given("host") {
            head += &format!("Host: {host}\r\n");
        }
        let framed = given("content-length") || given("transfer-encoding");
        if let Some(body) = self.body.as_ref().filter(|_| !framed) {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        [(head + "\r\n").into_bytes(), self.body.clone().unwrap_or_default()].concat()
    }
}

/// A connection.
pub struct Conn {
    stream: BufReader<TcpStream>,
    host: SocketAddr,
}

/// How a body is delimited.
enum Framing {
    Nothing,
    Length(usize),
    Chunked,
    ToTheEnd,
}

impl Conn {
    /// Connects.
    pub fn to(host: SocketAddr) -> Conn {
        Conn::let_in(host).unwrap()
    }

    /// Connects, if the door is open.
    pub fn let_in(host: SocketAddr) -> std::io::Result<Conn> {
        let stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Conn { stream: BufReader::new(stream), host })
    }

    /// The socket below.
    pub fn socket(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    /// Sends these bytes; the far end may have hung up, which its answer will show.
    pub fn write(&mut self, bytes: &[u8]) -> &mut Conn {
        let _ = self.stream.get_mut().write_all(bytes);
        self
    }

    /// Sends a request.
    pub fn ask(&mut self, ask: &Ask) {
        let bytes = ask.bytes(self.host);
        self.write(&bytes);
    }

    /// Reads an answer to its end.
    pub fn answer(&mut self) -> Answer {
        self.answered().expect("an answer")
    }

    /// Reads an answer to its end. `None` when the connection ended before its head.
    pub fn answered(&mut self) -> Option<Answer> {
        let mut answer = self.head()?;
        match framing(&answer) {
            Framing::Nothing => answer.whole = true,
            Framing::Length(length) => {
                let mut body = Vec::new();
                let _ = (&mut self.stream).take(length as u64).read_to_end(&mut body);
                answer.whole = body.len() == length;
                answer.chunks.push(body);
            }
            Framing::Chunked => {
                while let Some(chunk) = self.chunk() {
                    if chunk.is_empty() {
                        answer.whole = true;
                        break;
                    }
                    answer.chunks.push(chunk);
                }
            }
            Framing::ToTheEnd => {
                let mut body = Vec::new();
                let _ = self.stream.read_to_end(&mut body);
                answer.chunks.push(body);
            }
        }
        answer.body = answer.chunks.concat();
        Some(answer)
    }

    /// Reads the next head; informational ones are passed over. `None` when the connection ended.
    pub fn head(&mut self) -> Option<Answer> {
        loop {
            let line = self.line()?;
            let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
            let status: u16 = status.unwrap_or_else(|| panic!("no status line: {line}"));
            let mut headers = Vec::new();
            loop {
                let line = self.line()?;
                if line.is_empty() {
                    break;
                }
                let (name, value) = line.split_once(':').unwrap();
                headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
            if status >= 200 || status == 101 {
                let (body, chunks) = (Vec::new(), Vec::new());
                return Some(Answer { status, headers, body, chunks, whole: false });
            }
        }
    }

    /// Reads one chunk; the last one is empty. `None` when the connection ended instead.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = self.line()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).ok()?;
        chunk.truncate(size);
        Some(chunk)
    }

    /// Whether the far end has closed, once everything it sent is read.
    pub fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => rest.is_empty(),
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }

    fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).ok()?;
        let line = line.strip_suffix(b"\r\n")?;
        Some(String::from_utf8_lossy(line).into_owned())
    }
}

fn framing(answer: &Answer) -> Framing {
    if answer.status == 204 || answer.status == 304 {
        return Framing::Nothing;
    }
    if answer.header("transfer-encoding") == Some("chunked") {
        return Framing::Chunked;
    }
    match answer.header("content-length") {
        Some(length) => Framing::Length(length.parse().unwrap()),
        None => Framing::ToTheEnd,
    }
}

impl Answer {
    /// A header's value, by its name in small letters; panics where it came twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} twice: {:?}", self.headers);
        value
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The error object, on whichever dialect's wrapping.
    pub fn error(&self) -> Value {
        let json = self.json();
        let object = if json.is_array() { &json[0] } else { &json };
        object["error"].clone()
    }

    /// `ErrorInfo.reason`.
    pub fn reason(&self) -> String {
        let error = self.error();
        let details = error["details"].as_array().cloned().unwrap_or_default();
        let reason = details.iter().find_map(|detail| detail["reason"].as_str());
        reason.unwrap_or_default().to_owned()
    }

    /// Who served: `own` or `pool`.
    pub fn served_by(&self) -> &str {
        self.header("x-potluck-served-by").unwrap_or("nobody")
    }

    /// How many attempts it took.
    pub fn attempts(&self) -> u32 {
        self.header("x-potluck-attempts").map_or(0, |attempts| attempts.parse().unwrap())
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.text();
        let start: String = text.chars().take(1500).collect();
        writeln!(f, "{} whole={} {:?}\n{start}", self.status, self.whole, self.headers)
    }
}

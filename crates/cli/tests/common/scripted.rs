//! An upstream whose every byte the test writes itself.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// A request as it came.
pub struct Came {
    /// The request line.
    pub line: String,
    /// Headers in order, names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body, where it had a length.
    pub body: Vec<u8>,
}

impl Came {
    /// A header's value, by its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A listening upstream. Its threads end with the test's process.
pub struct Scripted {
    addr: SocketAddr,
}

impl Scripted {
    /// Answers every request, over however many connections, by this script. A script that
    /// returns `false` ends its connection.
    pub fn start<F>(script: F) -> Scripted
    where
        F: Fn(&Came, &mut TcpStream) -> bool + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let script = Arc::new(script);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let script = Arc::clone(&script);
                thread::spawn(move || serve(stream, &*script));
            }
        });
        Scripted { addr }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

fn serve(stream: TcpStream, script: &dyn Fn(&Came, &mut TcpStream) -> bool) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    while let Some(came) = read(&mut reader) {
        if !script(&came, &mut writer) {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Came> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut lines = lines.into_iter();
    let line = lines.next()?;
    let split = |line: String| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    let mut came = Came { line, headers: lines.map(split).collect(), body: Vec::new() };
    let length = came.header("content-length").map_or(0, |length| length.parse().unwrap());
    came.body = vec![0; length];
    reader.read_exact(&mut came.body).ok()?;
    Some(came)
}

/// The head of a chunked answer.
pub fn chunked(content_type: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n")
}

/// One chunk; an empty one is the last.
pub fn chunk(data: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", data.len()).into_bytes();
    chunk.extend_from_slice(data);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

/// A whole answer of JSON.
pub fn json(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\n");
    format!("{head}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// Writes, and says whether the far end is still there.
pub fn write(to: &mut TcpStream, bytes: impl AsRef<[u8]>) -> bool {
    to.write_all(bytes.as_ref()).is_ok()
}

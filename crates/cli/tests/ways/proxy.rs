//! Tiny proxies that write down what they were asked.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A proxy; its threads end with the test's process.
pub struct Proxy {
    pub addr: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// An HTTP proxy that opens tunnels for whoever shows this `Proxy-Authorization`, if it wants
    /// one.
    pub fn connect(wants: Option<&'static str>) -> Proxy {
        Proxy::start(move |stream, seen| {
            let head = read_head(stream)?;
            seen.lock().unwrap().push(head.clone());
            let shown = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("proxy-authorization").then_some(value)
            });
            if wants.is_some() && shown != wants {
                let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";
                stream.write_all(refusal.as_bytes()).ok()?;
                return None;
            }
            let target = head.split(' ').nth(1)?.to_owned();
            let far = TcpStream::connect(target).ok()?;
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
            Some(far)
        })
    }

    /// A SOCKS5 proxy, with a user and password if it wants them.
    pub fn socks(wants: Option<(&'static str, &'static str)>) -> Proxy {
        Proxy::start(move |stream, seen| {
            let mut hello = [0; 2];
            stream.read_exact(&mut hello).ok()?;
            let methods = read(stream, hello[1].into())?;
            let method = if wants.is_some() { 2 } else { 0 };
            if !methods.contains(&method) {
                stream.write_all(&[5, 255]).ok()?;
                return None;
            }
            stream.write_all(&[5, method]).ok()?;
            if let Some((user, password)) = wants {
                let version_and_length = read(stream, 2)?;
                let shown_user = read(stream, version_and_length[1].into())?;
                let length = read(stream, 1)?[0];
                let shown_password = read(stream, length.into())?;
                let good = shown_user == user.as_bytes() && shown_password == password.as_bytes();
                stream.write_all(&[1, u8::from(!good)]).ok()?;
                if !good {
                    return None;
                }
            }
            let asked = read(stream, 4)?;
            let host = match asked[3] {
                1 => std::net::Ipv4Addr::from(<[u8; 4]>::try_from(read(stream, 4)?).ok()?)
                    .to_string(),
                3 => {
                    let length = read(stream, 1)?[0];
                    String::from_utf8(read(stream, length.into())?).ok()?
                }
                _ => return None,
            };
            let port = read(stream, 2)?;
            let port = u16::from_be_bytes([port[0], port[1]]);
            seen.lock().unwrap().push(format!("{host}:{port}"));
            let far = TcpStream::connect((host.as_str(), port)).ok()?;
            stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).ok()?;
            Some(far)
        })
    }

    /// What it was asked, in order.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    fn start<F>(open: F) -> Proxy
    where
        F: Fn(&mut TcpStream, &Mutex<Vec<String>>) -> Option<TcpStream> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (open, notes) = (Arc::new(open), Arc::clone(&seen));
        thread::spawn(move || {
            for mut near in listener.incoming().flatten() {
                let (open, notes) = (Arc::clone(&open), Arc::clone(&notes));
                thread::spawn(move || {
                    if let Some(far) = open(&mut near, &notes) {
                        join(near, far);
                    }
                });
            }
        });
        Proxy { addr, seen }
    }
}

fn join(near: TcpStream, far: TcpStream) {
    let (mut near_out, mut far_out) = (near.try_clone().unwrap(), far.try_clone().unwrap());
    let (mut near, mut far) = (near, far);
    let back = thread::spawn(move || {
        let _ = std::io::copy(&mut far, &mut near_out);
        let _ = near_out.shutdown(std::net::Shutdown::Both);
    });
    let _ = std::io::copy(&mut near, &mut far_out);
    let _ = far_out.shutdown(std::net::Shutdown::Both);
    let _ = back.join();
}

fn read(from: &mut TcpStream, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn read_head(from: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(read(from, 1)?);
    }
    String::from_utf8(head).ok()
}

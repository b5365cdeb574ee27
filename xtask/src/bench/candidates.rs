//! Who is measured, and how each is set up: one worker, keep-alive to the upstream, no access log,
//! and streams passed on as they come (nginx would buffer them, HAProxy wait for more).

use super::processes::{Cpu, cpu_of, rss_of};
use super::{KEYS, PROXY_CORE, on_core};
use crate::Result;
use crate::shell::{program, shown};
use crate::stage::{Server, address, built, free_port};
use std::path::Path;
use std::process::Command;

/// A proxy, or the upstream itself.
pub struct Candidate {
    pub name: &'static str,
    pub port: u16,
    /// Absent for the upstream itself.
    pub server: Option<Server>,
    pub version: String,
    pub command: String,
}

impl Candidate {
    pub fn cpu(&self) -> Cpu {
        self.server.as_ref().map_or(Cpu(0), cpu_of)
    }

    pub fn rss_kib(&self) -> u64 {
        self.server.as_ref().map_or(0, rss_of)
    }
}

/// Starts all of them.
pub fn start(upstream: u16, folder: &Path) -> Result<Vec<Candidate>> {
    let none = Candidate {
        name: "no proxy",
        port: upstream,
        server: None,
        version: String::new(),
        command: String::new(),
    };
    Ok(vec![none, nginx(upstream, folder)?, haproxy(upstream, folder)?, potluck(upstream, folder)?])
}

fn nginx(upstream: u16, folder: &Path) -> Result<Candidate> {
    let port = free_port()?;
    let (here, there) = (address(port), address(upstream));
    let at = folder.display();
    let text = format!(
        "daemon off; master_process off; pid {at}/nginx.pid; error_log {at}/nginx.err;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {at}/n1; proxy_temp_path {at}/n2; fastcgi_temp_path {at}/n3;
  uwsgi_temp_path {at}/n4; scgi_temp_path {at}/n5;
  keepalive_requests 1000000000;
  upstream gemini {{ server {there}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen {here};
    location / {{
      proxy_pass http://gemini; proxy_http_version 1.1; proxy_set_header Connection \"\";
    }}
    location ~ streamGenerateContent {{
      proxy_pass http://gemini; proxy_http_version 1.1; proxy_set_header Connection \"\";
      proxy_buffering off;
    }}
  }}
}}
"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, text).map_err(|e| e.to_string())?;
    let mut command = on_core(PROXY_CORE);
    command.arg("/usr/sbin/nginx").arg("-c").arg(&file);
    let version = said(program("/usr/sbin/nginx").arg("-v"));
    candidate("nginx", port, command, version, folder)
}

fn haproxy(upstream: u16, folder: &Path) -> Result<Candidate> {
    let port = free_port()?;
    let (here, there) = (address(port), address(upstream));
    let text = format!(
        "global
  nbthread 1
  maxconn 4096
defaults
  mode http
  http-reuse always
  option http-no-delay
  timeout connect 5s
  timeout client 300s
  timeout server 300s
listen gemini
  bind {here}
  server gemini {there} pool-max-conn 256
"
    );
    let file = folder.join("haproxy.cfg");
    std::fs::write(&file, text).map_err(|e| e.to_string())?;
    let mut command = on_core(PROXY_CORE);
    command.args(["/usr/sbin/haproxy", "-db", "-f"]).arg(&file);
    let version = said(program("/usr/sbin/haproxy").arg("-v"));
    candidate("HAProxy", port, command, version, folder)
}

fn potluck(upstream: u16, folder: &Path) -> Result<Candidate> {
    let port = free_port()?;
    let mut command = on_core(PROXY_CORE);
    command.arg(built("potluck", "release")).args(["serve", "--threads", "1"]);
    command.args([
        "--listen",
        &address(port),
        "--upstream",
        &format!("http://{}", address(upstream)),
    ]);
    command.arg("--data").arg(folder.join("potluck-data"));
    let version = said(program(built("potluck", "release")).arg("--version"));
    candidate("Potluck", port, command, format!("{version}, {KEYS} keys"), folder)
}

fn candidate(
    name: &'static str,
    port: u16,
    mut command: Command,
    version: String,
    folder: &Path,
) -> Result<Candidate> {
    let log = folder.join(format!("{name}.log"));
    let server = Server::start(&mut command, port, log)?;
    Ok(Candidate { name, port, server: Some(server), version, command: shown(&command) })
}

/// The first line that a program says, on either output.
fn said(command: &mut Command) -> String {
    let text = command.output().map(|out| [out.stdout, out.stderr].concat()).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().next().unwrap_or("unknown").to_owned()
}

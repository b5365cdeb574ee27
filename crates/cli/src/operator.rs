//! A running server, as an operator speaks to it.
//!
//! Rule: commands do what the server's API does, over the same wire as anybody, so that a running
//! server and its data never disagree.

use http::{Method, Uri};
use potluck_server::{Server, client};
use serde_json::Value;
use ureq::{Agent, Body, http::Response};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// A server, and what lets us in.
pub struct Operator {
    agent: Agent,
    base: String,
    token: Zeroizing<String>,
    /// The server itself, where this process had to start it.
    own: Option<Server>,
}

impl Drop for Operator {
    fn drop(&mut self) {
        if let Some(server) = &self.own {
            server.begin_drain();
            // What a command was told is on the disk already; what else there is to write, is lost
            // with this process at worst, as in a crash.
            let _ = server.wait();
        }
    }
}

impl Operator {
    /// Of the server there.
    pub fn of(server: &Uri, token: Zeroizing<String>) -> Operator {
        // An error's body says what is wrong, so it is read like any other.
        let config = Agent::config_builder().http_status_as_error(false).proxy(None);
        let agent = config.tls_config(client::tls()).build();
        let base = format!("{}pool/admin/v1", server);
        Operator { agent: agent.into(), base, token, own: None }
    }

    /// Of a server that this process has started, and that ends with this.
    pub fn of_own(server: Server, token: Zeroizing<String>) -> Result<Operator, Failure> {
        let address = format!("http://{}/", server.addr());
        let uri = address.parse().map_err(|_| Failure::setting(address))?;
        let mut operator = Operator::of(&uri, token);
        operator.own = Some(server);
        Ok(operator)
    }

    /// Asks for what is at a path.
    pub fn look(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, Vec::new())
    }

    /// Sends something to a path.
    pub fn ask(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Value, Failure> {
        let bearer = Zeroizing::new(format!("Bearer {}", self.token.as_str()));
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("authorization", bearer.as_str())
            .body(body)
            .map_err(|error| Failure::setting(error.to_string()))?;
        let answer = self.agent.run(request).map_err(|error| self.unreached(&error))?;
        read(answer)
    }

    fn unreached(&self, error: &ureq::Error) -> Failure {
        let at = self.base.trim_end_matches("/pool/admin/v1");
        Failure::Run(format!(
            "No server answers at {at}: {error}. Start one with potluck serve, or say with --server \
             where it listens."
        ))
    }
}

fn read(mut answer: Response<Body>) -> Result<Value, Failure> {
    let status = answer.status();
    if status == http::StatusCode::NO_CONTENT {
        return Ok(Value::Null);
    }
    let text = answer.body_mut().with_config().limit(LARGEST).read_to_vec();
    let text = text.map_err(|error| Failure::Run(format!("The answer broke off: {error}.")))?;
    let value: Value = serde_json::from_slice(&text).unwrap_or_default();
    if status.is_success() {
        return Ok(value);
    }
    let said = value["error"]["message"].as_str().unwrap_or("it does not say why");
    Err(Failure::Run(format!("The server refuses with {}: {said}", status.as_u16())))
}

/// Bytes of an answer: the report on a hundred thousand lines is a tenth of it.
const LARGEST: u64 = 128 << 20;

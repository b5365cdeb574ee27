//! What operators can ask: the one table, by which requests are understood and described.
//!
//! Rule: what is not in the table does not exist. The more exact path comes first.

use http::Method;
use potluck_core::KeyId;
use potluck_gemini::answer::{Problem, Reason};

use super::openapi::{Body, Parameter, Reply, Schema, kind};
use super::{
    ROOT, Task, adding, change, checking, invites, listing, rekeying, sessions, settings, sights,
    status, tokens,
};
use crate::{alarms, me, problem, usage};

/// One thing that can be asked for.
pub struct Operation {
    /// Its name, for programs that are made from the description.
    pub name: &'static str,
    /// With which method.
    pub method: Method,
    /// Where, below [`ROOT`]; `{id}` stands for an id.
    pub path: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// What may stand behind the `?`.
    pub query: &'static [Parameter],
    /// What it takes.
    pub body: Option<Body>,
    /// What it answers.
    pub reply: Reply,
    /// Why it may be refused, beside what may happen to any request.
    pub refusals: &'static [Reason],
    /// What a request for it means.
    pub means: fn(&Given) -> Result<Task, Problem>,
}

impl Operation {
    /// Whether it changes anything.
    pub fn changes(&self) -> bool {
        self.method != Method::GET
    }
}

/// What a request brought.
#[derive(Debug, Default)]
pub struct Given<'r> {
    /// What stands in the place of `{id}`.
    pub id: &'r str,
    /// What stands behind the `?`.
    pub query: &'r str,
}

impl Given<'_> {
    fn key(&self) -> Result<KeyId, Problem> {
        KeyId::parse(self.id).ok_or_else(|| Problem::new(Reason::UnknownKey))
    }
}

/// The table.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        name: "signIn",
        method: Method::POST,
        path: "/session",
        about: "Opens a session for a browser: a cookie that stands for the token.",
        query: &[],
        body: Some(Body { schema: Schema::Json(kind::<sessions::SignIn>), most: sessions::MAX }),
        reply: Reply::Json(kind::<sessions::Session>),
        refusals: &[Reason::TooLarge],
        means: |_| Ok(Task::SignIn),
    },
    Operation {
        name: "session",
        method: Method::GET,
        path: "/session",
        about: "The session that asks.",
        query: &[],
        body: None,
        reply: Reply::Json(kind::<sessions::Session>),
        refusals: &[],
        means: |_| Ok(Task::Session),
    },
    Operation {
        name: "signOut",
        method: Method::DELETE,
        path: "/session",
        about: "Ends the session that asks.",
        query: &[],
        body: None,
        reply: Reply::Nothing,
        refusals: &[],
        means: |_| Ok(Task::SignOut),
    },
    Operation {
        name: "status",
        method: Method::GET,
        path: "/status",
        about: "How the pool is: keys by state, and what was counted since the start.",
        query: &[],
        body: None,
        reply: Reply::Json(kind::<status::Status>),
        refusals: &[],
        means: |_| Ok(Task::Status),
    },
    Operation {
        name: "listKeys",
        method: Method::GET,
        path: "/keys",
        about: "Some of the keys. A page may be short, or empty, and yet have a next one.",
        query: listing::QUERY,
        body: None,
        reply: Reply::Json(kind::<listing::Page>),
        refusals: &[Reason::Refused],
        means: |given| listing::wanted(given.query).map(Task::List),
    },
    Operation {
        name: "addKeys",
        method: Method::POST,
        path: "/keys",
        about: "Adds keys, one a line, and says of each line what became of it.",
        query: adding::QUERY,
        body: Some(Body { schema: Schema::Text, most: adding::MAX_ADDED }),
        reply: Reply::Json(kind::<adding::Report>),
        refusals: &[Reason::Refused, Reason::TooLarge, Reason::Store],
        means: |given| adding::wants_check(given.query).map(|check| Task::Add { check }),
    },
    Operation {
        name: "changeKeys",
        method: Method::POST,
        path: "/keys/changes",
        about: "Does the same to many keys; one that is unknown stops none of the others.",
        query: &[],
        body: Some(Body { schema: Schema::Json(kind::<change::Changes>), most: change::MAX_MANY }),
        reply: Reply::Json(kind::<change::Changed>),
        refusals: &[Reason::Refused, Reason::TooLarge, Reason::Store],
        means: |_| Ok(Task::ChangeMany),
    },
    Operation {
        name: "lookAtKey",
        method: Method::GET,
        path: "/keys/{id}",
        about: "One key, as its contributor sees it.",
        query: &[],
        body: None,
        reply: Reply::Json(kind::<me::View>),
        refusals: &[Reason::UnknownKey],
        means: |given| given.key().map(Task::Look),
    },
    Operation {
        name: "checkKey",
        method: Method::POST,
        path: "/keys/{id}/check",
        about: "Asks Google about a key now, with a call that costs no quota.",
        query: &[],
        body: None,
        reply: Reply::Json(kind::<checking::Checked>),
        refusals: &[Reason::UnknownKey],
        means: |given| given.key().map(Task::Check),
    },
    Operation {
        name: "changeKey",
        method: Method::PATCH,
        path: "/keys/{id}",
        about: "Takes a key out of service until it is taken back.",
        query: &[],
        body: Some(Body { schema: Schema::Json(kind::<change::Change>), most: change::MAX }),
        reply: Reply::Json(kind::<me::View>),
        refusals: &[Reason::Refused, Reason::TooLarge, Reason::UnknownKey, Reason::Store],
        means: |given| given.key().map(Task::Change),
    },
    Operation {
        name: "eraseKey",
        method: Method::DELETE,
        path: "/keys/{id}",
        about: "Erases a key without a trace; its bearer's next call may bring it back.",
        query: &[],
        body: None,
        reply: Reply::Nothing,
        refusals: &[Reason::UnknownKey, Reason::Store],
        means: |given| given.key().map(Task::Erase),
    },
    Operation {
        name: "lookOn",
        method: Method::GET,
        path: "/sights",
        about: "What happens: attempts, cooldowns, keys that go out or come back.",
        query: sights::QUERY,
        body: None,
        reply: Reply::Json(kind::<sights::Sights>),
        refusals: &[Reason::Refused],
        means: |given| sights::wanted(given.query).map(Task::Watch),
    },
    Operation {
        name: "usage",
        method: Method::GET,
        path: "/usage",
        about: "What was lent, borrowed and used, by day and model.",
        query: usage::QUERY,
        body: None,
        reply: Reply::Json(kind::<usage::Told>),
        refusals: &[Reason::Refused, Reason::Store],
        means: |given| usage::wanted(given.query).map(Task::Usage),
    },
    Operation {
        name: "usageTable",
        method: Method::GET,
        path: "/usage.csv",
        about: "The same by key as well, as a table.",
        query: usage::QUERY,
        body: None,
        reply: Reply::Csv,
        refusals: &[Reason::Refused, Reason::Store],
        means: |given| usage::wanted(given.query).map(Task::UsageTable),
    },
    Operation {
        name: "alarms",
        method: Method::GET,
        path: "/alarms",
        about: "Alarms that stand, and what was told of late.",
        query: &[],
        body: None,
        reply: Reply::Json(kind::<alarms::Told>),
        refusals: &[],
        means: |_| Ok(Task::Alarms),
    },
    Operation {
        name: "settings",
        method: Method::GET,
        path: "/settings",
        about: "The settings in force, and who decided each.",
        query: &[],
        body: None,
        reply: Reply::Json(kind::<settings::InForce>),
        refusals: &[],
        means: |_| Ok(Task::Settings),
    },
    Operation {
        name: "listTokens",
        method: Method::GET,
        path: "/tokens",
        about: "All access tokens: what each may, and what it used.",
        query: &[],
        body: None,
        reply: Reply::Json(kind::<tokens::All>),
        refusals: &[],
        means: |_| Ok(Task::Tokens),
    },
    Operation {
        name: "makeToken",
        method: Method::POST,
        path: "/tokens",
        about: "Makes an access token; the answer alone shows it.",
        query: &[],
        body: Some(Body { schema: Schema::Json(kind::<tokens::Make>), most: tokens::MAX }),
        reply: Reply::Json(kind::<tokens::Made>),
        refusals: &[Reason::Refused, Reason::TooLarge, Reason::Store],
        means: |_| Ok(Task::MakeToken),
    },
    Operation {
        name: "changeToken",
        method: Method::PATCH,
        path: "/tokens/{id}",
        about: "Changes what a token may: what is absent stays as it is, null lifts a limit.",
        query: &[],
        body: Some(Body { schema: Schema::Json(kind::<tokens::Change>), most: tokens::MAX }),
        reply: Reply::Json(kind::<tokens::View>),
        refusals: &[Reason::Refused, Reason::TooLarge, Reason::UnknownId, Reason::Store],
        means: |given| tokens::id(given.id).map(Task::ChangeToken),
    },
    Operation {
        name: "revokeToken",
        method: Method::DELETE,
        path: "/tokens/{id}",
        about: "Revokes a token: it serves no further call, and is forgotten.",
        query: &[],
        body: None,
        reply: Reply::Nothing,
        refusals: &[Reason::UnknownId, Reason::Store],
        means: |given| tokens::id(given.id).map(Task::RevokeToken),
    },
    Operation {
        name: "listInvites",
        method: Method::GET,
        path: "/invites",
        about: "All invites: how many keys each is for, and how many came.",
        query: &[],
        body: None,
        reply: Reply::Json(kind::<invites::All>),
        refusals: &[],
        means: |_| Ok(Task::Invites),
    },
    Operation {
        name: "makeInvite",
        method: Method::POST,
        path: "/invites",
        about: "Makes an invite; the answer alone shows its code.",
        query: &[],
        body: Some(Body { schema: Schema::Json(kind::<invites::Make>), most: invites::MAX }),
        reply: Reply::Json(kind::<invites::Made>),
        refusals: &[Reason::Refused, Reason::TooLarge, Reason::Store],
        means: |_| Ok(Task::MakeInvite),
    },
    Operation {
        name: "revokeInvite",
        method: Method::DELETE,
        path: "/invites/{id}",
        about: "Takes an invite back; the keys that came with it stay.",
        query: &[],
        body: None,
        reply: Reply::Nothing,
        refusals: &[Reason::UnknownId, Reason::Store],
        means: |given| invites::id(given.id).map(Task::RevokeInvite),
    },
    Operation {
        name: "rekey",
        method: Method::POST,
        path: "/rekey",
        about: "Makes a new master key and begins to seal all keys anew under it; one under way goes on.",
        query: &[],
        body: None,
        reply: Reply::Json(kind::<rekeying::Rekeying>),
        refusals: &[Reason::Refused],
        means: |_| Ok(Task::Rekey),
    },
    Operation {
        name: "rekeying",
        method: Method::GET,
        path: "/rekey",
        about: "How far a new master key has come.",
        query: &[],
        body: None,
        reply: Reply::Json(kind::<rekeying::Rekeying>),
        refusals: &[],
        means: |_| Ok(Task::Rekeying),
    },
    Operation {
        name: "describe",
        method: Method::GET,
        path: "/openapi.json",
        about: "This description.",
        query: &[],
        body: None,
        reply: Reply::Json(kind::<serde_json::Map<String, serde_json::Value>>),
        refusals: &[],
        means: |_| Ok(Task::Describe),
    },
];

/// What a request below `/pool/admin` asks for.
pub fn task(method: &Method, path: &str, query: Option<&str>) -> Result<Task, Problem> {
    let (operation, id) = find(method, path)?;
    (operation.means)(&Given { id, query: query.unwrap_or_default() })
}

fn find<'p>(method: &Method, path: &'p str) -> Result<(&'static Operation, &'p str), Problem> {
    let none =
        || Problem::new(Reason::NoRoute).saying("Nothing is served at this path of the API.");
    let rest = path.strip_prefix(ROOT).ok_or_else(none)?;
    let here = |operation: &&Operation| stands_for(operation.path, rest).is_some();
    let known = OPERATIONS.iter().find(here).ok_or_else(none)?.path;
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let asked = OPERATIONS.iter().find(|o| o.path == known && o.method == *method);
    let operation = asked.ok_or_else(|| problem::other_method(&methods(known)))?;
    Ok((operation, stands_for(known, rest).unwrap_or_default()))
}

/// The methods that a path takes.
fn methods(path: &str) -> String {
    let here = OPERATIONS.iter().filter(|operation| operation.path == path);
    here.map(|operation| operation.method.as_str()).collect::<Vec<_>>().join(", ")
}

/// What stands in the place of `{id}`, if a path is of that shape.
fn stands_for<'p>(template: &str, path: &'p str) -> Option<&'p str> {
    let Some((before, after)) = template.split_once("{id}") else {
        return (template == path).then_some("");
    };
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::admin::listing::Wanted;

    #[test]
    fn each_path_and_method_means_one_thing() {
        let id = KeyId([7; 16]);
        let one = format!("/pool/admin/v1/keys/{id}");
        let table = [
            ("GET", "/pool/admin/v1/status", Ok(Task::Status)),
            ("HEAD", "/pool/admin/v1/status", Ok(Task::Status)),
            ("GET", "/pool/admin/v1/keys", Ok(Task::List(Wanted::default()))),
            ("POST", "/pool/admin/v1/keys", Ok(Task::Add { check: false })),
            ("POST", &format!("{one}/check"), Ok(Task::Check(id))),
            ("GET", &format!("{one}/check"), Err("POOL_METHOD")),
            ("GET", &one, Ok(Task::Look(id))),
            ("PATCH", &one, Ok(Task::Change(id))),
            ("DELETE", &one, Ok(Task::Erase(id))),
            ("PUT", &one, Err("POOL_METHOD")),
            ("DELETE", "/pool/admin/v1/keys", Err("POOL_METHOD")),
            ("GET", "/pool/admin/v1/keys/k_1", Err("POOL_UNKNOWN_KEY")),
            ("GET", "/pool/admin/v1/keys/", Err("POOL_NO_ROUTE")),
            ("GET", "/pool/admin/v1/keys/a/b", Err("POOL_NO_ROUTE")),
            ("GET", "/pool/admin/v1/tokens", Ok(Task::Tokens)),
            ("DELETE", "/pool/admin/v1/tokens", Err("POOL_METHOD")),
            ("DELETE", "/pool/admin/v1/tokens/k_1", Err("POOL_UNKNOWN_ID")),
            ("PATCH", "/pool/admin/v1/invites/x", Err("POOL_METHOD")),
            ("GET", "/pool/admin/keys", Err("POOL_NO_ROUTE")),
            ("GET", "/pool/admin", Err("POOL_NO_ROUTE")),
        ];
        for (method, path, expected) in table {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let told = task(&method, path, None).map_err(|problem| problem.reason.name());
            assert_eq!(told, expected, "{method} {path}");
        }
    }

    #[test]
    fn no_operation_hides_behind_another() {
        for operation in OPERATIONS {
            let path = format!("{ROOT}{}", operation.path.replace("{id}", "k_1"));
            let (found, _) = find(&operation.method, &path).unwrap();
            assert_eq!(found.name, operation.name);
        }
    }
}

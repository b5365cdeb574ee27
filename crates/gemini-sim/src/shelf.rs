//! Things that belong to projects: files, caches, batches, operations and the like.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

/// One thing, by its resource name (`files/abc`, `cachedContents/xyz`).
#[derive(Clone, Debug)]
pub struct Item {
    /// The project it belongs to.
    pub project: u64,
    /// As JSON.
    pub value: Value,
    /// Its content, for what has one.
    pub content: Bytes,
    /// From when on it is ready, Unix milliseconds.
    pub ready_ms: i64,
}

/// A resumable upload that goes on.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The project that started it.
    pub project: u64,
    /// What becomes of it: a collection (`files`, `fileSearchStores/x/documents`).
    pub collection: String,
    /// What its start said.
    pub meta: Value,
    /// What has come.
    pub content: Vec<u8>,
    /// How much has come; more than is kept, for large ones.
    pub received: u64,
    /// `active`, `final` or `cancelled`.
    pub status: &'static str,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Shelf {
    items: BTreeMap<String, Item>,
    /// Uploads by their id.
    pub uploads: BTreeMap<String, Upload>,
}

impl Shelf {
    /// Puts a thing on the shelf, or in the place of another.
    pub fn put(&mut self, name: &str, item: Item) {
        self.items.insert(name.to_owned(), item);
    }

    /// Puts JSON on the shelf under its own `name`.
    pub fn put_json(&mut self, project: u64, value: &Value) {
        let name = value["name"].as_str().unwrap_or_default().to_owned();
        let item = Item { project, value: value.clone(), content: Bytes::new(), ready_ms: 0 };
        self.put(&name, item);
    }

    /// A thing, whoever owns it.
    #[must_use]
    pub fn any(&self, name: &str) -> Option<&Item> {
        self.items.get(name)
    }

    /// A thing, if that project owns it.
    #[must_use]
    pub fn owned(&self, name: &str, project: u64) -> Option<&Item> {
        self.items.get(name).filter(|item| item.project == project)
    }

    /// The same, to be changed.
    pub fn owned_mut(&mut self, name: &str, project: u64) -> Option<&mut Item> {
        self.items.get_mut(name).filter(|item| item.project == project)
    }

    /// Takes a thing off the shelf, if that project owns it.
    pub fn remove(&mut self, name: &str, project: u64) -> Option<Item> {
        self.owned(name, project)?;
        self.items.remove(name)
    }

    /// A project's things of one collection, a page at a time.
    #[must_use]
    pub fn page(&self, collection: &str, project: u64, query: &Page, now_ms: i64) -> Value {
        let start = format!("{collection}/");
        let direct = |name: &str| name.strip_prefix(&start).is_some_and(|rest| !rest.contains('/'));
        let all: Vec<Value> = self
            .items
            .range(start.clone()..)
            .take_while(|(name, _)| name.starts_with(&start))
            .filter(|(name, item)| item.project == project && direct(name))
            .map(|(_, item)| item.shown(now_ms))
            .collect();
        query.cut(collection.rsplit('/').next().unwrap_or(collection), all)
    }
}

impl Item {
    /// As it is shown: a file that is not ready yet says so.
    #[must_use]
    pub fn shown(&self, now_ms: i64) -> Value {
        let mut value = self.value.clone();
        if value.get("state").is_some() && now_ms < self.ready_ms {
            value["state"] = json!("PROCESSING");
        }
        value
    }
}

/// Which page is asked for.
#[derive(Clone, Debug)]
pub struct Page {
    /// How many there are on a page.
    pub size: usize,
    /// Where it starts.
    pub from: usize,
}

impl Page {
    /// Cuts the page out of all, under that name.
    #[must_use]
    pub fn cut(&self, name: &str, all: Vec<Value>) -> Value {
        let end = self.from.saturating_add(self.size);
        let more = end < all.len();
        let page: Vec<Value> = all.into_iter().skip(self.from).take(self.size).collect();
        let mut answer = json!({});
        if !page.is_empty() {
            answer[name] = Value::Array(page);
        }
        if more {
            answer["nextPageToken"] = json!(format!("page-{end}"));
        }
        answer
    }
}

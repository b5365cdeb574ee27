//! Prints made-up keys as the store's rows hold them, for tests of the Worker: a line each with the
//! key, its id, what is sealed and its tombstone, these three in hexadecimal. The one argument is a
//! file that holds the master key.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::error::Error;

use potluck_gemini::ApiKey;
use potluck_vault::{MasterKey, Vault};

/// As many as the measurements have callers; a digit tells them apart.
const KEYS: u32 = 16;

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("name the file that holds the master key")?;
    let vault = Vault::new(&MasterKey::parse(&std::fs::read_to_string(file)?)?);
    for n in 0..KEYS {
        let key = ApiKey::parse(&format!("AIzaSyTestTestTestTestTestTestTestEdge{n:X}"))?;
        let id = vault.key_id(&key);
        let sealed = hex::encode(vault.seal(&id, &key)?.as_bytes());
        let (id, tombstone) = (hex::encode(id), hex::encode(vault.tombstone(&key)));
        println!("{} {id} {sealed} {tombstone}", key.expose());
    }
    Ok(())
}

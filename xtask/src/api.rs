//! The operators' API, fuzzed by its own description: whatever is sent, nothing but what is
//! described comes back, and never a 5xx.
//!
//! The rule: the seed is printed, so that whatever is found is found again.

use crate::clients;
use crate::shell::{isolate, output, program, root, run};
use crate::stage::{Stage, built};
use crate::test::Tally;
use crate::{Result, needs};

/// What it wants.
pub const NEEDS: &[&str] = &["debian.openssl", "debian.curl", "python.schemathesis"];

/// Tries each operation so often with inputs of the tool's own.
const EXAMPLES: &str = "50";
/// Keys at the table: erasing some must not leave none.
const KEYS: usize = 30;

/// Starts the binary with some keys, and has them fuzzed.
pub fn fuzz(_: &mut Tally) -> Result {
    let stage = Stage::open(&clients::native()?)?;
    add_keys(&stage)?;
    let mut fuzz = program(needs::place("python.schemathesis").join("bin/schemathesis"));
    fuzz.arg("--config-file").arg(root().join("clients/api/schemathesis.toml"));
    let described = format!("{}/pool/admin/v1/openapi.json", stage.url());
    fuzz.args(["run", &described, "--no-color", "--max-examples", EXAMPLES]);
    // It leaves a folder where it runs.
    fuzz.current_dir(stage.folder()).env("ADMIN_TOKEN", stage.admin_token()?);
    run(isolate(&mut fuzz))?;
    let tokens = made(&stage)?;
    if tokens.trim() == "[]" {
        Err("the fuzzing made no token: was it let in?".into())
    } else {
        Ok(())
    }
}

/// What was made by the fuzzing: where it was let in, there are tokens.
fn made(stage: &Stage) -> Result<String> {
    let mut list = program(built("potluck", "dev"));
    list.args(["token", "list", "--json", "--server", &stage.url()]);
    output(isolate(list.arg("--data").arg(stage.data())))
}

/// Operations on keys want some that are there; Google is not asked about them.
fn add_keys(stage: &Stage) -> Result {
    let key = |n: usize| format!("AIzaSyFuzz-Key{n}00000000000000000000000\n");
    let file = stage.folder().join("keys.txt");
    let keys: String = (10..10 + KEYS).map(key).collect();
    std::fs::write(&file, keys).map_err(|e| format!("{}: {e}", file.display()))?;
    let mut add = program(built("potluck", "dev"));
    add.args(["keys", "add"]).arg(file).args(["--server", &stage.url()]);
    run(isolate(add.arg("--data").arg(stage.data())))
}

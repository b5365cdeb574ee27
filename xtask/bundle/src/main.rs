//! Makes out of the Worker's wasm what workerd loads: `xtask-bundle WASM FOLDER`.
//!
//! A program of its own, since what it stands on takes a minute to compile and only whoever builds
//! the Worker needs it. The library is of the very version of the bindings inside the wasm, by one
//! pin in the workspace; a program installed from elsewhere would drift from it.

#![allow(clippy::print_stderr, reason = "talking to a developer is its job")]

use std::path::Path;
use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

/// What the JavaScript beside the wasm is called: the entry imports `./rust.js`.
const NAME: &str = "rust";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [wasm, folder] = arguments.as_slice() else {
        eprintln!("usage: xtask-bundle WASM FOLDER");
        return ExitCode::FAILURE;
    };
    match bundle(Path::new(wasm), Path::new(folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{wasm} cannot be made into a bundle in {folder}: {why}");
            ExitCode::FAILURE
        }
    }
}

fn bundle(wasm: &Path, folder: &Path) -> Result<(), String> {
    let mut bindgen = Bindgen::new();
    bindgen.input_path(wasm).out_name(NAME).typescript(false);
    bindgen.module(true).map_err(|error| format!("{error:#}"))?;
    // After a trap (out of memory, stack) the instance is started anew, not left broken.
    bindgen.reset_state_function(true).force_enable_abort_handler(true);
    bindgen.generate(folder).map_err(|error| format!("{error:#}"))?;
    plain_imports(&folder.join(format!("{NAME}.js")))
}

/// workerd has no source-phase imports: there a plain import of wasm gives the module already.
fn plain_imports(script: &Path) -> Result<(), String> {
    let shown = |error| format!("{}: {error}", script.display());
    let text = std::fs::read_to_string(script).map_err(shown)?;
    if !text.contains(SOURCE_PHASE) {
        return Err(format!("no `{SOURCE_PHASE}` in {}: look what it does now", script.display()));
    }
    std::fs::write(script, text.replace(SOURCE_PHASE, "import ")).map_err(shown)
}

const SOURCE_PHASE: &str = "import source ";

//! Software that nobody here wrote, talking through Potluck to Google's stand-in.
//!
//! The suites lie in `clients/`; each prints a line per check, `ok …` or `FAIL …`. Each runs once
//! for every set of versions that holds its package, on a stage of its own.

use crate::shell::{program, root, run_reading};
use crate::stage::{self, Stage};
use crate::test::Tally;
use crate::{Result, needs};
use std::path::Path;
use std::process::Command;

/// What every suite wants; what one alone wants is installed before it.
pub const NEEDS: &[&str] = &["debian.openssl", "debian.curl"];

struct Suite {
    package: &'static str,
    file: &'static str,
    sets: &'static [&'static str],
}

const PYTHON: &[&str] = &["python.pinned", "python.latest"];
const NODE: &[&str] = &["node.pinned", "node.latest"];

const SUITES: &[Suite] = &[
    Suite { package: "curl", file: "cli/curl.sh", sets: &["debian.curl"] },
    Suite { package: "google-genai", file: "python/google_genai_suite.py", sets: PYTHON },
    Suite { package: "openai", file: "python/openai_suite.py", sets: PYTHON },
    Suite {
        package: "langchain-google-genai",
        file: "python/langchain_suite.py",
        sets: &["python.pinned"],
    },
    Suite { package: "@google/genai", file: "node/google_genai.mjs", sets: NODE },
    Suite { package: "openai", file: "node/openai.mjs", sets: NODE },
    Suite { package: "@ai-sdk/google", file: "node/ai_sdk.mjs", sets: NODE },
    Suite { package: "@google/gemini-cli", file: "cli/gemini_cli.sh", sets: &["node.cli"] },
];

/// All suites.
pub fn run(tally: &mut Tally) -> Result {
    run_some("", tally)
}

/// The suites whose name holds that text.
pub fn run_some(filter: &str, tally: &mut Tally) -> Result {
    stage::build("dev", &["potluck", "gemini-sim"])?;
    for suite in SUITES {
        for set in suite.sets {
            let name = format!("{} {} ({set})", suite.package, needs::version(set, suite.package)?);
            if name.contains(filter) {
                attempt(suite, set, &name, tally)?;
            }
        }
    }
    if tally.failed == 0 { Ok(()) } else { Err(format!("{} checks failed", tally.failed)) }
}

fn attempt(suite: &Suite, set: &str, name: &str, tally: &mut Tally) -> Result {
    println!("\n-- {name}");
    let node =
        if suite.file.ends_with(".py") || set.starts_with("debian") { set } else { "node.runtime" };
    if let Err(why) = needs::install(set).and_then(|()| needs::install(node)) {
        println!("not run: {why}");
        tally.missing.push(format!("{name}: {why}"));
        return Ok(());
    }
    let stage = Stage::open()?;
    let mut command = command(suite, set)?;
    let before = tally.failed;
    let ended = run_reading(stage.dress(&mut command), |line| {
        tally.passed += usize::from(line.starts_with("ok   "));
        tally.failed += usize::from(line.starts_with("FAIL "));
    });
    if let (Err(why), true) = (ended, tally.failed == before) {
        println!("FAIL {name}: {why}");
        tally.failed += 1;
    }
    if tally.failed > before {
        println!("What Potluck printed last:\n{}", stage.said());
    }
    Ok(())
}

fn command(suite: &Suite, set: &str) -> Result<Command> {
    let file = root().join("clients").join(suite.file);
    if suite.file.ends_with(".py") {
        let mut command = program(needs::python_of(set));
        command.arg(file).env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONWARNINGS", "ignore");
        return Ok(command);
    }
    if suite.file.ends_with(".mjs") {
        let mut command = program(needs::node_program());
        command.arg(beside_packages(&file, &needs::place(set))?);
        return Ok(command);
    }
    let mut command = program("bash");
    let cli = needs::place("node.cli").join("node_modules/@google/gemini-cli/bundle/gemini.js");
    command.arg(file).env("NODE", needs::node_program()).env("GEMINI_CLI", cli);
    Ok(command)
}

/// Node looks for packages beside the file that imports them, so the suite is put there.
fn beside_packages(file: &Path, place: &Path) -> Result<std::path::PathBuf> {
    let folder = place.join("suite");
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let mut copy = folder.clone();
    for file in [Path::new("frame.mjs"), file] {
        let from = root().join("clients/node").join(file);
        copy = folder.join(from.file_name().unwrap_or_default());
        std::fs::copy(&from, &copy).map_err(|e| format!("{}: {e}", from.display()))?;
    }
    Ok(copy)
}

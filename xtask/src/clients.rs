//! Software that nobody here wrote, talking through Potluck to Google's stand-in; and what Potluck
//! promises, asked over the same wire.
//!
//! The suites lie in `clients/`; each prints a line per check, `ok …` or `FAIL …`. Each runs once
//! for every set of versions that holds its package, on a stage of its own. Both editions take the
//! same suites, the edge edition with one set each.

mod differs;

use crate::shell::{program, root, run_retelling, target};
use crate::stage::{self, Edition, Stage};
use crate::test::Tally;
use crate::worker::Worker;
use crate::{Result, needs};
use differs::Reading;
use std::path::Path;
use std::process::Command;

/// What every suite wants; what one alone wants is installed before it.
pub const NEEDS: &[&str] = &["debian.openssl", "debian.curl"];
/// The same for the edge edition.
pub const EDGE_NEEDS: &[&str] = &[
    "debian.openssl",
    "debian.curl",
    "debian.chromium",
    "debian.fonts-noto-cjk",
    "wasm.compiler",
    "node.worker",
    "node.browser",
];

/// The suite of promises: no package of others, so no version.
const PROMISES: &str = "promises/main.mjs";

/// What the pages want.
pub const BROWSER_NEEDS: &[&str] = &[
    "debian.openssl",
    "debian.curl",
    "debian.chromium",
    "debian.fonts-noto-cjk",
    "node.runtime",
    "node.browser",
];

struct Suite {
    package: &'static str,
    file: &'static str,
    sets: &'static [&'static str],
}

const PAGES: Suite = Suite { package: "pages", file: "browser/main.mjs", sets: &["node.browser"] };

const PYTHON: &[&str] = &["python.pinned", "python.latest"];
const NODE: &[&str] = &["node.pinned", "node.latest"];

const SUITES: &[Suite] = &[
    Suite { package: "promises", file: PROMISES, sets: &["node.runtime"] },
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

impl Suite {
    fn name(&self, set: &str) -> Result<String> {
        if self.file == PROMISES {
            return Ok(self.package.to_owned());
        }
        Ok(format!("{} {} ({set})", self.package, needs::version(set, self.package)?))
    }

    /// The sets of versions it runs with.
    fn sets(&self, edition: &Edition) -> &[&'static str] {
        match edition {
            Edition::Native => self.sets,
            // What versions differ in is between them and Potluck, not its editions.
            Edition::Edge(_) => &self.sets[..1],
        }
    }

    fn reading(&self, edition: &Edition) -> Result<Reading> {
        match edition {
            Edition::Native => Ok(Reading::default()),
            Edition::Edge(_) => Reading::at_the_edge(self.file),
        }
    }
}

/// All suites.
pub fn run(tally: &mut Tally) -> Result {
    run_on(&native()?, "", tally)
}

/// The pages, in a browser.
pub fn run_browser(tally: &mut Tally) -> Result {
    walk_pages(&native()?, tally)?;
    if tally.failed == 0 { Ok(()) } else { Err(format!("{} checks failed", tally.failed)) }
}

fn walk_pages(edition: &Edition, tally: &mut Tally) -> Result {
    attempt(&PAGES, PAGES.sets[0], PAGES.package, edition, tally)
}

/// All suites and the pages, against the edge edition.
pub fn run_edge(tally: &mut Tally) -> Result {
    let edition = edge()?;
    walk_pages(&edition, tally)?;
    run_on(&edition, "", tally)
}

/// The suites whose name holds that text.
pub fn run_some(on_edge: bool, filter: &str) -> Result {
    run_on(&if on_edge { edge()? } else { native()? }, filter, &mut Tally::default())
}

/// The binary, built.
pub fn native() -> Result<Edition> {
    stage::build("dev", &["potluck", "gemini-sim"])?;
    Ok(Edition::Native)
}

fn edge() -> Result<Edition> {
    stage::build("dev", &["gemini-sim"])?;
    Worker::ready().map(Edition::Edge)
}

fn run_on(edition: &Edition, filter: &str, tally: &mut Tally) -> Result {
    for suite in SUITES {
        for set in suite.sets(edition) {
            let name = suite.name(set)?;
            if name.contains(filter) {
                attempt(suite, set, &name, edition, tally)?;
            }
        }
    }
    println!("\n{} checks passed, {} failed{}", tally.passed, tally.failed, tally.differing());
    if tally.failed == 0 { Ok(()) } else { Err(format!("{} checks failed", tally.failed)) }
}

fn attempt(suite: &Suite, set: &str, name: &str, edition: &Edition, tally: &mut Tally) -> Result {
    println!("\n-- {name}");
    let node =
        if suite.file.ends_with(".py") || set.starts_with("debian") { set } else { "node.runtime" };
    if let Err(why) = needs::install(set).and_then(|()| needs::install(node)) {
        println!("not run: {why}");
        tally.missing.push(format!("{name}: {why}"));
        return Ok(());
    }
    let stage = Stage::open(edition)?;
    let mut command = command(suite, set, edition)?;
    let mut reading = suite.reading(edition)?;
    let ended = run_retelling(stage.dress(&mut command), |line| reading.retell(line));
    if let (Err(why), false) = (ended, reading.found_any()) {
        println!("{}", reading.fails(&format!("{name}: {why}")));
    }
    if !reading.conclude(tally) {
        println!("What Potluck printed last:\n{}", stage.said());
    }
    Ok(())
}

fn command(suite: &Suite, set: &str, edition: &Edition) -> Result<Command> {
    let file = root().join("clients").join(suite.file);
    if suite.file.ends_with(".py") {
        let mut command = program(needs::python_of(set));
        command.arg(file).env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONWARNINGS", "ignore");
        return Ok(command);
    }
    if suite.file == PROMISES {
        let mut command = program(needs::node_program());
        command.arg(file);
        return Ok(command);
    }
    if set == "node.browser" {
        let mut command = program(needs::node_program());
        command.arg(file).env("PACKAGES", needs::place(set)).env("SCREENS", screens(edition));
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

/// Where what the pages looked like is kept.
fn screens(edition: &Edition) -> std::path::PathBuf {
    match edition {
        Edition::Native => target().join("screens"),
        Edition::Edge(_) => target().join("screens-edge"),
    }
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

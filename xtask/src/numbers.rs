//! What operators measure by: metrics, board and alert rules, checked against a real server.
//!
//! The rule: no query is believed that has not run.

use crate::clients;
use crate::shell::{program, root, run, run_retelling};
use crate::stage::{Server, Stage, address, free_port, listens};
use crate::test::Tally;
use crate::{Result, needs};
use std::path::Path;

/// What it wants.
pub const NEEDS: &[&str] =
    &["debian.openssl", "debian.curl", "debian.prometheus", "python.numbers"];

/// Checks all of it.
pub fn check(tally: &mut Tally) -> Result {
    let rules = root().join("deploy/prometheus");
    for words in [["check", "potluck.rules.yml"], ["test", "potluck.rules.test.yml"]] {
        run(program("promtool").current_dir(&rules).args([words[0], "rules", words[1]]))?;
        tally.passed += 1;
    }
    let stage = Stage::open(&clients::native()?)?;
    let port = free_port()?;
    let _prometheus = prometheus(&stage, port)?;
    let mut check = program(needs::python_of("python.numbers"));
    check.arg(root().join("clients/numbers/check.py")).env("PYTHONDONTWRITEBYTECODE", "1");
    check.env("PROMETHEUS_URL", format!("http://{}", address(port)));
    run_retelling(stage.dress(&mut check), |line| {
        tally.passed += usize::from(line.starts_with("ok "));
        tally.failed += usize::from(line.starts_with("FAIL "));
        line
    })
}

/// A Prometheus that scrapes the stage every second.
fn prometheus(stage: &Stage, port: u16) -> Result<Server> {
    let at: &Path = stage.folder();
    let config = at.join("prometheus.yml");
    let target = stage.url().replace("http://", "");
    let text = format!(
        "global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: potluck\n    \
         static_configs: [{{ targets: [\"{target}\"] }}]\n"
    );
    std::fs::write(&config, text).map_err(|e| format!("{}: {e}", config.display()))?;
    let mut command = program("prometheus");
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.tsdb.path={}", at.join("prometheus").display()));
    command.arg(format!("--web.listen-address={}", address(port)));
    Server::start_until(&mut command, || listens(port), at.join("prometheus.log"))
}

//! Rust to wasm, with whichever compiler this machine has for it.
//!
//! Rule: the standard library is built along, with unwinding. The one that comes with a compiler
//! aborts on a panic, and in an isolate that takes every request in flight with it.
//!
//! It has a folder of its own below target, since other flags and perhaps another compiler would
//! throw away what the developer's own builds left.

use crate::shell::{self, cargo, output, program, run, target};
use crate::{Result, needs};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target.
const WASM: &str = "wasm32-unknown-unknown";
/// Debian's compiler; by path, as a rustup's would come first by name.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// Debian's cargo, of the same version.
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
/// What of the caller's environment would change the flags or the compiler.
const FOREIGN: [&str; 5] = [
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "RUSTFLAGS",
    "RUSTC",
    "RUSTC_WORKSPACE_WRAPPER",
];

/// A compiler that can make the Worker.
pub enum Compiler {
    /// The developer's own, with the target and the library's sources.
    Own,
    /// Debian's, whose linker is a package apart.
    Debian {
        /// The version of LLVM both must be of.
        llvm: String,
    },
}

/// The developer's own where it can do it; else Debian's, installed if need be.
pub fn find() -> Result<Compiler> {
    if own_can()? {
        return Ok(Compiler::Own);
    }
    debian().map_err(|why| {
        format!(
            "no compiler for {WASM}: {why}; where rustup reaches its server, `rustup target add \
             {WASM}` and `rustup component add rust-src` do as well"
        )
    })
}

fn own_can() -> Result<bool> {
    let sysroot = output(program("rustc").args(["--print", "sysroot"]))?;
    let libraries = Path::new(sysroot.trim()).join("lib/rustlib");
    Ok(libraries.join(WASM).is_dir() && libraries.join("src/rust/library/Cargo.lock").is_file())
}

fn debian() -> Result<Compiler> {
    for package in ["rustc-web", "cargo-web", "rust-web-src", "lld-{llvm}"] {
        needs::install(&format!("wasm.{package}"))?;
    }
    Ok(Compiler::Debian { llvm: debian_llvm()? })
}

/// The version of LLVM that Debian's compiler stands on; it moves with every new one.
pub fn debian_llvm() -> Result<String> {
    let about = output(program(DEBIAN_RUSTC).arg("-vV"))?;
    let line = about.lines().find_map(|line| line.strip_prefix("LLVM version: "));
    let major = line.and_then(|version| version.split('.').next());
    major.map(str::to_owned).ok_or(format!("`{DEBIAN_RUSTC} -vV` names no version of LLVM"))
}

impl Compiler {
    /// Which one it is.
    pub fn version(&self) -> Result<String> {
        let (rustc, whose) = match self {
            Compiler::Own => ("rustc", "your own toolchain"),
            Compiler::Debian { .. } => (DEBIAN_RUSTC, "Debian's rustc-web"),
        };
        Ok(format!("{} ({whose})", output(program(rustc).arg("-V"))?.trim()))
    }

    /// Compiles the Worker with these features of it; gives the wasm.
    pub fn compile(&self, features: &str) -> Result<PathBuf> {
        run(&mut self.cargo("build", features))?;
        Ok(folder().join(WASM).join("release/potluck_worker.wasm"))
    }

    /// Makes sure that there is a linter of the same version.
    pub fn install_linter(&self) -> Result {
        match self {
            Compiler::Own => Ok(()),
            Compiler::Debian { .. } => needs::install("wasm.rust-web-clippy"),
        }
    }

    /// Lints what the host's linter does not see, as it is for wasm alone.
    pub fn lint(&self, features: &str) -> Result {
        run(self.cargo("clippy", features).args(["--quiet", "--", "-D", "warnings"]))
    }

    /// A command of cargo's on the Worker, with all that wasm takes.
    fn cargo(&self, task: &str, features: &str) -> Command {
        let mut command = self.bare();
        command.args([task, "--locked", "--release", "-p", "potluck-worker", "--lib"]);
        command.args(["-Z", "build-std=std,panic_unwind", "--target", WASM]);
        command.arg("--target-dir").arg(folder()).args(["--features", features]);
        command
    }

    fn bare(&self) -> Command {
        let mut command = match self {
            Compiler::Own => cargo(),
            Compiler::Debian { .. } => program(DEBIAN_CARGO),
        };
        for name in FOREIGN {
            command.env_remove(name);
        }
        // Building the library along is not stable yet; a stable compiler does it when told so.
        command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Cpanic=unwind");
        if let Compiler::Debian { llvm } = self {
            command.env("RUSTC", DEBIAN_RUSTC);
            let linker = format!("wasm-ld-{llvm}");
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
            // Its own linter first, not that of a rustup beside it.
            let path = std::env::var_os("PATH").unwrap_or_default();
            let own = [PathBuf::from("/usr/bin")].into_iter().chain(std::env::split_paths(&path));
            if let Ok(path) = std::env::join_paths(own) {
                command.env("PATH", path);
            }
        }
        command
    }
}

/// Where the Worker is compiled.
fn folder() -> PathBuf {
    target().join("wasm")
}

/// How large a file is once it is compressed, which is what Cloudflare limits.
pub fn gzipped(file: &Path) -> Result<usize> {
    let mut gzip = program("gzip");
    let out = gzip.args(["-9", "-c"]).arg(file).output();
    let out = out.map_err(|e| format!("{}: {e}", shell::shown(&gzip)))?;
    if out.status.success() {
        Ok(out.stdout.len())
    } else {
        Err(format!("`{}` failed: {}", shell::shown(&gzip), out.status))
    }
}

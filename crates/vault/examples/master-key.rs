//! Prints a new master key, for whoever has to hand one over as a secret: the Worker's operator
//! does (`wrangler secret put POTLUCK_MASTER_KEY`), while the `potluck` binary makes its own.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

fn main() -> Result<(), potluck_vault::NoRandomness> {
    println!("{}", *potluck_vault::MasterKey::generate()?.text());
    Ok(())
}

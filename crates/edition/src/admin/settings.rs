//! The settings in force, and who decided each.

use schemars::JsonSchema;
use serde::Serialize;

/// All of them.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct InForce {
    settings: Vec<Setting>,
}

/// One setting; no secret is told, only where it lies.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value, as it may be shown.
    pub value: String,
    /// The flag, variable or line of the file that decided it, or `default`.
    pub from: String,
}

impl InForce {
    /// These.
    pub fn of(settings: &[Setting]) -> InForce {
        InForce { settings: settings.to_vec() }
    }
}

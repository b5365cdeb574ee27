//! The settings in force, as they may be shown, and who decided each.

use potluck_server::settings::Setting;

use crate::layers::{Choice, Layered, Origin};
use crate::settings::processors;

/// All of them, in the order of the table; `egress` is the way out that was settled on.
pub fn all(layered: &Layered, egress: &str) -> Vec<Setting> {
    let mut settings: Vec<Setting> = layered.choices.iter().map(setting).collect();
    way_out(&mut settings, layered, egress);
    settings
}

fn setting(choice: &Choice) -> Setting {
    let value = match (choice.name.as_str(), choice.texts.is_empty()) {
        // Its path is a secret with many receivers.
        ("webhook" | "otlp", false) => "(not shown)".to_owned(),
        (_, false) => choice.shown(),
        ("threads", true) => processors().to_string(),
        (_, true) => "-".to_owned(),
    };
    Setting { name: choice.name.clone(), value, from: choice.origin.to_string() }
}

/// Where the setting is silent, the usual variables may have spoken.
fn way_out(settings: &mut [Setting], layered: &Layered, egress: &str) {
    if *layered.origin("egress") != Origin::Default {
        return;
    }
    let Some(told) = settings.iter_mut().find(|told| told.name == "egress") else { return };
    let way = egress.trim_start_matches("Egress(").trim_end_matches(')');
    way.clone_into(&mut told.value);
    if way != "direct" {
        "HTTPS_PROXY or ALL_PROXY".clone_into(&mut told.from);
    }
}

//! Quotas that an answer says were exceeded.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::text;

/// A quota that was exceeded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// `GenerateRequestsPerDayPerProjectPerModel-FreeTier`: the window is in the name.
    pub id: String,
    /// `generativelanguage.googleapis.com/generate_content_free_tier_requests`.
    pub metric: String,
    /// The model as the quota calls it; not always the name that was asked for.
    pub model: Option<String>,
    /// How much of it the project has; 0: the model is not in its tier at all.
    pub limit: Option<u64>,
}

pub(super) fn violations(detail: &Value) -> Vec<Quota> {
    let list = detail.get("violations").and_then(Value::as_array);
    list.into_iter().flatten().map(violation).collect()
}

fn violation(value: &Value) -> Quota {
    Quota {
        id: text(value, "quotaId").unwrap_or_default(),
        metric: text(value, "quotaMetric").unwrap_or_default(),
        model: value.get("quotaDimensions").and_then(|dimensions| text(dimensions, "model")),
        limit: value.get("quotaValue").and_then(number),
    }
}

/// The older shape, in the metadata of `RATE_LIMIT_EXCEEDED`.
pub(super) fn gateway(metadata: &Value) -> Option<Quota> {
    Some(Quota {
        id: text(metadata, "quota_limit")?,
        metric: text(metadata, "quota_metric").unwrap_or_default(),
        model: None,
        limit: metadata.get("quota_limit_value").and_then(number),
    })
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Finds limits that the details leave out. A limit of 0 is left out always (a zero is not
/// written); the message tells it in a line of its own. Without such a line, a minute's and a day's
/// quota that both have no limit are zeros too: they do not run out at the same instant.
pub(super) fn complete(quotas: &mut [Quota], message: &str) {
    let told: Vec<_> = message.lines().filter_map(line).collect();
    let windows = |window: &str| quotas.iter().any(|quota| quota.id.contains(window));
    let all_open = quotas.iter().all(|quota| quota.limit.is_none())
        && windows("PerMinute")
        && windows("PerDay");
    for quota in quotas.iter_mut().filter(|quota| quota.limit.is_none()) {
        let mut limits = told
            .iter()
            .filter(|told| told.metric == quota.metric)
            .filter(|told| told.model.is_none() || told.model == quota.model)
            .map(|told| told.limit);
        let first = limits.next().flatten();
        quota.limit = first.filter(|first| limits.all(|other| other == Some(*first)));
        if all_open && told.is_empty() {
            quota.limit = Some(0);
        }
    }
}

/// `* Quota exceeded for metric: M, limit: N, model: X`
fn line(line: &str) -> Option<Quota> {
    let rest = line.trim_start().strip_prefix("* Quota exceeded for metric: ")?;
    let mut fields = rest.split(", ");
    let mut quota = Quota { metric: fields.next()?.to_owned(), ..Quota::default() };
    for field in fields {
        match field.split_once(": ") {
            Some(("limit", limit)) => quota.limit = limit.parse().ok(),
            Some(("model", model)) => quota.model = Some(model.to_owned()),
            _ => {}
        }
    }
    Some(quota)
}

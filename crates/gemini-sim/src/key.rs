//! Keys: whose project they belong to, what is the matter with them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{catalog::Tier, samples};

/// One API key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The key itself.
    pub key: String,
    /// The number of the project it belongs to. Quotas, files and caches belong to the project.
    #[serde(default = "some_project")]
    pub project: u64,
    /// What the project pays.
    #[serde(default)]
    pub tier: Tier,
    /// What is the matter with the key.
    #[serde(default)]
    pub state: KeyState,
    /// A project too new for models that are closed to new users.
    #[serde(default)]
    pub new_user: bool,
}

fn some_project() -> u64 {
    100_000_000_001
}

impl Key {
    /// A good key without limits.
    #[must_use]
    pub fn new(key: impl Into<String>, project: u64) -> Self {
        let (tier, state) = (Tier::Unmetered, KeyState::Good);
        Self { key: key.into(), project, tier, state, new_user: false }
    }

    /// The same key in that tier.
    #[must_use]
    pub fn tier(mut self, tier: Tier) -> Self {
        self.tier = tier;
        self
    }

    /// The same key in that state.
    #[must_use]
    pub fn state(mut self, state: KeyState) -> Self {
        self.state = state;
        self
    }

    /// The same key of a project that is new to Google.
    #[must_use]
    pub fn new_user(mut self) -> Self {
        self.new_user = true;
        self
    }
}

/// What is the matter with a key. Written as text: `good`, `suspended`,
/// `blocked:streamGenerateContent`, `sample:spending_cap`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeyState {
    /// Nothing.
    #[default]
    Good,
    /// Unknown to Google.
    Invalid,
    /// Renewal missed.
    Expired,
    /// Deleted by its owner.
    Deleted,
    /// The project is suspended.
    Suspended,
    /// Found in public.
    Leaked,
    /// The project has been denied access.
    Denied,
    /// The API is not switched on in the project.
    ServiceDisabled,
    /// Restricted, so that this method (or, absent, every one) is blocked.
    Blocked(Option<String>),
    /// Restricted to web pages.
    Referrer,
    /// Restricted to addresses.
    IpAddress,
    /// Restricted to an Android app.
    Android,
    /// Restricted to an iOS app.
    Ios,
    /// An old key without any restriction: 401 since June 2026.
    Unrestricted,
    /// Paid in advance, and all spent.
    Depleted,
    /// The month's spending cap is reached.
    SpendingCap,
    /// Free tier, in a country that has none.
    NoFreeTier,
    /// Answers with that recorded error.
    Sample(String),
}

impl KeyState {
    /// The recorded error that such a key gets, `compat` on OpenAI-compatible routes.
    #[must_use]
    pub fn sample(&self, compat: bool) -> Option<&str> {
        Some(match self {
            Self::Good => return None,
            Self::Invalid | Self::Deleted if compat => "openai_compat_invalid_key",
            Self::Invalid => "invalid_key_with_debuginfo",
            Self::Expired => "expired_key",
            Self::Deleted => "api_key_not_found",
            Self::Suspended => "consumer_suspended_2026",
            Self::Leaked => "key_reported_leaked",
            Self::Denied => "project_denied_access",
            Self::ServiceDisabled => "service_disabled",
            Self::Blocked(_) => "api_key_service_blocked",
            Self::Referrer => "api_key_http_referrer_blocked",
            Self::IpAddress => "api_key_ip_address_blocked",
            Self::Android => "api_key_android_app_blocked",
            Self::Ios => "api_key_ios_app_blocked",
            Self::Unrestricted => "unauthenticated_token_type",
            Self::Depleted => "prepayment_depleted",
            Self::SpendingCap => "spending_cap",
            Self::NoFreeTier => "free_tier_not_in_country",
            Self::Sample(name) => name,
        })
    }

    /// True when the key may call that method all the same.
    #[must_use]
    pub fn permits(&self, method: &str) -> bool {
        match self {
            Self::Good => true,
            Self::Blocked(Some(blocked)) => !blocked.eq_ignore_ascii_case(method),
            _ => false,
        }
    }
}

const NAMES: &[(&str, KeyState)] = &[
    ("good", KeyState::Good),
    ("invalid", KeyState::Invalid),
    ("expired", KeyState::Expired),
    ("deleted", KeyState::Deleted),
    ("suspended", KeyState::Suspended),
    ("leaked", KeyState::Leaked),
    ("denied", KeyState::Denied),
    ("service_disabled", KeyState::ServiceDisabled),
    ("blocked", KeyState::Blocked(None)),
    ("referrer", KeyState::Referrer),
    ("ip_address", KeyState::IpAddress),
    ("android", KeyState::Android),
    ("ios", KeyState::Ios),
    ("unrestricted", KeyState::Unrestricted),
    ("depleted", KeyState::Depleted),
    ("spending_cap", KeyState::SpendingCap),
    ("no_free_tier", KeyState::NoFreeTier),
];

/// The names that a state can be given by.
#[must_use]
pub fn state_names() -> Vec<&'static str> {
    NAMES.iter().map(|(name, _)| *name).collect()
}

impl FromStr for KeyState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, state)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(state.clone());
        }
        match text.split_once(':') {
            Some(("blocked", method)) => Ok(Self::Blocked(Some(method.to_owned()))),
            Some(("sample", name)) if samples::named(name).is_some() => {
                Ok(Self::Sample(name.to_owned()))
            }
            _ => Err(format!(
                "no key state {text:?}; known: {}, blocked:METHOD, sample:NAME",
                state_names().join(", ")
            )),
        }
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocked(Some(method)) => write!(out, "blocked:{method}"),
            Self::Sample(name) => write!(out, "sample:{name}"),
            known => {
                let name = NAMES.iter().find(|(_, state)| state == known);
                out.write_str(name.map_or("", |(name, _)| name))
            }
        }
    }
}

impl Serialize for KeyState {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyState {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_state_reads_back_as_written_and_has_its_sample() {
        for (name, state) in NAMES {
            assert_eq!(name.parse::<KeyState>().unwrap(), *state);
            assert_eq!(state.to_string(), *name);
            for compat in [true, false] {
                let sample = state.sample(compat);
                assert!(sample.is_none_or(|name| samples::named(name).is_some()), "{name}");
            }
        }
    }
}

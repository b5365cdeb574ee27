//! What a contributor allows with their key.
//!
//! The limits hold without exception: they are looked at when a key enters a ring, and a key that
//! is in none cannot be chosen for another's call. They never bind the contributor's own calls.

use thiserror::Error;

/// The limits of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The key is not lent at all. Its bearer is still served, with the own key first.
    pub paused: bool,
    /// The bearer's calls may be served with others' keys.
    pub borrow: bool,
    /// Calls a day, Google's day, that others may make with the key.
    pub lend_per_day: Option<u32>,
    /// The only models lent; naming one also lends its billed and metered uses.
    pub lend_models: Option<Box<[Box<str>]>>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits::USUAL
    }
}

impl Limits {
    /// Those of whoever set none.
    pub(crate) const USUAL: Limits =
        Limits { paused: false, borrow: true, lend_per_day: None, lend_models: None };

    /// Whether the contributor named this model as lent.
    pub(crate) fn names(&self, model: &str) -> bool {
        self.lend_models.as_ref().is_some_and(|named| named.iter().any(|name| **name == *model))
    }

    /// Whether a plain call of this model may be lent.
    pub(crate) fn lends_plain(&self, model: &str) -> bool {
        self.lend_models.is_none() || self.names(model)
    }
}

/// A change of limits: what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitsPatch {
    /// See [`Limits::paused`].
    pub paused: Option<bool>,
    /// See [`Limits::borrow`].
    pub borrow: Option<bool>,
    /// See [`Limits::lend_per_day`]; `Some(None)` lifts the limit.
    pub lend_per_day: Option<Option<u32>>,
    /// See [`Limits::lend_models`]; `Some(None)` lifts the limit.
    pub lend_models: Option<Option<Vec<String>>>,
}

impl LimitsPatch {
    /// Applies the change, or says why it cannot be.
    pub fn apply(&self, limits: &mut Limits) -> Result<(), LimitsRefused> {
        let models = self.lend_models.as_ref().map(|named| named.as_deref().map(parse_models));
        let models = match models {
            Some(Some(parsed)) => Some(Some(parsed?)),
            Some(None) => Some(None),
            None => None,
        };
        limits.paused = self.paused.unwrap_or(limits.paused);
        limits.borrow = self.borrow.unwrap_or(limits.borrow);
        limits.lend_per_day = self.lend_per_day.unwrap_or(limits.lend_per_day);
        if let Some(models) = models {
            limits.lend_models = models;
        }
        Ok(())
    }
}

/// Why limits cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LimitsRefused {
    /// More models than [`MAX_LENT_MODELS`].
    #[error("lend_models names more than {MAX_LENT_MODELS} models")]
    TooManyModels,
    /// An empty or overlong name, or one with other characters than Google's.
    #[error("lend_models holds a name that no model has")]
    NoModelName,
}

/// Reads a list of models as people write it.
pub(crate) fn parse_models(named: &[String]) -> Result<Box<[Box<str>]>, LimitsRefused> {
    if named.len() > MAX_LENT_MODELS {
        return Err(LimitsRefused::TooManyModels);
    }
    named.iter().map(|name| parse_model(name)).collect()
}

fn parse_model(name: &str) -> Result<Box<str>, LimitsRefused> {
    let bare = name.strip_prefix("models/").unwrap_or(name);
    let spelled = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if bare.is_empty() || bare.len() > MAX_MODEL_NAME || !bare.bytes().all(spelled) {
        return Err(LimitsRefused::NoModelName);
    }
    Ok(bare.into())
}

/// Models a contributor can name: Google lists about fifty.
pub const MAX_LENT_MODELS: usize = 64;
/// The longest model name remembered: Google's longest is below fifty bytes.
pub const MAX_MODEL_NAME: usize = 96;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn models(names: &[&str]) -> LimitsPatch {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        LimitsPatch { lend_models: Some(Some(names)), ..LimitsPatch::default() }
    }

    #[test]
    fn what_a_patch_leaves_out_stays() {
        let mut limits = Limits { lend_per_day: Some(5), ..Limits::default() };
        LimitsPatch { paused: Some(true), ..LimitsPatch::default() }.apply(&mut limits).unwrap();
        assert_eq!(limits, Limits { paused: true, lend_per_day: Some(5), ..Limits::default() });

        LimitsPatch { lend_per_day: Some(None), ..LimitsPatch::default() }
            .apply(&mut limits)
            .unwrap();
        assert_eq!(limits.lend_per_day, None);
    }

    #[test]
    fn a_named_model_is_lent_whole_and_others_not_at_all() {
        let mut limits = Limits::default();
        assert!(limits.lends_plain("a") && !limits.names("a"));

        models(&["models/a"]).apply(&mut limits).unwrap();

        assert!(limits.lends_plain("a") && limits.names("a"));
        assert!(!limits.lends_plain("b") && !limits.names("b"));
    }

    #[test]
    fn a_refused_patch_changes_nothing() {
        let mut limits = Limits::default();
        let mut patch = models(&[""]);
        patch.paused = Some(true);
        assert_eq!(patch.apply(&mut limits), Err(LimitsRefused::NoModelName));
        let many = vec!["m"; MAX_LENT_MODELS + 1];
        assert_eq!(models(&many).apply(&mut limits), Err(LimitsRefused::TooManyModels));
        assert_eq!(limits, Limits::default());
    }
}

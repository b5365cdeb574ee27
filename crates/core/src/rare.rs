//! What few keys have, so that the others make no room for it.
//!
//! A million keys are a million times whatever each of them holds, and of most of it nearly all
//! hold the same. The rule: looking costs nothing, and only what is written takes memory; so
//! whoever would write what is there already looks first.

use std::ops::{Deref, DerefMut};

/// A value that is mostly as usual.
#[derive(Clone, Debug)]
pub(crate) struct Rare<T>(Option<Box<T>>);

/// What a value mostly is; the same as its default.
pub(crate) trait Usual: Default + 'static {
    /// It, without memory of its own.
    const USUAL: &'static Self;
}

impl<T> Rare<T> {
    /// As usual, and without memory of its own.
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Rare(None)
    }
}

impl<T: Usual> Deref for Rare<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::USUAL)
    }
}

impl<T: Usual> DerefMut for Rare<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

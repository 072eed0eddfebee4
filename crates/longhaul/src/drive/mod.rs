//! Drivers: they carry out the core's steps and decide nothing.

pub(crate) mod download;
pub(crate) mod upload;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a value that no panic can leave half-made.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

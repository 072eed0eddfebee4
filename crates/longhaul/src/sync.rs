//! Locking a value that several threads share.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a value. Only for values that a panic of another thread cannot leave half-made: the mark that a panic leaves
/// on the mutex is passed over.
pub(crate) fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

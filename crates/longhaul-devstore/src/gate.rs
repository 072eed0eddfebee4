//! How does a test hold a body at an exact byte without sleeping?

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a body held at a gate looks whether its origin is gone.
const LOOK_AROUND: Duration = Duration::from_millis(20);

/// A gate in the way of a body. Closed at first; once open it stays open. Clones are the same gate.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    open: bool,
    waiting: usize,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Gate {
        Gate::default()
    }

    /// Lets everybody through, now and later.
    pub fn open(&self) {
        self.change(|state| state.open = true);
    }

    /// Waits until a body stands before the gate; false when none came in time.
    pub fn reached(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.waiting == 0 {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
            state = changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Waits until the gate is open, or `gone` says so.
    pub(crate) fn pass(&self, gone: impl Fn() -> bool) {
        self.change(|state| state.waiting += 1);
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.open && !gone() {
            state = changed.wait_timeout(state, LOOK_AROUND).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.waiting -= 1;
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let (state, changed) = &*self.0;
        change(&mut state.lock().unwrap_or_else(PoisonError::into_inner));
        changed.notify_all();
    }
}

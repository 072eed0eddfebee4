//! Is a request sent again, and when?
//!
//! [`Budget`] counts failures for one run: those of requests that carry the upload forward, those of questions, and
//! refusals for the sake of credentials or clock, which the driver renews before the next request. It also knows which
//! requests were under way when another one failed: their failures are not counted. The numbers are in
//! [`retry`](crate::retry).

use super::config::Config;
use super::step::{Failure, Fault, Note};
use crate::retry::Retry;
use crate::words::{Millis, NetFault, Ticket};

/// Renewals of credentials or clock in a row that are not counted as failures.
const RENEWALS_MAX: u32 = 2;

/// What one run may still spend on failures.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    retry: Retry,
    renewals: u32,
    /// The last ticket that was given out when credentials or clock were renewed.
    renewed_at: Ticket,
    /// Parts that were ordered up to this ticket fail for a reason that is counted already.
    failed_up_to: Ticket,
}

impl Budget {
    pub(super) fn new(config: &Config) -> Self {
        let retry = Retry::new(config.retry, config.seed);
        Self { retry, renewals: 0, renewed_at: Ticket(0), failed_up_to: Ticket(0) }
    }

    // ---- when --------------------------------------------------------------------------------------------------

    /// No request before this moment.
    pub(super) fn not_before(&self) -> Millis {
        self.retry.not_before
    }

    /// Requests wait until this moment, whether or not one has failed.
    pub(super) fn wait_until(&mut self, at: Millis) {
        self.retry.not_before = at;
    }

    // ---- what went well ----------------------------------------------------------------------------------------

    /// A request was answered as it should be.
    pub(super) fn served(&mut self) {
        self.renewals = 0;
    }

    /// A question was answered.
    pub(super) fn answered(&mut self) {
        self.retry.answered();
    }

    /// A step forward that moves no byte. The caller bounds how many there are.
    pub(super) fn stepped(&mut self) {
        self.retry.stepped();
    }

    /// So many bytes are acknowledged.
    pub(super) fn progress(&mut self, acknowledged: u64) {
        self.retry.progress(acknowledged);
    }

    /// Progress is counted from so many acknowledged bytes.
    pub(super) fn restart_at(&mut self, acknowledged: u64) {
        self.retry.restart_at(acknowledged);
    }

    // ---- what did not ------------------------------------------------------------------------------------------

    /// Failures in a row without progress.
    pub(super) fn failures(&self) -> u32 {
        self.retry.failures()
    }

    /// The request with this ticket was refused for the sake of credentials or clock, which have been renewed: it is
    /// sent again at once, a few times. Whether it was that. `last`: the last ticket that was given out.
    pub(super) fn renewed(&mut self, ticket: Ticket, last: Ticket, fault: &Fault) -> bool {
        if !matches!(fault, Fault::Expired | Fault::Skewed | Fault::Amended) {
            return false;
        }
        if ticket > self.renewed_at {
            // Requests that were sent before the last renewal do not tell of it.
            self.renewals += 1;
            self.renewed_at = last;
        }
        self.renewals <= RENEWALS_MAX
    }

    /// The part with this ticket failed: whether that was counted when another one failed beside it. `last`: the last
    /// ticket that was given out.
    pub(super) fn is_counted(&mut self, ticket: Ticket, last: Ticket, fault: &Fault) -> bool {
        if ticket <= self.failed_up_to && fault.may_pass() {
            return true;
        }
        self.failed_up_to = last;
        false
    }

    /// A request failed: the news that it is sent again after a while, or the end of the run.
    pub(super) fn failed(&mut self, now: Millis, fault: Fault) -> Result<Note, Failure> {
        match fault {
            Fault::Net { fault: NetFault::Tls | NetFault::Proxy | NetFault::Redirect, .. } => {
                return Err(Failure::GaveUp(fault));
            }
            Fault::NoSuchBucket => return Err(Failure::NoSuchBucket),
            Fault::Denied(status) => return Err(Failure::Denied(status)),
            Fault::NoCredentials | Fault::Expired => return Err(Failure::NeedsCredentials),
            Fault::Rejected(status) => return Err(Failure::Rejected(status)),
            Fault::Exists => return Err(Failure::OtherObject),
            _ => {}
        }
        match self.retry.failed(now, fault.retry_after_ms()) {
            Some(delay_ms) => Ok(Note::Retry { failures: self.retry.failures(), delay_ms, why: fault }),
            None => Err(Failure::GaveUp(fault)),
        }
    }

    /// A question that the run needs an answer to was not answered: the same for it.
    pub(super) fn unanswered(&mut self, now: Millis, fault: Fault) -> Result<Note, Failure> {
        if !fault.may_pass() {
            return self.failed(now, fault); // no other try helps
        }
        self.ask_again(now, &fault).ok_or(Failure::GaveUp(fault))
    }

    /// A question that the run can do without an answer to was not answered: the news that it is asked again after a
    /// while, unless that was done often enough.
    pub(super) fn ask_again(&mut self, now: Millis, fault: &Fault) -> Option<Note> {
        let delay_ms = self.retry.asked_in_vain(now, fault.retry_after_ms())?;
        Some(Note::Retry { failures: self.retry.unanswered(), delay_ms, why: fault.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: Fault = Fault::Busy { status: 503, retry_after_ms: None };

    fn budget() -> Budget {
        Budget::new(&Config::default())
    }

    #[test]
    fn renewals_are_free_a_few_times_in_a_row() {
        let mut budget = budget();
        assert!(!budget.renewed(Ticket(1), Ticket(1), &BUSY));
        assert!(budget.renewed(Ticket(1), Ticket(3), &Fault::Expired));
        assert!(budget.renewed(Ticket(2), Ticket(3), &Fault::Expired), "it was sent before the renewal");
        assert!(budget.renewed(Ticket(4), Ticket(4), &Fault::Skewed));
        assert!(!budget.renewed(Ticket(5), Ticket(5), &Fault::Amended));
        budget.served();
        assert!(budget.renewed(Ticket(6), Ticket(6), &Fault::Expired));
    }

    #[test]
    fn parts_that_fail_together_are_one_failure() {
        let mut budget = budget();
        assert!(!budget.is_counted(Ticket(1), Ticket(4), &BUSY));
        assert!(budget.is_counted(Ticket(4), Ticket(4), &BUSY));
        assert!(!budget.is_counted(Ticket(3), Ticket(4), &Fault::Denied(403)), "this one says something new");
        assert!(!budget.is_counted(Ticket(5), Ticket(5), &BUSY));
    }

    #[test]
    fn what_no_other_try_helps_ends_the_run() {
        let cut = |fault| Fault::Net { fault, maybe_done: false };
        for (fault, want) in [
            (Fault::NoSuchBucket, Some(Failure::NoSuchBucket)),
            (Fault::Denied(403), Some(Failure::Denied(403))),
            (Fault::Expired, Some(Failure::NeedsCredentials)),
            (Fault::Rejected(400), Some(Failure::Rejected(400))),
            (cut(NetFault::Tls), Some(Failure::GaveUp(cut(NetFault::Tls)))),
            (cut(NetFault::Cut), None),
            (BUSY, None),
        ] {
            assert_eq!(budget().failed(0, fault.clone()).err(), want, "{fault:?}");
            assert_eq!(budget().unanswered(0, fault.clone()).err(), want, "{fault:?}, a question");
        }
        let mut budget = budget();
        assert!((0..10).all(|_| budget.ask_again(0, &BUSY).is_some()));
        assert_eq!(budget.ask_again(0, &BUSY), None);
        assert!(budget.failed(0, BUSY).is_ok(), "requests have a budget of their own");
    }
}

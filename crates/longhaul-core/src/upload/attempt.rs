//! Under which name does the upload go to the store?
//!
//! Each try to make the object is an attempt with a number of its own: a multipart upload with the store's id, or one
//! request with the whole. [`Attempts`] has the current one, numbers the next, and knows why it is made and what it is
//! not to ask for again. What an attempt that is left may have in the store is said by [`Remains`].

use super::journal;
use super::step::{Fault, Restart};
use crate::digest::DigestKind;

/// Attempts per run, for all reasons together, before giving up.
const ATTEMPTS_MAX: u32 = 12;

/// How far an attempt has come.
#[derive(Debug, Clone, PartialEq)]
enum Form {
    /// One request with the whole.
    Put {
        /// The journal tells of it.
        recorded: bool,
    },
    /// A multipart upload of which the journal does not tell yet.
    Unrecorded,
    /// The journal tells that it is about to be created.
    Recorded,
    /// It was created, under an id that cannot be used.
    Nameless,
    /// The store has it under this id.
    Created {
        upload_id: String,
        /// The store keeps digests of this kind with it.
        checksum: Option<DigestKind>,
    },
}

#[derive(Debug, Clone, PartialEq)]
struct CurrentAttempt {
    number: u32,
    form: Form,
}

/// What an attempt may have left in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remains {
    /// No upload, and the journal tells of none.
    Nothing,
    /// No upload, but the journal tells that one was about to be created.
    Uncreated { attempt: u32 },
    /// An upload without a usable id.
    Nameless,
    /// An upload.
    Upload { attempt: u32, upload_id: String },
}

/// The attempts of one run.
#[derive(Debug, Clone)]
pub(super) struct Attempts {
    current: Option<CurrentAttempt>,
    next: u32,
    /// How often one was left for another in this run.
    left: u32,
    /// The checksum that the store is asked to keep with an upload; none after it refused an upload because of it.
    checksum: Option<DigestKind>,
    /// Why the next attempt is made.
    reason: Option<Restart>,
    /// A new attempt has no longer parts than this: the last one had them, or longer ones did not arrive.
    part_len_max: Option<u64>,
}

impl Attempts {
    /// `checksum`: which one the store is asked to keep with an upload of several parts.
    pub(super) fn new(checksum: Option<DigestKind>) -> Self {
        Self { current: None, next: 1, left: 0, checksum, reason: None, part_len_max: None }
    }

    // ---- the current one ---------------------------------------------------------------------------------------

    /// Its number; 0 when there is none.
    pub(super) fn number(&self) -> u32 {
        self.current.as_ref().map_or(0, |attempt| attempt.number)
    }

    /// Whether there is one.
    pub(super) fn is_under_way(&self) -> bool {
        self.current.is_some()
    }

    /// Whether the object goes in one request; so it does while there is no attempt.
    pub(super) fn is_put(&self) -> bool {
        matches!(self.form(), None | Some(Form::Put { .. }))
    }

    /// Whether it is one request of which the journal tells.
    pub(super) fn is_recorded_put(&self) -> bool {
        self.form() == Some(&Form::Put { recorded: true })
    }

    /// The number of an upload of which the journal tells and which the store did not create.
    pub(super) fn uncreated(&self) -> Option<u32> {
        self.current.as_ref().filter(|attempt| attempt.form == Form::Recorded).map(|attempt| attempt.number)
    }

    /// The upload's id.
    pub(super) fn upload_id(&self) -> Option<&str> {
        match self.form()? {
            Form::Created { upload_id, .. } => Some(upload_id),
            _ => None,
        }
    }

    /// The kind of the digests that the store keeps with it.
    pub(super) fn checksum(&self) -> Option<DigestKind> {
        match self.form()? {
            Form::Created { checksum, .. } => *checksum,
            _ => None,
        }
    }

    fn form(&self) -> Option<&Form> {
        self.current.as_ref().map(|attempt| &attempt.form)
    }

    // ---- its steps ---------------------------------------------------------------------------------------------

    /// The last attempt of an earlier run is gone on with.
    pub(super) fn resume(&mut self, last: &journal::Attempt) {
        let form = match last.upload_id.clone() {
            _ if last.part_len == 0 => Form::Put { recorded: true },
            Some(upload_id) => Form::Created { upload_id, checksum: last.checksum },
            None => Form::Recorded,
        };
        self.current = Some(CurrentAttempt { number: last.attempt, form });
    }

    /// The journal tells of attempts up to this one.
    pub(super) fn number_after(&mut self, last: u32) {
        self.next = last.saturating_add(1);
    }

    /// A new multipart upload: its number, and why it is made.
    pub(super) fn begin(&mut self) -> (u32, Option<Restart>) {
        (self.begin_as(Form::Unrecorded), self.reason.take())
    }

    /// One request with the whole, unless it is one already.
    pub(super) fn begin_put(&mut self) {
        if !matches!(self.form(), Some(Form::Put { .. })) {
            self.reason = None;
            self.begin_as(Form::Put { recorded: false });
        }
    }

    fn begin_as(&mut self, form: Form) -> u32 {
        let number = self.next;
        self.next = number.saturating_add(1);
        self.current = Some(CurrentAttempt { number, form });
        number
    }

    /// The journal tells of it.
    pub(super) fn recorded(&mut self) {
        match self.current.as_mut().map(|attempt| &mut attempt.form) {
            Some(Form::Put { recorded }) => *recorded = true,
            Some(form @ Form::Unrecorded) => *form = Form::Recorded,
            _ => {}
        }
    }

    /// The store created an upload, and says which digests it keeps with it: a store that does not say so ignores what
    /// it was asked for. False: the id cannot be used.
    pub(super) fn created(&mut self, upload_id: String, keeps: Option<DigestKind>) -> bool {
        let usable = !upload_id.is_empty() && upload_id.len() <= journal::UPLOAD_ID_MAX;
        let checksum = self.checksum.filter(|kind| keeps == Some(*kind));
        if let Some(attempt) = &mut self.current {
            attempt.form = if usable { Form::Created { upload_id, checksum } } else { Form::Nameless };
        }
        usable
    }

    /// It is left.
    pub(super) fn leave(&mut self) -> Remains {
        let Some(CurrentAttempt { number: attempt, form }) = self.current.take() else { return Remains::Nothing };
        match form {
            Form::Put { .. } | Form::Unrecorded => Remains::Nothing,
            Form::Recorded => Remains::Uncreated { attempt },
            Form::Nameless => Remains::Nameless,
            Form::Created { upload_id, .. } => Remains::Upload { attempt, upload_id },
        }
    }

    /// There is none any more, and what it has in the store is known otherwise.
    pub(super) fn drop_current(&mut self) {
        self.current = None;
    }

    // ---- the next one ------------------------------------------------------------------------------------------

    /// Why the next attempt is made.
    pub(super) fn because(&mut self, reason: Restart) {
        self.reason = Some(reason);
    }

    /// One more attempt is left for another. Whether that was one too many.
    pub(super) fn are_used_up(&mut self) -> bool {
        self.left += 1;
        self.left > ATTEMPTS_MAX
    }

    /// The checksum that the store is asked to keep with a new upload.
    pub(super) fn wanted_checksum(&self) -> Option<DigestKind> {
        self.checksum
    }

    /// The store refuses the checksum: it is not asked for again in this run.
    pub(super) fn refuse_checksum(&mut self) {
        self.checksum = None;
    }

    /// Whether a refusal to create an upload may be one of the checksum alone.
    pub(super) fn may_go_without_checksum(&self, fault: &Fault) -> bool {
        self.checksum.is_some() && fault.may_be_about_checksums()
    }

    /// The greatest length of parts that a new attempt has.
    pub(super) fn part_len_max(&self) -> Option<u64> {
        self.part_len_max
    }

    /// New attempts have no longer parts than this.
    pub(super) fn shorten_to(&mut self, part_len: u64) {
        self.part_len_max = Some(part_len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(attempt: u32, upload_id: &str) -> Remains {
        Remains::Upload { attempt, upload_id: upload_id.into() }
    }

    #[test]
    fn what_is_left_depends_on_how_far_it_came() {
        let mut attempts = Attempts::new(None);
        assert_eq!((attempts.leave(), attempts.number()), (Remains::Nothing, 0));
        attempts.begin();
        assert_eq!(attempts.leave(), Remains::Nothing, "the journal does not tell of it");
        attempts.begin();
        attempts.recorded();
        assert_eq!(attempts.uncreated(), Some(2));
        assert_eq!(attempts.leave(), Remains::Uncreated { attempt: 2 });
        attempts.begin();
        attempts.recorded();
        assert!(attempts.created("ID".into(), None) && !attempts.is_put());
        assert_eq!((attempts.upload_id(), attempts.uncreated()), (Some("ID"), None));
        assert_eq!(attempts.leave(), upload(3, "ID"));
        attempts.begin();
        assert!(!attempts.created("x".repeat(journal::UPLOAD_ID_MAX + 1), None));
        assert_eq!(attempts.leave(), Remains::Nameless);
        attempts.begin_put();
        attempts.recorded();
        assert!(attempts.is_put() && attempts.is_recorded_put());
        assert_eq!(attempts.leave(), Remains::Nothing);
    }

    #[test]
    fn a_store_keeps_the_checksums_that_it_says_it_keeps() {
        let (crc, md5) = (DigestKind::Crc64, DigestKind::Md5);
        for (wanted, says, want) in [
            (Some(crc), Some(crc), Some(crc)),
            (Some(crc), None, None),
            (Some(crc), Some(md5), None),
            (None, Some(crc), None),
        ] {
            let mut attempts = Attempts::new(wanted);
            attempts.begin();
            attempts.created("ID".into(), says);
            assert_eq!(attempts.checksum(), want, "{wanted:?}, {says:?}");
        }
        let mut attempts = Attempts::new(Some(crc));
        assert!(attempts.may_go_without_checksum(&Fault::Rejected(400)));
        assert!(!attempts.may_go_without_checksum(&Fault::Rejected(403)));
        attempts.refuse_checksum();
        assert!(!attempts.may_go_without_checksum(&Fault::Rejected(400)));
        assert_eq!(attempts.wanted_checksum(), None);
    }

    #[test]
    fn numbers_go_on_behind_those_of_earlier_runs_and_attempts_have_a_bound() {
        let mut attempts = Attempts::new(None);
        attempts.number_after(7);
        attempts.because(Restart::UploadGone);
        assert_eq!(attempts.begin(), (8, Some(Restart::UploadGone)));
        assert_eq!(attempts.begin(), (9, None));
        attempts.begin_put();
        attempts.begin_put();
        assert_eq!(attempts.number(), 10, "the same request is sent again");
        assert!((0..ATTEMPTS_MAX).all(|_| !attempts.are_used_up()) && attempts.are_used_up());
    }
}

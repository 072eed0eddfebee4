//! What is a mistake of the driver's, and what may come from a store.

use super::play::*;

#[test]
#[should_panic(expected = "law 3 of the core is broken: an answer that does not belong to its step")]
fn an_answer_that_does_not_belong_to_its_step_is_a_mistake_of_ours() {
    let mut play = Play::new(config(10), 45);
    play.play_on(&mut |_, step| matches!(step, Step::Create { .. }).then_some(Heard::Done));
}

/// Goal: no refusal of a store is taken for a mistake of the driver's. Method: each request of an upload is refused
/// once, in each way, at its first, second and third time; the run ends.
#[test]
fn every_refusal_of_every_request_is_an_answer() {
    let is_request = |step: &Step| {
        use Step::{Abort, Complete, Create, ListParts, Look, Put, SendPart};
        matches!(
            step,
            Look | Put { .. } | Create { .. } | SendPart { .. } | ListParts { .. } | Complete { .. } | Abort { .. }
        )
    };
    let refusals = [
        LOST,
        NOT_SENT,
        Fault::Net { fault: NetFault::Tls, maybe_done: false },
        Fault::Busy { status: 503, retry_after_ms: Some(10) },
        Fault::Unreadable,
        Fault::Expired,
        Fault::Skewed,
        Fault::Amended,
        Fault::Corrupted,
        Fault::NoSuchUpload,
        Fault::NoSuchKey,
        Fault::NoSuchBucket,
        Fault::InvalidPart,
        Fault::Exists,
        Fault::Conflict(409),
        Fault::Denied(403),
        Fault::NoCredentials,
        Fault::Rejected(400),
    ];
    for len in [7, 45] {
        for refusal in &refusals {
            for at in 0..8 {
                let mut play = Play::new(config(10), len);
                let mut requests = 0;
                play.play_on(&mut |_, step| {
                    requests += u32::from(is_request(step));
                    (is_request(step) && requests == at + 1).then(|| Heard::Refused(refusal.clone()))
                });
                // Another start settles what is left, or begins anew.
                play.again(config(10));
                play.well();
            }
        }
    }
}

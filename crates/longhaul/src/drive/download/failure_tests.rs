//! What a caller may build on: the kind, whether another try helps, and the status of the reply that was the end.

use std::time::Duration;

use super::*;
use Disposition::{GaveUp, Permanent, Temporary};

fn of(failure: Failure, remembered: DownloadDetails) -> Error {
    error_of(failure, "https://h/x", "/d/x", 0, remembered)
}

fn net(fault: NetFault) -> Failure {
    Failure::GaveUp(Trouble::Net(fault))
}

/// A server that is busy may serve later; one that refuses never will. Both are told apart by kind and disposition, and
/// the status says what it was.
#[test]
fn every_end_says_whether_another_try_helps_and_with_which_status_it_ended() {
    let busy = |status| Failure::GaveUp(Trouble::Busy(status));
    let link = Failure::NeedsLink { status: 403, why: LinkEnd::Worked };
    let disk = |fault| Failure::Disk { fault, during: "write" };
    let odd = Failure::GaveUp(Trouble::Reply(Suspicion::OddStatus(302)));
    for (failure, kind, disposition, status) in [
        (Failure::NotFound(404), ErrorKind::NotFound, Permanent, Some(404)),
        (Failure::NotFound(410), ErrorKind::NotFound, Permanent, Some(410)),
        (Failure::Denied(403), ErrorKind::Denied, Permanent, Some(403)),
        (Failure::Denied(407), ErrorKind::Denied, Permanent, Some(407)),
        (link, ErrorKind::NeedsLink, Permanent, Some(403)),
        (Failure::Outside { length: Some(5) }, ErrorKind::Refused, Permanent, Some(416)),
        (Failure::ServerRefused(400), ErrorKind::Refused, Permanent, Some(400)),
        (Failure::ServerRefused(501), ErrorKind::Refused, Permanent, Some(501)),
        (Failure::Unusable(Suspicion::OddStatus(204)), ErrorKind::Refused, Permanent, Some(204)),
        (Failure::Unusable(Suspicion::BadFraming), ErrorKind::Refused, Permanent, None),
        (busy(202), ErrorKind::Network, GaveUp, Some(202)),
        (busy(429), ErrorKind::Network, GaveUp, Some(429)),
        (busy(500), ErrorKind::Network, GaveUp, Some(500)),
        (busy(503), ErrorKind::Network, GaveUp, Some(503)),
        (odd, ErrorKind::Network, GaveUp, Some(302)),
        (Failure::GaveUp(Trouble::Short), ErrorKind::Network, GaveUp, None),
        (net(NetFault::Resolve), ErrorKind::Network, GaveUp, None),
        (net(NetFault::Connect), ErrorKind::Network, GaveUp, None),
        (net(NetFault::Cut), ErrorKind::Network, GaveUp, None),
        (net(NetFault::Stalled), ErrorKind::Network, GaveUp, None),
        (net(NetFault::Protocol), ErrorKind::Network, GaveUp, None),
        (net(NetFault::Tls), ErrorKind::Network, Permanent, None),
        (net(NetFault::Proxy), ErrorKind::Refused, Permanent, None),
        (net(NetFault::Redirect), ErrorKind::Refused, Permanent, None),
        (Failure::Portal, ErrorKind::Portal, Temporary, None),
        (disk(DiskFault::NoSpace), ErrorKind::NoSpace, Permanent, None),
        (disk(DiskFault::InUse), ErrorKind::InUse, Temporary, None),
        (disk(DiskFault::Io), ErrorKind::LocalFile, Permanent, None),
        (Failure::Refused(TargetRefusal::TargetExists), ErrorKind::Exists, Permanent, None),
    ] {
        let error = of(failure.clone(), DownloadDetails::default());
        assert_eq!((error.kind(), error.disposition(), error.status()), (kind, disposition, status), "{failure:?}");
        let told = error.context().iter().find(|(name, _)| *name == "status").map(|(_, value)| value.clone());
        assert_eq!(told, status.map(|status| status.to_string()), "{failure:?}");
    }
}

/// The words of a store replace the sentence, and none of the facts.
#[test]
fn a_refusal_of_a_store_has_its_status_too() {
    for (failure, status) in
        [(Failure::NotFound(404), 404), (Failure::Denied(403), 403), (Failure::ServerRefused(400), 400)]
    {
        let remembered = DownloadDetails { refusal: Some("it says so".into()), ..DownloadDetails::default() };
        let error = of(failure, remembered);
        assert_eq!((error.status(), error.to_string().contains("it says so")), (Some(status), true));
    }
}

#[test]
fn the_wait_that_was_asked_for_is_that_of_the_reply_it_ended_with() {
    let asked = |status| DownloadDetails { asked_to_wait: Some((status, 7_000)), ..DownloadDetails::default() };
    let busy = || Failure::GaveUp(Trouble::Busy(503));
    assert_eq!(of(busy(), asked(503)).retry_after(), Some(Duration::from_secs(7)));
    assert_eq!(of(busy(), asked(429)).retry_after(), None);
    assert_eq!(of(net(NetFault::Cut), asked(503)).retry_after(), None);
}

//! What a caller may build on: the kind, whether another try helps, and the status of the answer that was the end.

use std::time::Duration;

use super::*;
use Disposition::{GaveUp, Permanent, Temporary};

fn of(failure: Failure) -> Error {
    let about = About { object: "oss://b/k", source: "/d/x", kept: 0, overwriting_forbidden: false };
    error_of(failure, &about, UploadDetails::default())
}

#[test]
fn every_end_says_whether_another_try_helps_and_with_which_status_it_ended() {
    let net = |fault| Failure::GaveUp(Fault::Net { fault, maybe_done: false });
    let busy = |status| Failure::GaveUp(Fault::Busy { status, retry_after_ms: Some(7_000) });
    let disk = |fault| Failure::Disk { fault, during: "read" };
    for (failure, kind, disposition, status) in [
        (Failure::NoSuchBucket, ErrorKind::NotFound, Permanent, None),
        (Failure::Denied(403), ErrorKind::Denied, Permanent, Some(403)),
        (Failure::NeedsCredentials, ErrorKind::Denied, Permanent, None),
        (Failure::Rejected(400), ErrorKind::Refused, Permanent, Some(400)),
        (Failure::Rejected(413), ErrorKind::Refused, Permanent, Some(413)),
        (Failure::Rejected(501), ErrorKind::Refused, Permanent, Some(501)),
        (Failure::Unusable, ErrorKind::Refused, Permanent, None),
        (Failure::Unconfirmed, ErrorKind::Unconfirmed, GaveUp, None),
        (Failure::OtherObject, ErrorKind::OtherObject, Permanent, None),
        (busy(429), ErrorKind::Network, GaveUp, Some(429)),
        (busy(503), ErrorKind::Network, GaveUp, Some(503)),
        (Failure::GaveUp(Fault::Conflict(409)), ErrorKind::Refused, GaveUp, Some(409)),
        (Failure::GaveUp(Fault::Unreadable), ErrorKind::Refused, GaveUp, None),
        (Failure::GaveUp(Fault::Denied(403)), ErrorKind::Denied, Permanent, Some(403)),
        (Failure::GaveUp(Fault::Expired), ErrorKind::Denied, Permanent, None),
        (net(NetFault::Cut), ErrorKind::Network, GaveUp, None),
        (net(NetFault::Tls), ErrorKind::Network, Permanent, None),
        (disk(DiskFault::InUse), ErrorKind::InUse, Temporary, None),
        (disk(DiskFault::NoSpace), ErrorKind::NoSpace, Permanent, None),
    ] {
        let error = of(failure.clone());
        assert_eq!((error.kind(), error.disposition(), error.status()), (kind, disposition, status), "{failure:?}");
        let waits = matches!(failure, Failure::GaveUp(Fault::Busy { .. })).then_some(Duration::from_secs(7));
        assert_eq!(error.retry_after(), waits, "{failure:?}");
    }
}

//! Documents of stores for [`fuzzing`](crate::fuzzing).

use http::HeaderMap;

use super::refusal::Said;
use super::request::Verb;
#[cfg(feature = "upload")]
use super::upload;
use super::{facts, list_objects, xml};
use crate::source::Dialect;

/// Every document that a good reply may hold.
pub(crate) fn documents(body: &[u8]) {
    let Some(root) = xml::parse(body) else { return };
    #[cfg(feature = "upload")]
    for encrypted in [false, true] {
        for after in [0, 1, u32::MAX] {
            let _ = upload::list_parts::read(&root, after, encrypted);
        }
    }
    for dialect in [Dialect::Oss, Dialect::S3] {
        let _ = facts::completed(dialect, &HeaderMap::new(), &root);
        let _ = list_objects::read(&root, dialect);
        #[cfg(feature = "upload")]
        let _ = upload::list_uploads::read(&root, dialect);
    }
}

/// A byte that chooses the status, then the body of a refusal.
pub(crate) fn refusal(bytes: &[u8]) {
    let Some((&status, body)) = bytes.split_first() else { return };
    let status = [200, 301, 307, 400, 401, 403, 404, 409, 412, 413, 429, 500, 503][usize::from(status) % 13];
    let said = Said::read(status, &HeaderMap::new(), body, Some(1_700_000_000));
    let _ = (said.hint().is_some(), said.time(), said.is_about_keys());
    for verb in [Verb::Look, Verb::Put, Verb::SendPart, Verb::Complete, Verb::Abort] {
        let fault = said.fault(verb, 1_700_000_000);
        let refusal = said.refusal("store it", fault, "");
        assert!(!refusal.detail.contains('\u{1b}'), "{}", refusal.detail);
    }
}

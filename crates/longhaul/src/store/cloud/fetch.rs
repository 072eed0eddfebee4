//! Asks for the object's bytes. GET, in the words that downloads from anywhere use.

use http::header::{HeaderName, HeaderValue};
use longhaul_core::digest::DigestKind;
use longhaul_core::step::{Fetch, NetFault};
use longhaul_core::upload::step::Fault;

use super::refusal::Refusal;
use super::request::{NoReply, Replied, Request, Verb};
use super::{Cloud, Dialect};
use crate::store::http::{Answer, NetFailure, Reply, asking};

impl Cloud {
    /// Sends the request for the bytes of `fetch`, signed at this moment, and waits for the head of the reply.
    ///
    /// A refusal of our time, or of keys that there are newer ones for, is answered by signing again, once; what comes
    /// back is the reply to that. A redirect that must not be followed is a [`NetFault::Redirect`] that says where it
    /// leads. Where there should be credentials and are none, it is as if the store had answered 401.
    pub(crate) async fn open(&self, fetch: &Fetch) -> Result<Reply, NetFailure> {
        for last in [false, true] {
            let replied = match self.send(self.fetching(fetch)).await {
                Ok(replied) => replied,
                Err(NoReply::Net(failure)) => return Err(failure),
                Err(NoReply::Refused(refusal)) => return given(Answer::made(401, &self.url), &[], refusal),
            };
            let Some((said, body)) = &replied.said else { return Ok(lightened(replied.answer.into_reply_with(None))) };
            let refusal = self.refused(Verb::Fetch, said, &replied);
            if last || !self.helps_to_sign_again(&replied, &refusal).await {
                let body = body.clone();
                return given(replied.answer, &body, refusal);
            }
        }
        unreachable!("the last round returns")
    }

    fn fetching(&self, fetch: &Fetch) -> Request {
        let mut request =
            Request::new(Verb::Fetch).query(self.versioned()).headers(asking(fetch)).fresh(fetch.fresh_connection);
        if self.place.dialect() == Dialect::Oss && fetch.ranged {
            // Otherwise a range that reaches beyond the end is answered with the whole object.
            let name = HeaderName::from_static("x-oss-range-behavior");
            request = request.header(name, HeaderValue::from_static("standard"));
        }
        self.asking_for_checksums(request)
    }

    /// Amazon tells checksums only to those who ask; others may not know the header.
    pub(super) fn asking_for_checksums(&self, request: Request) -> Request {
        match self.place.dialect() {
            Dialect::S3 if self.endpoint.is_vendors() => {
                request.header(HeaderName::from_static("x-amz-checksum-mode"), HeaderValue::from_static("ENABLED"))
            }
            _ => request,
        }
    }

    async fn helps_to_sign_again(&self, replied: &Replied, refusal: &Refusal) -> bool {
        match refusal.fault {
            Fault::Skewed => true,
            Fault::Expired | Fault::Denied(401 | 403) => match self.credentials.get().await {
                Ok(keys) => keys.is_some() && keys != replied.keys,
                Err(_) => false,
            },
            _ => false,
        }
    }
}

/// OSS tells a CRC-64 of every object, and of those that came in one request their MD5 too. Both say the same of the same
/// bytes, and the second takes twenty times as long: one is enough.
fn lightened(mut reply: Reply) -> Reply {
    let digests = &mut reply.facts.identity.digests;
    if digests.iter().any(|digest| digest.kind() == DigestKind::Crc64) {
        digests.retain(|digest| digest.kind() != DigestKind::Md5);
    }
    reply
}

fn given(answer: Answer, body: &[u8], refusal: Refusal) -> Result<Reply, NetFailure> {
    if matches!(answer.status(), 300..=399) {
        return Err(NetFailure { fault: NetFault::Redirect, detail: refusal.detail });
    }
    Ok(Reply { said: Some(refusal.detail), ..answer.into_reply_with(Some(body)) })
}

//! Asks for the object's bytes. GET, in the words that downloads from anywhere use.

use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use longhaul_core::digest::DigestKind;
use longhaul_core::download::step::Fetch;
use longhaul_core::reply::ContentRange;
use longhaul_core::upload::step::Fault;
use longhaul_core::words::NetFault;

use super::refusal::Refusal;
use super::request::{NoReply, Replied, Request, Verb};
use super::{Cloud, checksums};
use crate::source::Dialect;
use crate::store::http::{Answer, NetFailure, Reply, asking};

/// How long a download waits for the checksum of what it begins to fetch; without, it goes on.
const CHECKSUM_TIMEOUT: Duration = Duration::from_secs(5);

impl Cloud {
    /// Sends the request for the bytes of `fetch`, signed at this moment, and waits for the head of the reply.
    ///
    /// A refusal of our time, or of keys that there are newer ones for, is answered by signing again, once; what comes
    /// back is the reply to that. A redirect that must not be followed is a [`NetFault::Redirect`] that says where it
    /// leads. Where there should be credentials and are none, it is as if the store had answered 401.
    pub(crate) async fn open(&self, fetch: &Fetch) -> Result<Reply, NetFailure> {
        let (replied, refusal) = match self.open_once(fetch).await? {
            Opened::Reply(reply) => return Ok(reply),
            Opened::Refused(replied, refusal) => (replied, refusal),
        };
        if !self.helps_to_sign_again(&replied, &refusal).await {
            return replied.refused(refusal);
        }
        match self.open_once(fetch).await? {
            Opened::Reply(reply) => Ok(reply),
            Opened::Refused(replied, refusal) => replied.refused(refusal),
        }
    }

    async fn open_once(&self, fetch: &Fetch) -> Result<Opened, NetFailure> {
        let replied = match self.send(self.fetching(fetch)).await {
            Ok(replied) => replied,
            Err(NoReply::Net(failure)) => return Err(failure),
            Err(NoReply::Refused(refusal)) => {
                return given(Answer::made(401, &self.url), &[], refusal).map(Opened::Reply);
            }
        };
        if let Some((said, _)) = &replied.said {
            let refusal = self.refused(Verb::Fetch, said, &replied);
            return Ok(Opened::Refused(replied, refusal));
        }
        let reply = lightened(replied.answer.into_reply_with(None));
        Ok(Opened::Reply(self.with_checksum(fetch, reply).await))
    }

    fn fetching(&self, fetch: &Fetch) -> Request {
        let mut request =
            Request::new(Verb::Fetch).query(self.versioned()).headers(asking(fetch)).fresh(fetch.fresh_connection);
        if self.object.dialect() == Dialect::Oss && fetch.ranged {
            // Otherwise a range that reaches beyond the end is answered with the whole object.
            let name = HeaderName::from_static("x-oss-range-behavior");
            request = request.header(name, HeaderValue::from_static("standard"));
        }
        self.asking_for_checksums(request)
    }

    /// The reply that a download begins with, with the checksum of the object. Stores do not tell it with a range, be
    /// it all of the object: then it is asked for beside. That is in vain where the answer is late, or of another
    /// object.
    async fn with_checksum(&self, fetch: &Fetch, mut reply: Reply) -> Reply {
        let first = fetch.ranged && fetch.start == 0 && fetch.condition.is_none();
        let len = match reply.facts.content_range {
            ContentRange::Bytes { total, .. } => total,
            _ => None,
        };
        let identity = &mut reply.facts.identity;
        let bare = reply.facts.status == 206 && identity.digests.is_empty() && identity.etag.is_some();
        if !first || !bare || !self.endpoint.is_worth_asking() {
            return reply;
        }
        let Ok(Ok(there)) = tokio::time::timeout(CHECKSUM_TIMEOUT, self.look()).await else { return reply };
        let told = there.digests.iter().filter(|digest| digest.kind() != DigestKind::Md5);
        let told: Vec<_> = told.cloned().collect();
        self.endpoint.asked_for_checksums(!told.is_empty());
        if there.etag == identity.etag && there.len == len && there.version == identity.version {
            identity.digests = told;
        }
        reply
    }

    /// S3 tells checksums only to those who ask.
    pub(super) fn asking_for_checksums(&self, request: Request) -> Request {
        if !self.endpoint.is_asked_for_checksums() {
            return request;
        }
        let (name, value) = checksums::to_be_told();
        request.header(name, value)
    }

    async fn helps_to_sign_again(&self, replied: &Replied, refusal: &Refusal) -> bool {
        match refusal.fault {
            Fault::Skewed => true,
            // What was asked beside the bytes is not asked any more, or it is asked elsewhere.
            Fault::Amended | Fault::Busy { status: 400 | 501, .. } => true,
            Fault::Expired | Fault::Denied(401 | 403) => match self.credentials.get().await {
                Ok(keys) => keys.is_some() && keys != replied.keys,
                Err(_) => false,
            },
            _ => false,
        }
    }
}

/// OSS tells a CRC-64 of every object, and of those that came in one request their MD5 too. Both say the same of the
/// same bytes, and the second takes twenty times as long: one is enough.
fn lightened(mut reply: Reply) -> Reply {
    let digests = &mut reply.facts.identity.digests;
    if digests.iter().any(|digest| digest.kind() == DigestKind::Crc64) {
        digests.retain(|digest| digest.kind() != DigestKind::Md5);
    }
    reply
}

/// What came of one request.
enum Opened {
    Reply(Reply),
    Refused(Replied, Refusal),
}

impl Replied {
    /// The refusal as the reply to a download.
    fn refused(self, refusal: Refusal) -> Result<Reply, NetFailure> {
        let body = self.said.map(|(_, body)| body).unwrap_or_default();
        given(self.answer, &body, refusal)
    }
}

fn given(answer: Answer, body: &[u8], refusal: Refusal) -> Result<Reply, NetFailure> {
    if matches!(answer.status(), 300..=399) {
        return Err(NetFailure { fault: NetFault::Redirect, detail: refusal.detail });
    }
    let beside_access = matches!(refusal.fault, Fault::Rejected(_));
    let advice = refusal.advice();
    Ok(Reply { said: Some(refusal.detail), beside_access, advice, ..answer.into_reply_with(Some(body)) })
}

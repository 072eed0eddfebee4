//! Signs one request, sends it, and follows what the store itself says of a better place.
//!
//! Keys and time are taken when the request is sent, not before: both change while a transfer runs. A request that was
//! refused for its time, its keys or its place changes what the next one is made of, and says so; only a better place
//! is asked again from here, where the body can still be sent, since it is the same request.

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, ETAG, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use longhaul_core::upload::step::Fault;
use longhaul_core::words::NetFault;
use sha2::{Digest as _, Sha256};

use super::Cloud;
use super::clock::Told;
use super::endpoint::Followed;
use super::refusal::{Refusal, Said, UNEXPLAINED, about_clock};
use super::xml::{self, Element};
use crate::keys::Keys;
use crate::store::http::{Answer, Ask, NetFailure, Outgoing};
use crate::store::sign::{Signer, Subject};

/// Places that are tried for one request: the store's word is followed twice.
const PLACES_MAX: u32 = 3;
/// How much of an error about credentials is shown; a file or a service has a say in it.
const ERROR_CHARS_MAX: usize = 500;
/// Longest document that is read: 1000 keys of 1024 bytes, percent-encoded, and what else is told of them.
const DOCUMENT_LEN_MAX: usize = 8 << 20;
/// Longest body that is read where none is expected.
const IGNORED_LEN_MAX: usize = 64 << 10;

/// What is asked of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Look,
    Fetch,
    Put,
    Create,
    SendPart,
    ListParts,
    Complete,
    Abort,
    ListUploads,
    ListObjects,
}

impl Verb {
    fn method(self) -> Method {
        match self {
            Self::Look => Method::HEAD,
            Self::Fetch | Self::ListParts | Self::ListUploads | Self::ListObjects => Method::GET,
            Self::Put | Self::SendPart => Method::PUT,
            Self::Create | Self::Complete => Method::POST,
            Self::Abort => Method::DELETE,
        }
    }

    /// It is about an upload that has an id.
    pub(super) fn names_upload(self) -> bool {
        matches!(self, Self::SendPart | Self::ListParts | Self::Complete | Self::Abort)
    }

    /// It is about the bucket, not the key.
    fn is_of_bucket(self) -> bool {
        matches!(self, Self::ListUploads | Self::ListObjects)
    }
}

/// One request, before it is signed.
pub(super) struct Request {
    verb: Verb,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Option<Outgoing>,
    unsigned_body: bool,
    fresh: bool,
}

impl Request {
    pub(super) fn new(verb: Verb) -> Self {
        let body = matches!(verb.method(), Method::PUT | Method::POST).then(Outgoing::none);
        Self { verb, query: Vec::new(), headers: HeaderMap::new(), body, unsigned_body: false, fresh: false }
    }

    /// A parameter; one without a value is its name alone.
    pub(super) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.query.push((name.to_owned(), value.to_string()));
        self
    }

    /// Parameters.
    pub(super) fn query(mut self, query: Vec<(String, String)>) -> Self {
        self.query.extend(query);
        self
    }

    pub(super) fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(super) fn body(mut self, body: Outgoing) -> Self {
        self.body = Some(body);
        self
    }

    /// The body is protected otherwise: its SHA-256 is not worth computing.
    pub(super) fn unsigned_body(self, yes: bool) -> Self {
        Self { unsigned_body: yes, ..self }
    }

    /// The SHA-256 of the body, to be signed: of bytes in memory. A stream would have to be read twice.
    fn payload_sum(&self) -> Option<[u8; 32]> {
        if self.unsigned_body {
            return None;
        }
        let in_memory = self.body.as_ref().map_or(Some(Bytes::new()), Outgoing::in_memory);
        in_memory.map(|bytes| Sha256::digest(&bytes).into())
    }

    /// Over a connection of its own.
    pub(super) fn fresh(mut self, yes: bool) -> Self {
        self.fresh = yes;
        self
    }
}

/// A reply, good or not, and what was read of its body if it was not.
pub(super) struct Replied {
    pub(super) answer: Answer,
    /// What it says of its failure, and the begin of its body.
    pub(super) said: Option<(Said, Vec<u8>)>,
    /// The keys that the request was signed with.
    pub(super) keys: Option<Keys>,
    /// The MD5 of its body went ahead of it.
    with_md5: bool,
    /// The time that it was signed with.
    now_unix_s: i64,
}

/// Why there is no reply.
pub(super) enum NoReply {
    /// The network failed.
    Net(NetFailure),
    /// The request was not sent.
    Refused(Refusal),
}

impl Cloud {
    /// Sends a request; a reply that is not good becomes a refusal.
    pub(super) async fn request(&self, request: Request) -> Result<Answer, Refusal> {
        let verb = request.verb;
        let body = request.body.clone();
        let replied = match self.send(request).await {
            Ok(replied) => replied,
            Err(NoReply::Refused(refusal)) => return Err(refusal),
            Err(NoReply::Net(failure)) => {
                let unsent =
                    matches!(failure.fault, NetFault::Resolve | NetFault::Connect | NetFault::Tls | NetFault::Proxy);
                let whole = body.is_none_or(|body| body.is_handed_over());
                return Err(Refusal::of_network(failure, whole && !unsent));
            }
        };
        match replied.said {
            None => Ok(replied.answer),
            Some((ref said, _)) => Err(self.refused(verb, said, &replied)),
        }
    }

    /// Sends a request wherever the bucket is said to be.
    pub(super) async fn send(&self, request: Request) -> Result<Replied, NoReply> {
        let mut places = 1;
        loop {
            let replied = self.send_once(&request).await?;
            let again = places < PLACES_MAX && request.body.as_ref().is_none_or(Outgoing::can_be_sent);
            let hint = replied.said.as_ref().and_then(|(said, _)| said.hint());
            let Some(hint) = hint.filter(|_| again) else { return Ok(replied) };
            if self.endpoint.follow(self.object.bucket(), hint) != Followed::Elsewhere {
                return Ok(replied);
            }
            places += 1;
        }
    }

    async fn send_once(&self, request: &Request) -> Result<Replied, NoReply> {
        let keys = self.credentials.get().await.map_err(|error| {
            NoReply::Refused(Refusal {
                fault: Fault::NoCredentials,
                detail: crate::secrets::shown(&format!("no credentials: {error}"), ERROR_CHARS_MAX),
            })
        })?;
        let key = if request.verb.is_of_bucket() { "" } else { self.object.key() };
        let target = self
            .endpoint
            .target(self.object.bucket(), key, &request.query)
            .map_err(|error| NoReply::Refused(Refusal { fault: Fault::Rejected(0), detail: error.to_string() }))?;
        let mut headers = request.headers.clone();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let now = self.endpoint.clock.now();
        if let Some(keys) = &keys {
            let method = request.verb.method();
            let subject = Subject {
                method: method.as_str(),
                bucket: self.object.bucket(),
                key,
                query: &request.query,
                headers: &headers,
                additional: &[],
            };
            let signer = Signer { keys, region: &target.region, now };
            let scheme = self.endpoint.scheme(&target);
            headers.extend(scheme.head(&signer, &subject, || request.payload_sum()));
        }
        let ask = Ask {
            method: request.verb.method(),
            url: &target.url,
            headers,
            body: request.body.as_ref(),
            fresh: request.fresh,
        };
        let mut answer = self.http.ask(ask).await.map_err(NoReply::Net)?;
        let said = match answer.status() {
            200..=299 => None,
            // The answer to a condition or a range, in a download.
            304 | 412 | 416 if request.verb == Verb::Fetch => None,
            status => {
                let body = if request.verb == Verb::Look { Vec::new() } else { answer.error_body().await };
                let said = Said::read(status, answer.headers(), &body, answer.date_unix_s());
                Some((said, body))
            }
        };
        let with_md5 = request.headers.contains_key("content-md5");
        Ok(Replied { answer, said, keys, with_md5, now_unix_s: now.unix_s() })
    }

    /// What a refusal means; takes what it says of time and keys.
    pub(super) fn refused(&self, verb: Verb, said: &Said, replied: &Replied) -> Refusal {
        let (keys, now_unix_s) = (replied.keys.as_ref(), replied.now_unix_s);
        let what = self.endpoint.shown();
        let mut fault = said.fault(verb, now_unix_s);
        let mut more = String::new();
        match &fault {
            Fault::Skewed => {
                let told = said.time().map(|time| self.endpoint.clock.told(time));
                more = about_clock(told);
                if !matches!(told, Some(Told::Corrected(_))) {
                    fault = Fault::Denied(said.status);
                }
            }
            Fault::Denied(401 | 403) if keys.is_none() => more = "no credentials were given".to_owned(),
            // Also keys that are not known: the file they came from may have been changed.
            Fault::Expired | Fault::Denied(_) if said.is_about_keys() => {
                keys.iter().for_each(|keys| self.credentials.refused(keys));
            }
            Fault::Conflict(412) if self.dress.forbid_overwrite => fault = Fault::Exists,
            Fault::Rejected(400) if said.wants_md5() && !replied.with_md5 => {
                // The next request brings it.
                self.endpoint.learned.wants_md5();
                fault = Fault::Amended;
            }
            Fault::Rejected(400) if verb == Verb::Look && said.code.is_none() => more = UNEXPLAINED.to_owned(),
            Fault::Rejected(501) if self.dress.forbid_overwrite => {
                more = "this store cannot be told not to replace an object".to_owned();
            }
            _ => {}
        }
        let unexplained = matches!(said.status, 400 | 501)
            && matches!(verb, Verb::Look | Verb::Fetch)
            && (said.code.is_none() || matches!(fault, Fault::Rejected(_)))
            && fault != Fault::Skewed;
        if unexplained && said.hint().is_none() && self.endpoint.stop_asking_for_checksums() {
            // Perhaps for that. The next request does not ask.
            fault = Fault::Amended;
        }
        if let Some(hint) = said.hint() {
            match self.endpoint.follow(self.object.bucket(), hint) {
                Followed::Refused(there) => {
                    more = format!("the bucket is at {there}; give it as the endpoint if you trust it");
                }
                // Learned now, and the body was gone: the next request goes there.
                Followed::Elsewhere => fault = Fault::Busy { status: said.status, retry_after_ms: Some(0) },
                Followed::Nowhere => {}
            }
        }
        said.refusal(&what, fault, &more)
    }

    /// The whole body of a good answer, of at most `len_max` bytes. What cannot be read leaves open what was done.
    pub(super) async fn whole_body(&self, answer: Answer, len_max: usize) -> Result<Bytes, Refusal> {
        let mut body = answer.into_body();
        let mut all = Vec::new();
        while let Some(chunk) = body.chunk().await.map_err(|failure| Refusal::of_network(failure, true))? {
            if all.len() + chunk.len() > len_max {
                return Err(Refusal::unreadable("the answer is longer than any that a store gives"));
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all.into())
    }

    /// The rest of a good answer that has no body to speak of. Whatever is there is read, so that the connection can be
    /// used again; an error that it holds is one, whatever the status.
    pub(super) async fn no_error(&self, verb: Verb, answer: Answer) -> Result<(), Refusal> {
        let (status, headers, date) = (answer.status(), answer.headers().clone(), answer.date_unix_s());
        let body = self.whole_body(answer, IGNORED_LEN_MAX).await?;
        let said = Said::read(status, &headers, &body, date);
        // A page in place of an answer: a network that wants a login gives it for everything.
        let page = said.html && !headers.contains_key(ETAG) && verb != Verb::Abort;
        if said.code.is_none() && !page {
            return Ok(());
        }
        let fault = said.fault(verb, self.endpoint.clock.now().unix_s());
        Err(said.refusal(&self.endpoint.shown(), fault, ""))
    }

    /// The document in a good answer, which has a root of that name.
    pub(super) async fn document(&self, verb: Verb, answer: Answer, root: &str) -> Result<Element, Refusal> {
        let (status, headers, date) = (answer.status(), answer.headers().clone(), answer.date_unix_s());
        let body = self.whole_body(answer, DOCUMENT_LEN_MAX).await?;
        if let Some(document) = xml::parse(&body).filter(|document| document.name == root) {
            return Ok(document);
        }
        match Said::in_good_reply(status, &headers, &body, date) {
            Some(said) => {
                let fault = said.fault(verb, self.endpoint.clock.now().unix_s());
                Err(said.refusal(&self.endpoint.shown(), fault, ""))
            }
            None => Err(Refusal::unreadable(&format!("{}: the answer is no {root}", self.endpoint.shown()))),
        }
    }
}

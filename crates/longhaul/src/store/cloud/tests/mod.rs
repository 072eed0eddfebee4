//! Stores in the tests: the local OSS store in this process, S3 servers, and origins of a few lines that answer
//! what no real store would on demand. `contract` is the same for all real ones.

mod checksums;
mod contract;
mod http2;
mod oddities;
mod oss;
mod servers;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Method;
use longhaul_core::digest::{Digest, DigestKind};
use longhaul_core::download::step::Fetch;
use longhaul_core::upload::step::{CompletedPart, Fault};
use md5::Md5;
use sha2::Digest as _;

use super::list_objects::ObjectsPage;
use super::upload::list_parts::PartsPage;
use super::*;
use crate::credentials::{BoxFuture, Keys, Secret, Static};
use crate::source::{Dialect, ObjectName, ObjectPrefix};
use crate::store::http::{Ask, Handed, HttpOptions, NetFailure, Outgoing, ProxyChoice};

/// A store that runs, as its clients see it.
struct Bench {
    options: EndpointOptions,
    keys: Keys,
    bucket: String,
    http: HttpStore,
    /// The least length of a part that is not the last.
    part_min: usize,
    /// What becomes of a PUT that must not replace anything, and would.
    once: Once,
    /// How far a clock may not be from its own, in seconds.
    skews_s: &'static [i64],
}

/// How a store takes a condition on a PUT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Once {
    Heeded,
    /// It replaces all the same.
    Ignored,
    /// It says that it cannot, even where nothing would be replaced.
    Refused,
}

impl Bench {
    fn new(options: EndpointOptions, keys: Keys, bucket: &str) -> Self {
        let options_http = HttpOptions { proxy: ProxyChoice::Direct, ..HttpOptions::default() };
        let part_min = if options.dialect == Dialect::Oss { 100 << 10 } else { 5 << 20 };
        Self {
            options,
            keys,
            bucket: bucket.to_owned(),
            http: HttpStore::new(&options_http).unwrap(),
            part_min,
            once: Once::Heeded,
            skews_s: &[7200, -7200],
        }
    }

    fn endpoint(&self) -> Arc<Endpoint> {
        Arc::new(Endpoint::new(self.options.clone()).unwrap())
    }

    fn object_name(&self, key: &str) -> ObjectName {
        format!("{}{}/{key}", self.options.dialect.scheme(), self.bucket).parse().unwrap()
    }

    fn object(&self, key: &str) -> Cloud {
        self.dressed(key, &Orders::default())
    }

    fn dressed(&self, key: &str, orders: &Orders) -> Cloud {
        self.with(self.object_name(key), orders, Arc::new(Static::new(self.keys.clone())))
    }

    fn with(&self, object: ObjectName, orders: &Orders, credentials: Arc<dyn Credentials>) -> Cloud {
        Cloud::new(&self.http, self.endpoint(), object, orders, credentials).unwrap()
    }

    /// A request that nobody signed.
    async fn plain(&self, method: Method, url: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let url = Url::parse(url).unwrap();
        let body = Outgoing::memory(Bytes::copy_from_slice(body), Handed::default());
        let body = Some(&body).filter(|_| method == Method::PUT);
        let answer =
            self.http.ask(Ask { method, url: &url, headers: http::HeaderMap::new(), body, fresh: false }).await;
        let answer = answer.unwrap();
        let status = answer.status();
        (status, read_all(answer.into_body()).await.unwrap())
    }
}

/// Uploads without checksums.
impl Cloud {
    async fn begin(&self) -> Result<String, Refusal> {
        self.create(None).await.map(|created| created.upload_id)
    }

    async fn finish(&self, upload_id: &str, parts: &[(u32, String)]) -> Result<Stored, Refusal> {
        let part =
            |(number, etag): &(u32, String)| CompletedPart { number: *number, etag: etag.clone(), checksum: None };
        let parts: Vec<_> = parts.iter().map(part).collect();
        self.complete(upload_id, &parts, None).await
    }
}

async fn read_all(mut body: crate::store::Body) -> Result<Vec<u8>, NetFailure> {
    let mut all = Vec::new();
    while let Some(chunk) = body.chunk().await? {
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

fn keys(id: &str, secret: &str) -> Keys {
    Keys { id: id.to_owned(), secret: Secret::new(secret), token: None }
}

/// Keys that are replaced when they are refused, and count how often.
struct Changing(Mutex<(Vec<Keys>, usize)>);

impl Changing {
    fn new(first_to_last: Vec<Keys>) -> Arc<Self> {
        Arc::new(Self(Mutex::new((first_to_last, 0))))
    }

    fn refusals(&self) -> usize {
        self.0.lock().unwrap().1
    }
}

impl Credentials for Changing {
    fn get(&self) -> BoxFuture<'_, Result<Option<Keys>, Error>> {
        let first = self.0.lock().unwrap().0.first().cloned();
        Box::pin(std::future::ready(Ok(first)))
    }

    fn refused(&self, keys: &Keys) {
        let mut all = self.0.lock().unwrap();
        if all.0.len() > 1 && all.0.first() == Some(keys) {
            all.0.remove(0);
        }
        all.1 += 1;
    }
}

/// Bytes that differ from place to place.
fn content(seed: u32, len: usize) -> Bytes {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    };
    std::iter::repeat_with(next).take(len).collect::<Vec<u8>>().into()
}

/// A body that comes in pieces, and may fail.
struct Pieces(Vec<Result<Bytes, &'static str>>);

impl Pieces {
    fn of(bytes: &Bytes) -> Self {
        let mut pieces: Vec<_> = bytes.chunks(70_001).map(|piece| Ok(bytes.slice_ref(piece))).collect();
        pieces.reverse();
        Self(pieces)
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, &'static str>>> {
        std::task::Poll::Ready(self.0.pop().map(|piece| piece.map(http_body::Frame::data)))
    }
}

fn md5(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}

fn crc64(bytes: &[u8]) -> Digest {
    let sum = longhaul_core::crc::of(longhaul_core::crc::Algorithm::Crc64Xz, bytes);
    Digest::new(DigestKind::Crc64, sum.to_be_bytes()).unwrap()
}

fn crc64nvme(bytes: &[u8]) -> Digest {
    let sum = longhaul_core::crc::of(longhaul_core::crc::Algorithm::Crc64Nvme, bytes);
    Digest::new(DigestKind::Crc64Nvme, sum.to_be_bytes()).unwrap()
}

fn md5_digest(bytes: &[u8]) -> Digest {
    Digest::new(DigestKind::Md5, md5(bytes)).unwrap()
}

/// What the store is to vouch for: of the kinds that it told, all are right, and there is one at least.
fn assert_vouched(told: &[Digest], bytes: &[u8], what: &str) {
    assert!(!told.is_empty(), "{what}: nothing was told");
    for digest in told {
        let want = match digest.kind() {
            DigestKind::Md5 => md5_digest(bytes),
            DigestKind::Crc64Nvme => crc64nvme(bytes),
            _ => crc64(bytes),
        };
        assert_eq!(*digest, want, "{what}");
    }
}

fn from(start: u64, end: Option<u64>) -> Fetch {
    Fetch { start, end, last: None, ranged: true, condition: None, fresh_connection: false, only_if: None }
}

fn fault_of<T: std::fmt::Debug>(outcome: Result<T, Refusal>) -> Fault {
    let refusal = outcome.unwrap_err();
    assert!(!refusal.detail.is_empty() && !refusal.detail.contains("hush"), "{refusal:?}");
    refusal.fault
}

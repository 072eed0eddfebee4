//! One operation: what was asked, for verbs to carry out, and the reply they give.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{channel, sync_channel};

use super::admit::Posted;
use super::disk::{Bucket, Object};
use super::keys::Key;
use super::labels::{Acl, Labels, Tags};
use super::op::Op;
use super::refusal::Refusal;
use super::store::Store;
use super::sums::{Summing, Sums};
use super::target::{Query, Resource, encode_key};
use super::wire::{Body, Length, is_timeout};
use super::{clock, disk, sts};
use crate::request::Headers;

/// Bodies that are read whole: 10,000 parts of a list with room to spare.
const XML_BYTES_MAX: usize = 4 << 20;
/// What a single request may carry, parts included.
pub(crate) const OBJECT_BYTES_MAX: u64 = 5 << 30;
/// How much is read from the socket and written at a time. Larger writes were dearer for the page cache.
const PIECE: usize = 64 << 10;
pub(crate) const ENCRYPTION: &str = "x-oss-server-side-encryption";
/// Up to this a body is summed by the thread that receives it.
const ALONE_MAX: u64 = 1 << 20;
/// How far receiving may be ahead of summing.
const PIECES_AHEAD: usize = 16;

/// An operation to be carried out.
pub(crate) struct Call<'a, 'w> {
    pub(crate) store: &'a Store,
    pub(crate) op: Op,
    pub(crate) resource: Resource,
    pub(crate) query: &'a Query,
    /// Of the request, or of the form in its body.
    pub(crate) headers: &'a Headers,
    pub(crate) form: Option<&'a Posted>,
    pub(crate) sts: Option<&'a sts::Asked>,
    pub(crate) length: Length,
    pub(crate) body: &'a mut Body<'w>,
    /// The key that signed; `None` for an anonymous request.
    pub(crate) key: Option<Key>,
    pub(crate) request_id: &'a str,
    pub(crate) client: Option<std::net::IpAddr>,
    /// Faults may ask for it.
    pub(crate) ignore_range: bool,
}

/// An answer that is none of ours to refuse.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) content: Content,
    /// From `x-oss-traffic-limit`.
    pub(crate) bytes_per_second: Option<u64>,
}

/// What stands behind the head.
#[derive(Debug)]
pub(crate) enum Content {
    Bytes(Vec<u8>),
    /// Bytes of an object as it is now, also when it is replaced later.
    Object(Arc<Object>, Range<u64>),
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Object(_, range) => range.end - range.start,
        }
    }
}

impl Reply {
    pub(crate) fn empty(status: u16) -> Reply {
        Reply { status, headers: Headers::default(), content: Content::Bytes(Vec::new()), bytes_per_second: None }
    }

    pub(crate) fn xml(body: Vec<u8>) -> Reply {
        let mut reply = Reply::empty(200).header("Content-Type", "application/xml");
        reply.content = Content::Bytes(body);
        reply
    }

    pub(crate) fn header(mut self, name: &str, value: impl ToString) -> Reply {
        self.headers.set(name, value.to_string());
        self
    }

    /// The answer that says no. A HEAD has no body: its error stands in a field.
    pub(crate) fn refusal(refusal: &Refusal, request_id: &str, host: &str, head: bool) -> Reply {
        let body = refusal.body(request_id, host);
        let mut reply = Reply::empty(refusal.status);
        for (name, value) in &refusal.headers {
            reply.headers.set(*name, value);
        }
        if !refusal.ec.is_empty() {
            reply.headers.set("x-oss-ec", refusal.ec);
        }
        if matches!(refusal.status, 204 | 304) {
            return reply;
        }
        if head {
            use base64::Engine as _;
            reply.headers.set("x-oss-err", base64::engine::general_purpose::STANDARD.encode(&body));
        } else {
            reply.headers.set("Content-Type", "application/xml");
            reply.content = Content::Bytes(body);
        }
        reply
    }
}

impl Call<'_, '_> {
    pub(crate) fn now_ms(&self) -> i64 {
        self.store.clock.now_ms()
    }

    pub(crate) fn key(&self) -> &str {
        &self.resource.key
    }

    pub(crate) fn bucket(&self) -> Result<Arc<Bucket>, Refusal> {
        self.store.bucket(&self.resource.bucket)
    }

    pub(crate) fn object(&self) -> Result<Arc<Object>, Refusal> {
        self.bucket()?.object(self.key()).ok_or_else(|| Refusal::no_such_key(self.key()))
    }

    /// A number of the query within bounds.
    pub(crate) fn number(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<u64>,
        default: u64,
    ) -> Result<u64, Refusal> {
        let Some(text) = self.query.get(name).filter(|text| !text.is_empty()) else { return Ok(default) };
        text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
            let message = format!("{name} must be between {} and {}.", range.start(), range.end());
            Refusal::invalid_argument(name, text, &message)
        })
    }

    /// `encoding-type=url`: names in XML are percent-encoded.
    pub(crate) fn naming(&self) -> Result<Naming, Refusal> {
        match self.query.get("encoding-type") {
            None | Some("") => Ok(Naming { encoded: false }),
            Some("url") => Ok(Naming { encoded: true }),
            Some(other) => {
                Err(Refusal::invalid_argument("encoding-type", other, "Invalid Encoding Method specified in Request."))
            }
        }
    }

    /// Whether a field says yes, in the way OSS's fields do.
    pub(crate) fn says(&self, name: &str) -> bool {
        self.headers.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The body as a document, its Content-MD5 checked.
    pub(crate) fn xml_bytes(&mut self) -> Result<Vec<u8>, Refusal> {
        let bytes = self.body.whole(XML_BYTES_MAX).map_err(unread)?;
        let bytes = bytes.ok_or_else(|| Refusal::new(400, "EntityTooLarge", "The document is too large."))?;
        self.check_md5(&Sums::of(&bytes))?;
        Ok(bytes)
    }

    /// Bytes per second from `x-oss-traffic-limit`, which counts bits.
    pub(crate) fn traffic_limit(&self) -> Result<Option<u64>, Refusal> {
        const NAME: &str = "x-oss-traffic-limit";
        let text = match (self.headers.get(NAME), self.query.get(NAME)) {
            (Some(_), Some(_)) => {
                let message = "x-oss-traffic-limit is given in header and query.";
                return Err(Refusal::invalid_argument(NAME, "", message).ec("0004-00000501"));
            }
            (Some(text), None) | (None, Some(text)) => text,
            (None, None) => return Ok(None),
        };
        let bits: Option<u64> = text.parse().ok().filter(|bits| (819_200..=838_860_800).contains(bits));
        let message = "x-oss-traffic-limit must be between 819200 and 838860800.";
        let bits = bits.ok_or_else(|| Refusal::invalid_argument(NAME, text, message).ec("0004-00000502"))?;
        Ok(Some(bits / 8))
    }

    /// Refuses what a body of data may not be before any of it is read.
    pub(crate) fn check_data_length(&self) -> Result<(), Refusal> {
        check_data_length(Some(self.length))
    }

    /// Slows the body down to what `x-oss-traffic-limit` says.
    pub(crate) fn limit_traffic(&mut self) -> Result<(), Refusal> {
        if let Some(limit) = self.traffic_limit()? {
            let slower = self.body.spoil.bytes_per_second.map_or(limit, |rate| rate.min(limit));
            self.body.spoil.bytes_per_second = Some(slower);
        }
        Ok(())
    }

    /// Receives the body into a file, its Content-MD5 checked.
    pub(crate) fn receive(&mut self, draft: &mut disk::Draft) -> Result<Sums, Refusal> {
        self.limit_traffic()?;
        let sums = receive_from(self.body, self.length, OBJECT_BYTES_MAX, draft)?;
        self.check_md5(&sums)?;
        Ok(sums)
    }

    fn check_md5(&self, sums: &Sums) -> Result<(), Refusal> {
        let Some(sent) = self.headers.get("Content-MD5") else { return Ok(()) };
        if sent.trim() == sums.content_md5() {
            return Ok(());
        }
        let message = "The Content-MD5 you specified did not match what we received.";
        Err(Refusal::new(400, "InvalidDigest", message)
            .with("ExpectedDigest", sent)
            .with("CalculatedDigest", sums.content_md5()))
    }

    /// The fields of a request that are stored with an object and sent back with it.
    pub(crate) fn stored_headers(&self) -> Result<Vec<(String, String)>, Refusal> {
        const KEPT: [&str; 6] =
            ["Content-Type", "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Expires"];
        let mut stored: Vec<(String, String)> = self.encryption()?.into_iter().collect();
        for name in KEPT {
            match self.headers.get(name) {
                Some(value) => stored.push((name.to_owned(), value.to_owned())),
                None if name == "Content-Type" => stored.push((name.to_owned(), "application/octet-stream".to_owned())),
                None => {}
            }
        }
        let mut bytes = 0;
        for (name, value) in self.headers.iter() {
            let name = name.to_ascii_lowercase();
            if name.starts_with("x-oss-meta-") {
                let value = String::from_utf8_lossy(value).into_owned();
                bytes += name.len() + value.len();
                stored.push((name, value));
            }
        }
        if bytes > 8 << 10 {
            let message = "Your metadata headers exceed the maximum allowed metadata size.";
            return Err(Refusal::new(400, "MetadataTooLarge", message));
        }
        Ok(stored)
    }

    /// The field that says how the object is encrypted. It is kept and sent back, and the bytes are not encrypted: what
    /// a client can see of AES256 is that field. Keys of the client's own would be more than a field.
    pub(crate) fn encryption(&self) -> Result<Option<(String, String)>, Refusal> {
        let other_key = ["x-oss-server-side-encryption-key-id", "x-oss-server-side-data-encryption"];
        if let Some(name) = other_key.into_iter().find(|name| self.headers.has(name)) {
            return Err(Refusal::not_implemented("encryption with keys of KMS").with("Header", name));
        }
        match self.headers.get(ENCRYPTION) {
            None => Ok(None),
            Some("AES256") => Ok(Some((ENCRYPTION.to_owned(), "AES256".to_owned()))),
            Some(method @ ("KMS" | "SM4")) => {
                Err(Refusal::not_implemented(&format!("encryption by {method}")).with("Header", ENCRYPTION))
            }
            Some(other) => {
                let message = "The Encryption Method specified is not supported.";
                Err(Refusal::new(400, "InvalidEncryptionAlgorithmError", message).with("ArgumentValue", other))
            }
        }
    }

    /// What `x-oss-object-acl` says.
    pub(crate) fn acl(&self) -> Result<Option<Acl>, Refusal> {
        const NAME: &str = "x-oss-object-acl";
        let Some(word) = self.headers.get(NAME) else { return Ok(None) };
        let unknown = || Refusal::invalid_argument(NAME, word, "no such object access control exists");
        Acl::of_word(word).map(Some).ok_or_else(unknown)
    }

    /// The tags of `x-oss-tagging`, which a key has to be allowed to put.
    pub(crate) fn tags(&self) -> Result<Tags, Refusal> {
        let Some(text) = self.headers.get("x-oss-tagging") else { return Ok(Tags::default()) };
        let tags = Tags::of_field(text)?;
        if self.key.is_some() {
            self.store.allow(self.key.as_ref(), Op::PutObjectTagging, &self.resource)?;
        }
        Ok(tags)
    }

    /// What the fields of a request say of a new object.
    pub(crate) fn labels(&self) -> Result<Labels, Refusal> {
        Ok(Labels { tags: self.tags()?, acl: self.acl()?.unwrap_or_default() })
    }

    pub(crate) fn storage_class(&self, default: &str) -> Result<String, Refusal> {
        match self.headers.get("x-oss-storage-class") {
            None => Ok(default.to_owned()),
            Some(class @ ("Standard" | "IA" | "Archive" | "ColdArchive" | "DeepColdArchive")) => Ok(class.to_owned()),
            Some(other) => Err(Refusal::invalid_argument("x-oss-storage-class", other, "Unknown storage class.")),
        }
    }

    /// Keys of new objects.
    pub(crate) fn check_new_key(&self) -> Result<(), Refusal> {
        let key = self.key();
        if key.len() > 1023 || key.starts_with('\\') || key.contains('\0') {
            let message = "The specified object name is not valid.";
            return Err(Refusal::new(400, "InvalidObjectName", message).with("ObjectName", key));
        }
        Ok(())
    }
}

/// How names are written into XML.
#[derive(Clone, Copy)]
pub(crate) struct Naming {
    pub(crate) encoded: bool,
}

impl Naming {
    pub(crate) fn write(self, name: &str) -> String {
        if self.encoded { encode_key(name) } else { name.to_owned() }
    }
}

/// Says again how the object is encrypted, to who writes it.
pub(crate) fn echo_encryption(reply: Reply, headers: &[(String, String)]) -> Reply {
    match headers.iter().find(|(name, _)| name == ENCRYPTION) {
        Some((name, value)) => reply.header(name, value),
        None => reply,
    }
}

/// Fields that describe an object, for GET and HEAD.
pub(crate) fn describe(reply: Reply, object: &Object) -> Reply {
    let facts = &object.facts;
    let mut reply = identify(reply, object)
        .header("Accept-Ranges", "bytes")
        .header("x-oss-object-type", format!("{:?}", facts.kind))
        .header("x-oss-hash-crc64ecma", facts.crc64)
        .header("x-oss-storage-class", &facts.storage_class);
    if let Some(md5) = &facts.content_md5 {
        reply = reply.header("Content-MD5", md5);
    }
    if facts.kind == disk::Kind::Appendable {
        reply = reply.header("x-oss-next-append-position", facts.size);
    }
    if !facts.labels.tags.is_empty() {
        reply = reply.header("x-oss-tagging-count", facts.labels.tags.len());
    }
    for (name, value) in &facts.headers {
        reply.headers.set(name.clone(), value);
    }
    reply
}

/// The short set: which version it is.
pub(crate) fn identify(reply: Reply, object: &Object) -> Reply {
    reply
        .header("ETag", format!("\"{}\"", object.facts.etag))
        .header("Last-Modified", clock::http_date(object.facts.modified_ms))
}

/// Refuses what a body of data may not be before any of it is read.
pub(crate) fn check_data_length(length: Option<Length>) -> Result<(), Refusal> {
    match length {
        None | Some(Length::Absent) => {
            Err(Refusal::new(411, "MissingContentLength", "You must provide the Content-Length HTTP header."))
        }
        Some(Length::Known(bytes)) if bytes > OBJECT_BYTES_MAX => Err(too_large()),
        Some(Length::Known(_) | Length::Chunked) => Ok(()),
    }
}

/// Receives bytes into a file, `max` of them at most. `length` is what the request says about its body.
pub(crate) fn receive_from(
    source: &mut impl io::Read,
    length: Length,
    max: u64,
    draft: &mut disk::Draft,
) -> Result<Sums, Refusal> {
    if matches!(length, Length::Known(bytes) if bytes <= ALONE_MAX) {
        let mut summing = Summing::new();
        each_piece(source, max, draft, |piece| {
            summing.update(&piece);
            piece
        })?;
        return Ok(summing.finish());
    }
    // Another thread sums: MD5 takes longer than receiving and writing together.
    std::thread::scope(|scope| {
        let (to_sum, full) = sync_channel::<Vec<u8>>(PIECES_AHEAD);
        let (summed, free) = channel::<Vec<u8>>();
        let summing = std::thread::Builder::new().name("oss-sums".to_owned()).spawn_scoped(scope, move || {
            let mut summing = Summing::new();
            for piece in full {
                summing.update(&piece);
                let _ = summed.send(piece); // the other side may have enough
            }
            summing.finish()
        })?;
        let received = each_piece(source, max, draft, |piece| {
            // It ends when we do.
            let _ = to_sum.send(piece);
            free.try_recv().unwrap_or_default()
        });
        drop(to_sum);
        let sums = summing.join().map_err(|_| Refusal::internal("sum what it received"))?;
        received.map(|()| sums)
    })
}

/// Writes the source piece by piece, and gives each piece away for another buffer.
fn each_piece(
    source: &mut impl io::Read,
    max: u64,
    draft: &mut disk::Draft,
    mut exchange: impl FnMut(Vec<u8>) -> Vec<u8>,
) -> Result<(), Refusal> {
    let mut piece = vec![0; PIECE];
    let mut received = 0;
    loop {
        // A full piece at a time: fewer, larger writes.
        let mut filled = 0;
        while filled < piece.len() {
            match source.read(&mut piece[filled..]).map_err(unread)? {
                0 => break,
                count => filled += count,
            }
        }
        if filled == 0 {
            return Ok(());
        }
        received += filled as u64;
        if received > max {
            return Err(too_large().with("MaxSizeAllowed", max));
        }
        piece.truncate(filled);
        io::Write::write_all(draft, &piece)?;
        piece = exchange(piece);
        piece.resize(PIECE, 0);
    }
}

fn too_large() -> Refusal {
    Refusal::new(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size.")
}

/// Why a body could not be read to its end.
pub(crate) fn unread(error: io::Error) -> Refusal {
    if is_timeout(&error) {
        return Refusal::new(
            400,
            "RequestTimeout",
            "Your socket connection to the server was not read from or written to within the timeout period.",
        );
    }
    match error.kind() {
        io::ErrorKind::InvalidData => Refusal::bad_request("The chunks of the body are malformed."),
        _ => Refusal::new(400, "IncompleteBody", "You did not provide the number of bytes specified."),
    }
}

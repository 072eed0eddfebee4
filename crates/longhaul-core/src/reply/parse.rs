//! From a raw reply head to [`ReplyFacts`].
//!
//! Everything here is written by a server that may be broken or hostile. The rule: what is absent is told apart from
//! what cannot be parsed, a field that comes twice with different values is unparsable, every kept value has a bound,
//! and no input makes it panic. Whether the facts may be used is not decided here but in [`judge`](super::judge).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::date::http_date;
use super::{ContentRange, Framing, ReplyFacts, disposition};
use crate::digest::{Digest, DigestKind};
use crate::identity::{Identity, OLD_ENOUGH_S};

/// Longest ETag, version id or content coding that is kept, in bytes: they go into the journal. A longer one counts
/// as absent, which costs resumability, never correctness.
const VALUE_LEN_MAX: usize = 1024;
/// Longest `Retry-After` that is told on; the retry policy has its own, lower ceiling.
const RETRY_AFTER_S_MAX: u64 = 24 * 3600;
/// How much of an error body is looked at.
const ERROR_BODY_LEN_MAX: usize = 64 * 1024;
/// Longest object: beyond it file offsets cannot go.
const LENGTH_MAX: u64 = i64::MAX as u64;

impl ReplyFacts {
    /// Reads the facts out of a reply head.
    ///
    /// `headers` are names in lower case with raw values, repeated fields as often as they came. `framed` says that
    /// the protocol marks the end of a body by itself (HTTP/2). `now_unix_s` stands in for a missing `Date`.
    /// `error_body` is the begin of the body of an error reply.
    pub fn parse<'a>(
        status: u16,
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
        framed: bool,
        now_unix_s: i64,
        error_body: Option<&[u8]>,
    ) -> ReplyFacts {
        let mut head = HeadFields::default();
        for (name, value) in headers {
            head.take(name, value);
        }
        let (framing, misframed) = head.framing(framed);
        let content_range = head.content_range(status);
        let date = head.date.as_deref().and_then(http_date).unwrap_or(now_unix_s);
        let modified = head.modified.one().and_then(|raw| http_date(&raw));
        let encoding = head.encoding();
        let digests = head.digests(status, content_range, framing, encoding.is_some());
        let declared_in = head.declared.fields.iter().filter(|(digest, _)| digests.contains(digest)).cloned().collect();
        let identity = Identity {
            version: head.version.one().filter(|v| v != "null" && is_visible(v)),
            etag: head.etag.joined(),
            modified,
            modified_is_old: modified.is_some_and(|m| date.saturating_sub(m) >= OLD_ENOUGH_S),
            length: None,
            of: None,
            digests,
            encoding,
            html: false,
            distrusted: false,
        };
        ReplyFacts {
            status,
            content_range,
            framing,
            misframed,
            identity,
            html: matches!(head.media_type.as_str(), "text/html" | "application/xhtml+xml"),
            retry_after_ms: head.retry_after.as_deref().and_then(|raw| retry_after_ms(raw, date)),
            expired: matches!(status, 400 | 401 | 403) && error_body.is_some_and(says_expired),
            declared_in,
            led_to: None,
            suggested_name: head.disposition.as_deref().and_then(disposition::file_name),
            round_trip_ms: None,
        }
    }
}

/// A field that may come several times.
#[derive(Default)]
struct Repeated(Vec<String>);

impl Repeated {
    /// Keeps a value unless it is empty or there already. Three are enough to tell "one" from "several".
    fn add(&mut self, value: &[u8]) {
        let value = latin1(value);
        if !value.is_empty() && self.0.len() < 3 && !self.0.contains(&value) {
            self.0.push(value);
        }
    }

    /// The value, when all fields agree on one.
    fn one(&self) -> Option<String> {
        match self.0.as_slice() {
            [one] if one.len() <= VALUE_LEN_MAX => Some(one.clone()),
            _ => None,
        }
    }

    /// The value; different ones joined, which makes no well-formed value out of two.
    fn joined(&self) -> Option<String> {
        let all = self.0.join(", ");
        (!all.is_empty() && all.len() <= VALUE_LEN_MAX).then_some(all)
    }
}

/// The fields that matter, as they came.
#[derive(Default)]
struct HeadFields {
    content_range: Repeated,
    content_length: Repeated,
    transfer_encoding: Vec<String>,
    etag: Repeated,
    modified: Repeated,
    date: Option<String>,
    version: Repeated,
    codings: Vec<String>,
    media_type: String,
    retry_after: Option<String>,
    disposition: Option<Vec<u8>>,
    declared: Declared,
}

/// Digests that the head declares, before it is known which of them speak of the whole object.
#[derive(Default)]
struct Declared {
    /// Of the whole representation, also when only a part of it is sent (RFC 9530, 3; `x-oss-hash-crc64ecma`;
    /// `x-goog-hash`).
    whole: Vec<Digest>,
    /// Of what the store holds, before any coding on the way.
    stored: Vec<Digest>,
    /// Of the content of this reply (RFC 9530, 2; RFC 1864); S3 may give the sum of a part to a range that is one.
    content: Vec<Digest>,
    amz: Vec<Digest>,
    amz_composite: bool,
    goog: Vec<Digest>,
    goog_stored_gzip: bool,
    /// The field that each of them came in.
    fields: Vec<(Digest, String)>,
}

impl HeadFields {
    fn take(&mut self, name: &str, value: &[u8]) {
        let value = value.trim_ascii();
        match name {
            "content-range" => self.content_range.add(value),
            "content-length" => {
                for one in value.split(|&b| b == b',') {
                    self.content_length.add(one.trim_ascii());
                }
            }
            "transfer-encoding" => tokens(value, &mut self.transfer_encoding),
            "etag" => self.etag.add(value),
            "last-modified" => self.modified.add(value),
            "date" => self.date = Some(latin1(value)),
            "x-oss-version-id" | "x-amz-version-id" => self.version.add(value),
            "content-encoding" => tokens(value, &mut self.codings),
            "content-type" => {
                let end = value.iter().position(|&b| b == b';').unwrap_or(value.len());
                self.media_type = latin1(value[..end].trim_ascii()).to_ascii_lowercase();
            }
            "retry-after" => self.retry_after = Some(latin1(value)),
            "content-disposition" if self.disposition.is_none() => self.disposition = Some(value.to_vec()),
            _ => self.declared.take(name, value),
        }
    }

    /// How the body ends (RFC 9112, 6.3), and whether the head contradicts itself about it.
    fn framing(&self, framed: bool) -> (Framing, bool) {
        // `identity` was a coding that leaves the body as it is (RFC 2616, 3.6): beside it, the length counts. The
        // driver holds to that.
        let coded = self.transfer_encoding.iter().any(|coding| coding != "identity");
        if coded && !framed {
            // We never send `TE`: a coding other than chunked was not asked for and would reach the file.
            let chunked = self.transfer_encoding == ["chunked"];
            let ends_chunked = self.transfer_encoding.last().is_some_and(|t| t == "chunked");
            return (if ends_chunked { Framing::Marked } else { Framing::Close }, !chunked);
        }
        let open = if framed { Framing::Marked } else { Framing::Close };
        match self.content_length.0.as_slice() {
            [] => (open, false),
            [one] => match decimal(one).filter(|&n| n <= LENGTH_MAX) {
                Some(length) => (Framing::Length(length), false),
                None => (open, true),
            },
            _ => (open, true),
        }
    }

    fn content_range(&self, status: u16) -> ContentRange {
        // A reply of several ranges has its ranges inside the body (RFC 9110, 14.6).
        if status == 206 && self.media_type == "multipart/byteranges" {
            return ContentRange::Malformed;
        }
        match self.content_range.0.as_slice() {
            [] => ContentRange::Absent,
            [one] => parse_content_range(one).unwrap_or(ContentRange::Malformed),
            _ => ContentRange::Malformed,
        }
    }

    /// The coding of the body, `None` for identity; several in the order they were applied (RFC 9110, 8.4).
    fn encoding(&self) -> Option<String> {
        let codings: Vec<&str> = self
            .codings
            .iter()
            .map(|coding| match coding.as_str() {
                "x-gzip" => "gzip", // RFC 9110, 8.4.1.3
                "x-compress" => "compress",
                coding => coding,
            })
            .filter(|&coding| coding != "identity")
            .collect();
        let mut all = codings.join(",");
        if all.len() > VALUE_LEN_MAX {
            // Kept recognisable as "some coding": dropping it would pass for a plain body.
            all = "unknown".to_owned();
        }
        (!all.is_empty()).then_some(all)
    }

    fn digests(&self, status: u16, range: ContentRange, framing: Framing, encoded: bool) -> Vec<Digest> {
        let covers_all = match (status, range) {
            (200, _) => true,
            (206, ContentRange::Bytes { start: 0, end, total: Some(total) }) => end == total,
            (206, _) => false,
            _ => return Vec::new(), // what an error reply declares speaks of the error
        };
        // A coding applied on the way leaves the length open; sums of what is stored then do not fit what is sent.
        let coded_on_the_way = encoded && !matches!(framing, Framing::Length(_)) && status == 200;
        let d = &self.declared;
        let mut all = d.whole.clone();
        if covers_all {
            all.extend_from_slice(&d.content);
        }
        if !coded_on_the_way {
            all.extend_from_slice(&d.stored);
            if covers_all && !d.amz_composite {
                all.extend_from_slice(&d.amz);
            }
            // Google decodes objects that are stored as gzip for clients that do not take gzip.
            if !d.goog_stored_gzip || encoded {
                all.extend_from_slice(&d.goog);
            }
        }
        let mut kept: Vec<Digest> = Vec::new();
        for digest in all {
            if !kept.iter().any(|k| k.kind() == digest.kind()) {
                kept.push(digest);
            }
        }
        kept.sort();
        kept
    }
}

impl Declared {
    fn take(&mut self, name: &str, value: &[u8]) {
        let mut new = Declared::default();
        new.read(name, value);
        for list in [&new.whole, &new.stored, &new.content, &new.amz, &new.goog] {
            self.fields.extend(list.iter().map(|digest| (digest.clone(), name.to_owned())));
        }
        self.whole.append(&mut new.whole);
        self.stored.append(&mut new.stored);
        self.content.append(&mut new.content);
        self.amz.append(&mut new.amz);
        self.goog.append(&mut new.goog);
        self.amz_composite |= new.amz_composite;
        self.goog_stored_gzip |= new.goog_stored_gzip;
    }

    fn read(&mut self, name: &str, value: &[u8]) {
        match name {
            "repr-digest" => structured(value, &mut self.whole),
            "content-digest" => structured(value, &mut self.content),
            "content-md5" => self.content.extend(from_base64(DigestKind::Md5, value)),
            "x-oss-hash-crc64ecma" => {
                let sum = decimal(&latin1(value));
                self.stored.extend(sum.and_then(|n| Digest::new(DigestKind::Crc64, n.to_be_bytes())));
            }
            "x-amz-checksum-sha256" => self.amz.extend(from_base64(DigestKind::Sha256, value)),
            "x-amz-checksum-crc32c" => self.amz.extend(from_base64(DigestKind::Crc32c, value)),
            "x-amz-checksum-crc64nvme" => self.amz.extend(from_base64(DigestKind::Crc64Nvme, value)),
            "x-amz-checksum-type" => self.amz_composite |= !value.eq_ignore_ascii_case(b"FULL_OBJECT"),
            "x-goog-hash" => {
                for one in value.split(|&b| b == b',').map(<[u8]>::trim_ascii) {
                    if let Some(sum) = one.strip_prefix(b"crc32c=") {
                        self.goog.extend(from_base64(DigestKind::Crc32c, sum));
                    } else if let Some(sum) = one.strip_prefix(b"md5=") {
                        self.goog.extend(from_base64(DigestKind::Md5, sum));
                    }
                }
            }
            "x-goog-stored-content-encoding" => self.goog_stored_gzip |= value.eq_ignore_ascii_case(b"gzip"),
            _ => {}
        }
    }
}

/// `bytes first-last/total`, `bytes first-last/*`, `bytes */total` (RFC 9110, 14.4).
///
/// Also what servers make of it that can mean but one thing: `bytes=` and `bytes:` (as in `Range`), no unit, blanks
/// between the numbers, no total. What the numbers say is checked all the same.
fn parse_content_range(raw: &str) -> Option<ContentRange> {
    const BLANKS: [char; 2] = [' ', '\t'];
    let rest = match raw.get(..5).filter(|unit| unit.eq_ignore_ascii_case("bytes")) {
        Some(_) => raw[5..].trim_start_matches(BLANKS),
        None => raw,
    };
    let rest = if rest.len() < raw.len() { rest.strip_prefix(['=', ':']).unwrap_or(rest) } else { rest };
    let (range, total) = match rest.split_once('/') {
        Some((range, total)) => (range.trim_matches(BLANKS), Some(total.trim_matches(BLANKS))),
        None => (rest.trim_matches(BLANKS), None),
    };
    let total = match total {
        None | Some("*") => None,
        Some(total) => Some(decimal(total).filter(|&n| n <= LENGTH_MAX)?),
    };
    if range == "*" {
        return total.map(|total| ContentRange::Unsatisfied { total });
    }
    let (first, last) = range.split_once('-')?;
    let (start, last) = (decimal(first.trim_end_matches(BLANKS))?, decimal(last.trim_start_matches(BLANKS))?);
    let end = last.checked_add(1).filter(|&end| end <= LENGTH_MAX)?;
    let fits = start <= last && total.is_none_or(|total| end <= total);
    fits.then_some(ContentRange::Bytes { start, end, total })
}

/// Only digits: `str::parse` would take a `+`.
fn decimal(raw: &str) -> Option<u64> {
    (!raw.is_empty() && raw.bytes().all(|b| b.is_ascii_digit())).then(|| raw.parse().ok())?
}

/// Byte for byte into chars: lossless, and turned back the same way when the value is quoted in a request.
fn latin1(raw: &[u8]) -> String {
    raw.iter().map(|&b| char::from(b)).collect()
}

fn is_visible(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_graphic())
}

/// Adds the comma-separated tokens of a field, in lower case.
fn tokens(raw: &[u8], into: &mut Vec<String>) {
    const TOKENS_MAX: usize = 32;
    for token in raw.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|t| !t.is_empty()) {
        if into.len() < TOKENS_MAX {
            into.push(latin1(token).to_ascii_lowercase());
        }
    }
}

/// Seconds or a date (RFC 9110, 10.2.3); a date is taken relative to the server's own clock. Limiters also write
/// fractions of a second: none of it is cut off, since who asks too early is refused again.
fn retry_after_ms(raw: &str, date: i64) -> Option<u64> {
    let most = RETRY_AFTER_S_MAX * 1000;
    let (seconds, fraction) = raw.split_once('.').unwrap_or((raw, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !raw.is_empty() && raw != "." && digits(seconds) && digits(fraction) {
        let whole = if seconds.is_empty() { 0 } else { seconds.parse().unwrap_or(u64::MAX) }; // beyond u64
        let thousandths = fraction.bytes().chain([b'0'; 3]).take(3).fold(0, |sum, b| sum * 10 + u64::from(b - b'0'));
        let rest = u64::from(fraction.bytes().skip(3).any(|b| b != b'0'));
        return Some(whole.saturating_mul(1000).saturating_add(thousandths + rest).min(most));
    }
    let seconds = u64::try_from(http_date(raw)?.saturating_sub(date)).unwrap_or(0);
    Some(seconds.saturating_mul(1000).min(most))
}

fn from_base64(kind: DigestKind, raw: &[u8]) -> Option<Digest> {
    // The longest value is SHA-512's, 88 characters; a composite one (`…-3`) is no legal base64.
    if raw.len() > 88 {
        return None;
    }
    Digest::new(kind, BASE64.decode(raw).ok()?)
}

/// A dictionary of byte sequences, `sha-256=:…:, sha-512=:…:` (RFC 9530, 2; RFC 8941, 3.2 and 3.3.5).
fn structured(raw: &[u8], into: &mut Vec<Digest>) {
    for member in raw.split(|&b| b == b',').map(<[u8]>::trim_ascii) {
        let (kind, value) = if let Some(value) = member.strip_prefix(b"sha-256=:") {
            (DigestKind::Sha256, value)
        } else if let Some(value) = member.strip_prefix(b"sha-512=:") {
            (DigestKind::Sha512, value)
        } else {
            continue;
        };
        let Some(end) = value.iter().position(|&b| b == b':') else { continue };
        if matches!(value.get(end + 1), None | Some(b';')) {
            into.extend(from_base64(kind, &value[..end]));
        }
    }
}

/// Whether an error body of OSS or S3 says that the link or token has expired: `<Code>ExpiredToken</Code>`,
/// `<Code>SecurityTokenExpired</Code>`, or another code with a `<Message>` such as "Request has expired".
fn says_expired(body: &[u8]) -> bool {
    let body = &body[..body.len().min(ERROR_BODY_LEN_MAX)];
    let code = element(body, b"<Code>");
    let message = element(body, b"<Message>").to_ascii_lowercase();
    let contains = |hay: &[u8], needle: &[u8]| hay.windows(needle.len()).any(|w| w == needle);
    contains(code, b"Expired") || (!code.is_empty() && contains(&message, b"expired"))
}

/// The text after the first `tag`, up to the next `<`.
fn element<'a>(body: &'a [u8], tag: &[u8]) -> &'a [u8] {
    let Some(at) = body.windows(tag.len()).position(|w| w == tag) else { return &[] };
    let text = &body[at + tag.len()..];
    &text[..text.iter().position(|&b| b == b'<').unwrap_or(text.len())]
}

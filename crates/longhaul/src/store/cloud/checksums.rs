//! Which checksums of S3 are sent to whom, and how are they written?
//!
//! S3 compares, keeps and tells a checksum of an object where it is asked to ("Checking object integrity" of its user
//! guide). Ours is CRC-64/NVME of the full object: that of a whole can be made of those of its parts. Stores that speak
//! like S3 keep it, ignore it, or refuse the request. Which of these is learned from replies: an upload is created with
//! the request to keep it, and a reply that names the algorithm is a yes. A part or an object that is sent with one is
//! sent to who said so, and to Amazon.
//!
//! Asking to be told (`x-amz-checksum-mode`) goes to every store, until one refuses.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use longhaul_core::digest::{Digest, DigestKind};

use super::endpoint::Endpoint;
use crate::source::Dialect;

/// What a store is asked to keep.
pub(super) const OURS: DigestKind = DigestKind::Crc64Nvme;

/// Hosts that refuse any request with one of these headers. Backblaze B2: "Unsupported headers" in the documentation of
/// its S3-compatible API names `x-amz-checksum-*`, `x-amz-checksum-algorithm` and `x-amz-checksum-mode`.
const REFUSING: [&str; 1] = ["backblazeb2.com"];

const ALGORITHM: HeaderName = HeaderName::from_static("x-amz-checksum-algorithm");
const TYPE: HeaderName = HeaderName::from_static("x-amz-checksum-type");
const MODE: HeaderName = HeaderName::from_static("x-amz-checksum-mode");
const FULL_OBJECT: HeaderValue = HeaderValue::from_static("FULL_OBJECT");

/// What was learned of a store; counts as long as the process runs.
#[derive(Debug, Default)]
pub(super) struct Learned {
    /// It said that it keeps ours.
    keeps: AtomicBool,
    /// It kept none of an object that was sent with it.
    drops: AtomicBool,
    /// It creates uploads only without.
    refuses: AtomicBool,
    /// It refuses to be asked what it keeps.
    untold: AtomicBool,
    /// It takes no body without its MD5, or a checksum.
    wants_md5: AtomicBool,
    /// Objects in a row of which it told no checksum, when it was asked for that alone.
    in_vain: AtomicU32,
}

impl Learned {
    pub(super) fn wants_md5(&self) {
        self.wants_md5.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_md5_wanted(&self) -> bool {
        self.wants_md5.load(Ordering::Relaxed)
    }
}

/// A store that told no checksum of this many objects is not asked for that alone any more: it keeps none.
const IN_VAIN_MAX: u32 = 4;

impl Endpoint {
    /// The checksum that an upload of several parts may be created with.
    pub(super) fn checksum_to_ask_for(&self) -> Option<DigestKind> {
        let refuses = !self.may_know_checksums() || self.learned.refuses.load(Ordering::Relaxed);
        (!refuses).then_some(OURS)
    }

    /// The checksum that an object may be sent with.
    pub(super) fn checksum_to_send(&self) -> Option<DigestKind> {
        let keeps = self.is_amazons() || self.learned.keeps.load(Ordering::Relaxed);
        let drops = self.learned.drops.load(Ordering::Relaxed);
        self.checksum_to_ask_for().filter(|_| keeps && !drops)
    }

    /// The store is asked for the checksums of what it has.
    pub(super) fn is_asked_for_checksums(&self) -> bool {
        self.may_know_checksums() && !self.learned.untold.load(Ordering::Relaxed)
    }

    /// A request for the checksum of an object alone may bring one.
    pub(super) fn is_worth_asking(&self) -> bool {
        let tells = self.is_amazons() || self.learned.in_vain.load(Ordering::Relaxed) < IN_VAIN_MAX;
        self.is_asked_for_checksums() && tells
    }

    /// Such a request was answered.
    pub(super) fn asked_for_checksums(&self, told: bool) {
        match told {
            true => self.learned.in_vain.store(0, Ordering::Relaxed),
            false => _ = self.learned.in_vain.fetch_add(1, Ordering::Relaxed),
        }
    }

    fn may_know_checksums(&self) -> bool {
        self.dialect == Dialect::S3 && !REFUSING.iter().any(|domain| self.is_below(domain))
    }

    /// An upload was created: with the request to keep a checksum, or without after that was refused.
    pub(super) fn created(&self, asked: bool, kept: bool, refused_before: bool) {
        if kept {
            self.learned.keeps.store(true, Ordering::Relaxed);
        }
        if !asked && refused_before {
            self.learned.refuses.store(true, Ordering::Relaxed);
        }
    }

    /// An object was stored that was sent with a checksum, and the reply told none.
    pub(super) fn dropped_checksum(&self) {
        self.learned.drops.store(true, Ordering::Relaxed);
    }

    /// A request that asked for checksums was refused, and nothing says why: it is sent once more without. Whether that
    /// may help.
    pub(super) fn stop_asking_for_checksums(&self) -> bool {
        !self.is_amazons() && self.may_know_checksums() && !self.learned.untold.swap(true, Ordering::Relaxed)
    }
}

/// The head of a Create that asks for a checksum to be kept.
pub(super) fn to_be_kept(kind: Option<DigestKind>) -> HeaderMap {
    let name = kind.and_then(names).map(|names| HeaderValue::from_static(names.algorithm));
    name.into_iter().flat_map(|name| [(ALGORITHM, name), (TYPE, FULL_OBJECT)]).collect()
}

/// What the reply to it says that is kept.
pub(super) fn kept(headers: &HeaderMap) -> Option<DigestKind> {
    let algorithm = headers.get(ALGORITHM)?.as_bytes().trim_ascii();
    let kind = KINDS.iter().find(|(_, names)| algorithm.eq_ignore_ascii_case(names.algorithm.as_bytes()))?.0;
    // One made of those of the parts cannot be compared with anything that we know.
    let whole = headers.get(TYPE).is_none_or(|told| told.as_bytes().eq_ignore_ascii_case(FULL_OBJECT.as_bytes()));
    whole.then_some(kind)
}

/// The head of a request for what is kept.
pub(super) fn to_be_told() -> (HeaderName, HeaderValue) {
    (MODE, HeaderValue::from_static("ENABLED"))
}

/// The head of a request with a body that has this checksum.
pub(super) fn sent(checksum: Option<&Digest>) -> HeaderMap {
    let field = |digest: &Digest| {
        let value = HeaderValue::from_str(&BASE64.encode(digest.bytes())).ok()?;
        Some((HeaderName::from_static(names(digest.kind())?.header), value))
    };
    checksum.and_then(field).into_iter().collect()
}

/// The head of a Complete whose whole has this checksum.
pub(super) fn of_whole(checksum: Option<&Digest>) -> HeaderMap {
    let mut headers = sent(checksum);
    if !headers.is_empty() {
        headers.insert(TYPE, FULL_OBJECT);
    }
    headers
}

/// The element with this checksum in the list of Complete.
pub(super) fn element(checksum: Option<&Digest>) -> String {
    let one = |digest: &Digest| {
        let name = names(digest.kind())?.element;
        Some(format!("<{name}>{}</{name}>", BASE64.encode(digest.bytes())))
    };
    checksum.and_then(one).unwrap_or_default()
}

/// The checksums in an element of a document, by the text of its children.
pub(super) fn told<'a>(text_of: impl Fn(&str) -> Option<&'a str>) -> impl Iterator<Item = Digest> {
    KINDS.into_iter().filter_map(move |(kind, names)| Digest::new(kind, BASE64.decode(text_of(names.element)?).ok()?))
}

#[derive(Debug, Clone, Copy)]
struct Names {
    algorithm: &'static str,
    header: &'static str,
    element: &'static str,
}

const KINDS: [(DigestKind, Names); 3] = [
    (
        DigestKind::Crc64Nvme,
        Names { algorithm: "CRC64NVME", header: "x-amz-checksum-crc64nvme", element: "ChecksumCRC64NVME" },
    ),
    (DigestKind::Crc32c, Names { algorithm: "CRC32C", header: "x-amz-checksum-crc32c", element: "ChecksumCRC32C" }),
    (DigestKind::Sha256, Names { algorithm: "SHA256", header: "x-amz-checksum-sha256", element: "ChecksumSHA256" }),
];

fn names(kind: DigestKind) -> Option<Names> {
    KINDS.iter().find(|(one, _)| *one == kind).map(|(_, names)| *names)
}

#[cfg(test)]
mod tests {
    use super::super::endpoint::EndpointOptions;
    use super::*;

    fn endpoint(url: &str) -> Endpoint {
        let options = EndpointOptions { endpoint: Some(url.to_owned()), ..EndpointOptions::new(Dialect::S3) };
        Endpoint::new(options).unwrap()
    }

    fn digest() -> Digest {
        Digest::from_hex(OURS, "ae8b14860a799888").unwrap()
    }

    fn text(headers: &HeaderMap) -> Vec<(&str, &str)> {
        headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect()
    }

    #[test]
    fn everybody_is_asked_and_only_who_keeps_it_is_sent_one() {
        for (url, ask, send, mode) in [
            ("https://s3.eu-west-1.amazonaws.com", true, true, true),
            ("https://s3.cn-north-1.amazonaws.com.cn", true, true, true),
            ("https://storage.example", true, false, true),
            ("http://127.0.0.1:3900", true, false, true),
            ("https://s3.eu-central-003.backblazeb2.com", false, false, false),
            ("https://backblazeb2.com.example", true, false, true),
            ("https://amazonaws.com.example", true, false, true),
        ] {
            let endpoint = endpoint(url);
            let found = (
                endpoint.checksum_to_ask_for().is_some(),
                endpoint.checksum_to_send().is_some(),
                endpoint.is_asked_for_checksums(),
            );
            assert_eq!(found, (ask, send, mode), "{url}");
        }
        let oss = EndpointOptions { region: Some("cn-hangzhou".into()), ..EndpointOptions::new(Dialect::Oss) };
        let oss = Endpoint::new(oss).unwrap();
        assert!(oss.checksum_to_ask_for().is_none() && !oss.is_asked_for_checksums());
    }

    #[test]
    fn replies_teach_what_a_store_does() {
        let store = endpoint("https://storage.example");
        store.created(true, false, false);
        assert_eq!((store.checksum_to_ask_for(), store.checksum_to_send()), (Some(OURS), None), "ignored");
        store.created(true, true, false);
        assert_eq!(store.checksum_to_send(), Some(OURS), "kept");
        store.dropped_checksum();
        assert_eq!((store.checksum_to_ask_for(), store.checksum_to_send()), (Some(OURS), None), "not of one object");
        store.created(false, false, false);
        assert_eq!(store.checksum_to_ask_for(), Some(OURS), "not asked, nothing learned");
        store.created(false, false, true);
        assert_eq!(store.checksum_to_ask_for(), None, "refused");

        for _ in 0..IN_VAIN_MAX {
            assert!(store.is_worth_asking());
            store.asked_for_checksums(false);
        }
        assert!(!store.is_worth_asking() && store.is_asked_for_checksums(), "not for that alone");
        store.asked_for_checksums(true);
        assert!(store.is_worth_asking());

        assert!(store.stop_asking_for_checksums() && !store.is_asked_for_checksums());
        assert!(!store.stop_asking_for_checksums(), "once");
        let amazon = endpoint("https://s3.us-east-1.amazonaws.com");
        assert!(!amazon.stop_asking_for_checksums() && amazon.is_asked_for_checksums());
    }

    #[test]
    fn what_is_kept_is_said_in_the_reply() {
        let reply = |fields: &[(HeaderName, &str)]| -> HeaderMap {
            fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
        };
        for (fields, want) in [
            (vec![], None),
            (vec![(ALGORITHM, "CRC64NVME")], Some(OURS)),
            (vec![(ALGORITHM, " crc64nvme")], Some(OURS)),
            (vec![(ALGORITHM, "CRC64NVME"), (TYPE, "FULL_OBJECT")], Some(OURS)),
            (vec![(ALGORITHM, "CRC64NVME"), (TYPE, "COMPOSITE")], None),
            (vec![(ALGORITHM, "CRC32")], None),
            (vec![(ALGORITHM, "SHA256"), (TYPE, "FULL_OBJECT")], Some(DigestKind::Sha256)),
            (vec![(TYPE, "FULL_OBJECT")], None),
        ] {
            assert_eq!(kept(&reply(&fields)), want, "{fields:?}");
        }
    }

    #[test]
    fn each_request_gets_what_belongs_to_it() {
        let (digest, value) = (digest(), "rosUhgp5mIg=");
        let asked = to_be_kept(Some(OURS));
        assert_eq!(text(&asked), [("x-amz-checksum-algorithm", "CRC64NVME"), ("x-amz-checksum-type", "FULL_OBJECT")]);
        assert_eq!(text(&sent(Some(&digest))), [("x-amz-checksum-crc64nvme", value)]);
        let whole = of_whole(Some(&digest));
        assert_eq!(text(&whole), [("x-amz-checksum-crc64nvme", value), ("x-amz-checksum-type", "FULL_OBJECT")]);
        let xml = element(Some(&digest));
        assert_eq!(xml, format!("<ChecksumCRC64NVME>{value}</ChecksumCRC64NVME>"));
        assert!(to_be_kept(None).is_empty() && sent(None).is_empty() && of_whole(None).is_empty());
        assert!(element(None).is_empty());
        let md5 = Digest::new(DigestKind::Md5, [0; 16]).unwrap();
        assert!(sent(Some(&md5)).is_empty() && element(Some(&md5)).is_empty(), "goes another way");

        let read = |text: &'static str| told(move |name| (name == "ChecksumCRC64NVME").then_some(text)).collect();
        let told: Vec<Digest> = read(value);
        assert_eq!(told, [digest]);
        for text in ["", "rosUhgp5mIg=-3", "rosUhgp5", "?"] {
            assert_eq!(read(text), [], "{text:?}");
        }
    }
}

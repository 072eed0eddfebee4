//! Checksums, from end to end: an upload and a download by the library, against a stand-in for S3 that keeps checksums
//! as the API reference says, ignores them, or refuses them as others do. Amazon itself is not asked in tests.
//!
//! The stand-in keeps one object and one upload, in memory. Its files are letters, and what it is told in a head comes
//! in lower case.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::oddities::{Origin, error, reply};
use super::*;
use crate::credentials::StoreSettings;
use crate::event::{Outcome, Verified};
use crate::{Client, ErrorKind};

const SUM: &str = "x-amz-checksum-crc64nvme";
const MIB: usize = 1 << 20;
/// Two parts of the least length that S3 takes, the second short.
const LEN: usize = 5 * MIB + 1000;

/// What the store does with checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sums {
    /// As Amazon does: compares and keeps them, and wants one with every part.
    Keeps,
    Ignores,
    /// Creates no upload with them.
    Refuses,
    /// Refuses every request that has anything to do with them.
    Unknown,
}

#[derive(Debug, Clone, Copy)]
struct Shop {
    sums: Sums,
    /// Encrypts with a key of its own: ETags are no digests.
    kms: bool,
}

#[derive(Debug, Default)]
struct Shelf {
    /// Of the upload, by number.
    parts: BTreeMap<u32, String>,
    upload: bool,
    /// The upload was created with checksums.
    sums: bool,
    object: Option<String>,
    /// The object's ETag, and its checksum if it is kept.
    etag: String,
    sum: Option<String>,
    /// How many parts are still taken.
    takes: usize,
}

impl Shop {
    fn open(self, takes: usize) -> Origin {
        let shelf = Mutex::new(Shelf { takes, ..Shelf::default() });
        Origin::start(move |head, body| self.answer(&mut shelf.lock().unwrap(), head, body))
    }

    fn answer(self, shelf: &mut Shelf, head: &str, body: &str) -> String {
        let line = head.lines().next().unwrap();
        let field = |name: &str| head.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned);
        let told = field("x-amz-checksum-mode").is_some();
        if self.sums == Sums::Unknown && head.contains("x-amz-checksum") {
            return match line.starts_with("head") {
                true => "HTTP/1.1 400 X\r\ncontent-length: 0\r\n\r\n".to_owned(),
                false => error(400, "", "InvalidArgument", ""),
            };
        }
        let encryption = if self.kms { "x-amz-server-side-encryption: aws:kms\r\n" } else { "" };
        let sent = field(SUM).filter(|_| self.sums == Sums::Keeps);
        match () {
            () if line.contains("?uploads ") => {
                let asked = field("x-amz-checksum-algorithm").is_some();
                if asked && self.sums == Sums::Refuses {
                    return error(501, "", "NotImplemented", "");
                }
                (shelf.upload, shelf.sums) = (true, asked && self.sums == Sums::Keeps);
                shelf.parts.clear();
                let kept = "x-amz-checksum-algorithm: CRC64NVME\r\nx-amz-checksum-type: FULL_OBJECT\r\n";
                let fields = format!("{encryption}{}", if shelf.sums { kept } else { "" });
                let id = "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>";
                reply(200, &fields, id)
            }
            () if line.contains("uploadid=") && !shelf.upload => error(404, "", "NoSuchUpload", ""),
            () if line.contains("partnumber=") => {
                if shelf.takes == 0 {
                    return String::new();
                }
                if shelf.sums != sent.is_some() && self.sums == Sums::Keeps {
                    return error(400, "", "InvalidRequest", "");
                }
                if sent.is_some_and(|sum| sum != value(body).to_lowercase()) {
                    return error(400, "", "BadDigest", "");
                }
                shelf.takes -= 1;
                let number = line.split_once("partnumber=").unwrap().1.split('&').next().unwrap();
                shelf.parts.insert(number.parse().unwrap(), body.to_owned());
                let sum = if shelf.sums { format!("{SUM}: {}\r\n", value(body)) } else { String::new() };
                reply(200, &format!("etag: {}\r\n{encryption}{sum}", self.etag(body)), "")
            }
            () if line.starts_with("get") && line.contains("uploadid=") => {
                let one = |(number, body): (&u32, &String)| {
                    let etag = self.etag(body).replace('"', "&quot;");
                    let sum = if shelf.sums { element(body) } else { String::new() };
                    format!(
                        "<Part><PartNumber>{number}</PartNumber><Size>{}</Size><ETag>{etag}</ETag>{sum}</Part>",
                        body.len()
                    )
                };
                let parts: String = shelf.parts.iter().map(one).collect();
                reply(200, "", &format!("<ListPartsResult>{parts}</ListPartsResult>"))
            }
            () if line.starts_with("post") => {
                let named = shelf.parts.values().all(|part| !shelf.sums || body.contains(&element(part)));
                if !named {
                    return error(400, "", "InvalidPart", "");
                }
                let whole: String = shelf.parts.values().map(String::as_str).collect();
                if shelf.sums && sent != Some(value(&whole).to_lowercase()) {
                    return error(400, "", "BadDigest", "");
                }
                let md5s: Vec<u8> = shelf.parts.values().flat_map(|part| md5(part.as_bytes())).collect();
                shelf.etag = match self.kms {
                    true => "\"opaque-2\"".to_owned(),
                    false => format!("\"{}-{}\"", md5_digest(&md5s).hex(), shelf.parts.len()),
                };
                shelf.sum = shelf.sums.then(|| value(&whole));
                let sum = if shelf.sums { element(&whole) } else { String::new() };
                let kind = if shelf.sums { "<ChecksumType>FULL_OBJECT</ChecksumType>" } else { "" };
                let etag = shelf.etag.replace('"', "&quot;");
                (shelf.object, shelf.upload) = (Some(whole), false);
                let result = "CompleteMultipartUploadResult";
                reply(200, encryption, &format!("<{result}><ETag>{etag}</ETag>{sum}{kind}</{result}>"))
            }
            () if line.starts_with("put") => {
                shelf.etag = self.etag(body);
                if sent.as_ref().is_some_and(|sum| *sum != value(body).to_lowercase()) {
                    return error(400, "", "BadDigest", "");
                }
                shelf.sum = sent.map(|_| value(body));
                shelf.object = Some(body.to_owned());
                reply(200, &format!("etag: {}\r\n{encryption}{}", shelf.etag, shelf.sum_fields()), "")
            }
            () => {
                let Some(object) = &shelf.object else {
                    return "HTTP/1.1 404 X\r\ncontent-length: 0\r\n\r\n".to_owned();
                };
                let len = object.len();
                // With a range, none is told.
                let told = told && !head.contains("\r\nrange: ");
                let sum = if told { shelf.sum_fields() } else { String::new() };
                let fields = format!("content-length: {len}\r\netag: {}\r\n{encryption}{sum}", shelf.etag);
                match line.starts_with("head") {
                    true => format!("HTTP/1.1 200 X\r\n{fields}\r\n"),
                    false => {
                        let range = format!("content-range: bytes 0-{}/{len}\r\n", len - 1);
                        format!("HTTP/1.1 206 X\r\n{fields}{range}\r\n{object}")
                    }
                }
            }
        }
    }

    fn etag(self, body: &str) -> String {
        match self.kms {
            true => format!("\"{}\"", md5_digest(format!("key of the store's{body}").as_bytes()).hex()),
            false => format!("\"{}\"", md5_digest(body.as_bytes()).hex()),
        }
    }
}

impl Shelf {
    fn sum_fields(&self) -> String {
        let fields = |sum: &String| format!("{SUM}: {sum}\r\nx-amz-checksum-type: FULL_OBJECT\r\n");
        self.sum.as_ref().map(fields).unwrap_or_default()
    }
}

/// The checksum as it is written in headers and documents.
fn value(body: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(crc64nvme(body.as_bytes()).bytes())
}

fn element(body: &str) -> String {
    format!("<ChecksumCRC64NVME>{}</ChecksumCRC64NVME>", value(body))
}

/// Whoever uploads and downloads.
struct User {
    folder: tempfile::TempDir,
    settings: StoreSettings,
}

impl User {
    fn of(origin: &Origin) -> Self {
        let endpoint = Some(format!("http://{}", origin.addr));
        let settings = StoreSettings { endpoint, region: Some("here-1".into()), ..StoreSettings::default() };
        Self { folder: tempfile::tempdir().unwrap(), settings }
    }

    /// As a new process would make it.
    fn client(&self) -> Client {
        let state = self.folder.path().join("state");
        let keys = Static::new(keys("id", "hush"));
        Client::builder().state_dir(state).s3(self.settings.clone()).s3_credentials(keys).build().unwrap()
    }

    fn file(&self, name: &str, len: usize) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, letters(len)).unwrap();
        let then = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(then).unwrap();
        path
    }
}

fn letters(len: usize) -> String {
    content(3, len).iter().map(|b| char::from(b'a' + b % 26)).collect()
}

async fn put(client: &Client, file: &Path, key: &str) -> Outcome {
    let upload =
        client.upload(file).to(format!("s3://films/{key}")).part_size(5 << 20).single_max(1 << 20).connections(1);
    upload.start().await.unwrap().finished().await.unwrap()
}

/// How many of the requests that begin like this had a field of that name.
fn with(origin: &Origin, line: &str, field: &str) -> (usize, usize) {
    let heard = origin.heard();
    let all: Vec<_> = heard.iter().map(|(head, _)| head).filter(|head| head.starts_with(line)).collect();
    (all.iter().filter(|head| head.contains(&format!("\r\n{field}: "))).count(), all.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_verified_depends_on_what_the_store_does_with_checksums() {
    let nvme = Verified::Digest(DigestKind::Crc64Nvme);
    // What is verified, how many of two Creates asked, how many parts had a checksum.
    for (sums, kms, verified, creates, parts) in [
        (Sums::Keeps, false, nvme, (2, 2), 4),
        (Sums::Keeps, true, nvme, (2, 2), 4),
        (Sums::Ignores, false, Verified::Composite, (2, 2), 0),
        (Sums::Ignores, true, Verified::Length, (2, 2), 0),
        (Sums::Refuses, false, Verified::Composite, (1, 3), 0),
        (Sums::Unknown, false, Verified::Composite, (1, 3), 0),
    ] {
        let shop = Shop { sums, kms }.open(100);
        let user = User::of(&shop);
        let (client, file) = (user.client(), user.file("film", LEN));
        for key in ["k", "k2"] {
            let outcome = put(&client, &file, key).await;
            assert_eq!((outcome.verified(), outcome.already()), (verified, false), "{sums:?} {kms}");
            std::fs::write(&file, letters(LEN + key.len())).unwrap(); // another one, at another key
        }
        assert_eq!(with(&shop, "post /films/k", "x-amz-checksum-algorithm").0, creates.0, "{sums:?}");
        let created = shop.heard().iter().filter(|(head, _)| head.contains("?uploads ")).count();
        assert_eq!(created, creates.1, "what was refused once is not asked again: {sums:?}");
        let sent = shop.heard().iter().filter(|(head, _)| head.contains("partnumber=") && head.contains(SUM)).count();
        assert_eq!(sent, parts, "{sums:?}");
        // Who refuses to be asked what is kept is asked once.
        let (asked, all) = with(&shop, "head", "x-amz-checksum-mode");
        assert_eq!(asked, if sums == Sums::Unknown { 1 } else { all }, "{sums:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_brings_a_checksum_to_who_was_seen_to_keep_it() {
    for (sums, known, later) in [(Sums::Keeps, true, 1), (Sums::Ignores, false, 0)] {
        let shop = Shop { sums, kms: true }.open(100);
        let user = User::of(&shop);
        let (client, small, large) = (user.client(), user.file("small", 1000), user.file("large", LEN));
        assert_eq!(put(&client, &small, "small").await.verified(), Verified::Length, "nothing is known yet");
        assert_eq!(with(&shop, "put /films/small", SUM), (0, 1));
        put(&client, &large, "large").await;
        let other = user.file("other", 1001);
        let verified = put(&client, &other, "other").await.verified();
        assert_eq!(verified == Verified::Digest(DigestKind::Crc64Nvme), known);
        assert_eq!(with(&shop, "put /films/other", SUM), (later, 1));
        // Whether the same is there already can be told as well.
        assert_eq!(put(&client, &other, "other").await.already(), known);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_a_foreign_key_parts_of_an_earlier_process_count_by_their_checksum_or_etag() {
    for sums in [Sums::Keeps, Sums::Ignores] {
        let shop = Shop { sums, kms: true };
        let shelf = Arc::new(Mutex::new(Shelf { takes: 1, ..Shelf::default() }));
        let behind = shelf.clone();
        let origin = Origin::start(move |head, body| shop.answer(&mut behind.lock().unwrap(), head, body));
        let user = User::of(&origin);
        let file = user.file("film", LEN);
        let upload = user
            .client()
            .upload(&file)
            .to("s3://films/k")
            .part_size(5 << 20)
            .single_max(1 << 20)
            .connections(1)
            .retries(0);
        let error = upload.start().await.unwrap().finished().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Network, "{error}");
        shelf.lock().unwrap().takes = 100;
        let before = origin.heard().len();
        let outcome = put(&user.client(), &file, "k").await;
        let heard = origin.heard();
        let sent = heard[before..].iter().filter(|(head, _)| head.contains("partnumber=")).count();
        assert_eq!(sent, 1, "{sums:?}");
        let known = outcome.verified() == Verified::Digest(DigestKind::Crc64Nvme);
        assert_eq!(known, sums == Sums::Keeps, "{:?}", outcome.verified());
        assert_eq!(shelf.lock().unwrap().object.as_deref(), Some(letters(LEN).as_str()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_is_held_against_the_checksum_that_is_kept() {
    for (sums, verified) in
        [(Sums::Keeps, Verified::Digest(DigestKind::Crc64Nvme)), (Sums::Unknown, Verified::Validator)]
    {
        for spoiled in [false, true] {
            let shop = Shop { sums, kms: false };
            let object = letters(MIB);
            let sum = (sums == Sums::Keeps).then(|| value(if spoiled { "something else" } else { &object }));
            let shelf = Shelf { etag: shop.etag(&object), object: Some(object.clone()), sum, ..Shelf::default() };
            let shelf = Mutex::new(shelf);
            let origin = Origin::start(move |head, body| shop.answer(&mut shelf.lock().unwrap(), head, body));
            let user = User::of(&origin);
            let file = user.folder.path().join("film");
            let outcome = user.client().download("s3://films/k").to(&file).start().await.unwrap().finished().await;
            match outcome {
                Ok(outcome) => assert_eq!(outcome.verified(), verified),
                Err(error) => assert_eq!((error.kind(), spoiled), (ErrorKind::Integrity, true), "{error}"),
            }
            let wrong = spoiled && sums == Sums::Keeps;
            assert_eq!(std::fs::read_to_string(&file).ok(), (!wrong).then_some(object));
        }
    }
}

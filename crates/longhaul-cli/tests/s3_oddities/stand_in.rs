//! A store with one bucket, `films`, that speaks S3 and is as odd as a test says; and a user of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use longhaul_devstore::Content;
use md5::{Digest as _, Md5};

use crate::common::{Bench, Ran, Running};
use crate::wire::{Reply, Request, serve};

pub const MIB: u64 = 1 << 20;

/// What ETags are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Etags {
    /// The MD5 of what was sent.
    #[default]
    Md5,
    /// The same, and not told with a part: somebody between takes it out of answers.
    Untold,
    /// A name and no more.
    Opaque,
    /// Of the form of an MD5, and none: as under a key of KMS. Replies about the object say so, lists do not.
    Sealed,
}

/// A reply in place of the usual one.
type Hook = Box<dyn Fn(&Request, &str, &Shelf) -> Option<Reply> + Send + Sync>;

/// How a store is odd.
#[derive(Default)]
pub struct Oddity {
    pub etags: Etags,
    /// The path below which the store is, such as `/storage/v1/s3`.
    pub below: &'static str,
    pub hook: Option<Hook>,
}

/// What it has.
#[derive(Debug, Default)]
pub struct Shelf {
    pub objects: BTreeMap<String, Stored>,
    pub uploads: BTreeMap<String, BTreeMap<u32, Stored>>,
    /// Operations and keys, in order.
    pub log: Vec<(String, Request)>,
    count: u32,
}

#[derive(Debug, Clone)]
pub struct Stored {
    pub bytes: Vec<u8>,
    pub etag: String,
}

/// See the module.
pub struct StandIn {
    pub bench: Bench,
    pub endpoint: String,
    shelf: Arc<Mutex<Shelf>>,
}

impl StandIn {
    pub fn open(oddity: Oddity) -> Self {
        let shelf = Arc::new(Mutex::new(Shelf::default()));
        let behind = shelf.clone();
        let below = oddity.below;
        let addr = serve(move |request| oddity.answer(&mut behind.lock().unwrap(), request));
        let bench = Bench::new();
        fs::create_dir(bench.root().join("home")).unwrap();
        Self { bench, endpoint: format!("http://{addr}{below}"), shelf }
    }

    /// Looks at, and may change, what it has.
    pub fn with<T>(&self, look: impl FnOnce(&mut Shelf) -> T) -> T {
        look(&mut self.shelf.lock().unwrap())
    }

    /// The requests of an operation.
    pub fn requests(&self, op: &str) -> Vec<Request> {
        self.with(|shelf| shelf.log.iter().filter(|(one, _)| one == op).map(|(_, request)| request.clone()).collect())
    }

    pub fn count(&self, op: &str) -> usize {
        self.requests(op).len()
    }

    pub fn stored(&self, key: &str) -> Option<Vec<u8>> {
        self.with(|shelf| shelf.objects.get(key).map(|object| object.bytes.clone()))
    }

    /// A file in the bench's folder, written an hour ago.
    pub fn file(&self, name: &str, seed: u64, len: u64) -> (PathBuf, Content) {
        let (path, content) = (self.bench.folder().join(name), Content::seeded(seed, len));
        std::io::copy(&mut content.reader(), &mut File::create(&path).unwrap()).unwrap();
        let file = File::options().append(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
        (path, content)
    }

    fn start(&self, endpoint: &str, args: &[&str]) -> Running {
        let home = self.bench.root().join("home");
        let env = [
            ("HOME", home.to_str().unwrap()),
            ("AWS_ACCESS_KEY_ID", "AKID"),
            ("AWS_SECRET_ACCESS_KEY", "hush-secret"),
            ("AWS_REGION", "here-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_ENDPOINT_URL", endpoint),
        ];
        let env: Vec<(String, String)> = env.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let state = self.bench.state();
        let more = ["--state-dir", state.to_str().unwrap()];
        let args: Vec<OsString> = args.iter().chain(&more).map(OsString::from).collect();
        self.bench.start_reading(args, &env, Stdio::null())
    }

    /// `longhaul ARGS`; where it speaks to the store, `--proxy none` is among them.
    pub fn longhaul(&self, args: &[&str]) -> Ran {
        self.start(&self.endpoint, args).wait()
    }

    /// The same in an environment that names another store.
    pub fn elsewhere(&self, args: &[&str]) -> Ran {
        self.start("http://127.0.0.1:9", args).wait()
    }

    /// `longhaul get s3://films/KEY` to the usual target.
    pub fn get(&self, key: &str, more: &[&str]) -> Ran {
        let (file, name) = (self.bench.file(), format!("s3://films/{key}"));
        let args = ["get", &name, "-o", file.to_str().unwrap(), "--proxy", "none", "--json"];
        self.longhaul(&[&args, more].concat())
    }

    /// `longhaul put FILE s3://films/KEY`, over one connection.
    pub fn put(&self, file: &Path, key: &str, more: &[&str]) -> Ran {
        let (file, name) = (file.to_str().unwrap(), format!("s3://films/{key}"));
        let args = ["put", file, &name, "--proxy", "none", "-x", "1", "--json"];
        self.longhaul(&[&args, more].concat())
    }

    /// It ended so and no other way.
    #[track_caller]
    pub fn expect(&self, ran: &Ran, code: i32, verdict: &str) {
        assert_eq!(ran.unsound(), None, "{}", self.report(ran));
        assert_eq!((ran.code(), ran.verdict().as_str()), (code, verdict), "{}", self.report(ran));
        assert!(!ran.stderr.contains("hush"), "{}", self.report(ran));
    }

    pub fn report(&self, ran: &Ran) -> String {
        let asked = self.with(|shelf| {
            let line = |(op, request): &(String, Request)| format!("  {op} {} {}\n", request.method, request.target);
            shelf.log.iter().map(line).collect::<String>()
        });
        format!("{}\n{asked}", ran.report(&self.bench))
    }
}

impl Oddity {
    fn answer(&self, shelf: &mut Shelf, request: Request) -> Reply {
        let Some(path) = request.path.strip_prefix(self.below) else {
            return Reply::error(404, "NoSuchPath", "not below the store");
        };
        let (bucket, key) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
        let op = operation(&request, key);
        shelf.log.push((op.to_owned(), Request { body: Vec::new(), ..request.clone() }));
        if let Some(reply) = self.hook.as_ref().and_then(|hook| hook(&request, op, shelf)) {
            return reply;
        }
        if bucket != "films" {
            return Reply::error(404, "NoSuchBucket", "no");
        }
        let key = key.to_owned();
        match op {
            "Create" => {
                shelf.count += 1;
                let id = format!("U{}", shelf.count);
                shelf.uploads.insert(id.clone(), BTreeMap::new());
                let id = format!("<UploadId>{id}</UploadId>");
                self.marked(Reply::xml(&format!("<InitiateMultipartUploadResult>{id}</InitiateMultipartUploadResult>")))
            }
            "UploadPart" | "ListParts" | "Complete" | "Abort" => self.of_upload(shelf, &request, op, key),
            "Put" => {
                let stored = self.stored(shelf, request.body);
                let reply = Reply::status(200).field("etag", stored.etag.clone());
                shelf.objects.insert(key, stored);
                self.marked(reply)
            }
            "Head" | "Get" => self.object(shelf, &request, &key),
            "ListObjects" => {
                let prefix = request.parameter("prefix").unwrap_or_default();
                let one = |(key, object): (&String, &Stored)| {
                    format!("<Contents><Key>{key}</Key><Size>{}</Size></Contents>", object.bytes.len())
                };
                let all = shelf.objects.iter().filter(|(key, _)| key.starts_with(prefix)).map(one);
                Reply::xml(&format!("<ListBucketResult>{}</ListBucketResult>", all.collect::<String>()))
            }
            "ListUploads" => Reply::xml("<ListMultipartUploadsResult></ListMultipartUploadsResult>"),
            _ => Reply::error(501, "NotImplemented", op),
        }
    }

    fn of_upload(&self, shelf: &mut Shelf, request: &Request, op: &str, key: String) -> Reply {
        let id = request.parameter("uploadId").unwrap().to_owned();
        if !shelf.uploads.contains_key(&id) {
            return Reply::error(404, "NoSuchUpload", "no");
        }
        match op {
            "UploadPart" => {
                let number = request.parameter("partNumber").unwrap().parse().unwrap();
                let stored = self.stored(shelf, request.body.clone());
                let etag = stored.etag.clone();
                shelf.uploads.get_mut(&id).unwrap().insert(number, stored);
                let reply = Reply::status(200);
                self.marked(if self.etags == Etags::Untold { reply } else { reply.field("etag", etag) })
            }
            "ListParts" => {
                let one = |(number, part): (&u32, &Stored)| {
                    let etag = part.etag.replace('"', "&quot;");
                    let len = part.bytes.len();
                    format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag><Size>{len}</Size></Part>")
                };
                let parts: String = shelf.uploads[&id].iter().map(one).collect();
                Reply::xml(&format!("<ListPartsResult>{parts}</ListPartsResult>"))
            }
            "Complete" => {
                let body = String::from_utf8_lossy(&request.body).replace("&quot;", "\"");
                let named = |(_, part): &(&u32, &Stored)| body.contains(&format!("<ETag>{}</ETag>", part.etag));
                let parts = &shelf.uploads[&id];
                let count = body.matches("<Part>").count();
                if parts.len() != count || !parts.iter().all(|part| named(&part)) {
                    return Reply::error(400, "InvalidPart", "no such part");
                }
                let bytes: Vec<u8> = parts.values().flat_map(|part| part.bytes.clone()).collect();
                let md5s: Vec<u8> = parts.values().flat_map(|part| Md5::digest(&part.bytes).to_vec()).collect();
                let etag = match self.etags {
                    Etags::Md5 | Etags::Untold => format!("\"{}-{count}\"", hex(&Md5::digest(md5s))),
                    _ => format!("\"{}-{count}\"", hex(&Md5::digest(id.as_bytes()))),
                };
                let told = etag.replace('"', "&quot;");
                shelf.uploads.remove(&id);
                shelf.objects.insert(key, Stored { bytes, etag });
                let result = "CompleteMultipartUploadResult";
                self.marked(Reply::xml(&format!("<{result}><ETag>{told}</ETag></{result}>")))
            }
            _ => {
                shelf.uploads.remove(&id);
                Reply::status(204)
            }
        }
    }

    fn object(&self, shelf: &Shelf, request: &Request, key: &str) -> Reply {
        let Some(Stored { bytes, etag }) = shelf.objects.get(key) else {
            return if request.method == "HEAD" { Reply::status(404) } else { Reply::error(404, "NoSuchKey", "no") };
        };
        let facts = |status| {
            let reply = Reply::status(status).field("etag", etag.clone());
            self.marked(reply.field("last-modified", "Tue, 03 Feb 2026 10:00:00 GMT"))
        };
        let range = request.header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        match range.filter(|_| request.method == "GET") {
            None => Reply { len: Some(bytes.len()), body: bytes.clone(), ..facts(200) },
            Some((first, last)) => {
                let first: usize = first.parse().unwrap();
                let end = last.parse().map_or(bytes.len(), |last: usize| (last + 1).min(bytes.len()));
                let range = format!("bytes {first}-{}/{}", end - 1, bytes.len());
                Reply { body: bytes[first..end].to_vec(), ..facts(206).field("content-range", range) }
            }
        }
    }

    fn stored(&self, shelf: &mut Shelf, bytes: Vec<u8>) -> Stored {
        shelf.count += 1;
        let md5 = Md5::digest(&bytes);
        let etag = match self.etags {
            Etags::Md5 | Etags::Untold => format!("\"{}\"", hex(&md5)),
            Etags::Opaque => format!("\"AK6r{}+/{}==\"", shelf.count, hex(&md5[..4])),
            Etags::Sealed => format!("\"{}\"", hex(&Md5::digest(format!("{} {md5:?}", shelf.count)))),
        };
        Stored { bytes, etag }
    }

    /// Says what it is encrypted with.
    fn marked(&self, reply: Reply) -> Reply {
        match self.etags {
            Etags::Sealed => reply.field("x-amz-server-side-encryption", "aws:kms"),
            _ => reply,
        }
    }
}

fn operation(request: &Request, key: &str) -> &'static str {
    let has = |name: &str| request.query.contains_key(name);
    match (request.method.as_str(), key.is_empty()) {
        ("GET", true) if has("uploads") => "ListUploads",
        ("GET", true) => "ListObjects",
        ("HEAD", false) => "Head",
        ("GET", false) if has("uploadId") => "ListParts",
        ("GET", false) => "Get",
        ("PUT", false) if has("uploadId") => "UploadPart",
        ("PUT", false) => "Put",
        ("POST", false) if has("uploads") => "Create",
        ("POST", false) => "Complete",
        ("DELETE", false) if has("uploadId") => "Abort",
        _ => "Unknown",
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

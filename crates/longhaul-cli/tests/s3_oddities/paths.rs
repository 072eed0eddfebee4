//! A store below a path of a host: every request goes there, signed with the path.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::stand_in::{MIB, Oddity, Shelf, StandIn, hex};
use crate::wire::{Reply, Request};

const BELOW: &str = "/storage/v1/s3";

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Whether the signature is that of the request as it came ("Authenticating Requests" in the API reference of S3).
fn is_signed(request: &Request) -> bool {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let link = request.parameter("X-Amz-Signature").map(str::to_owned);
    let header = request.header("authorization").unwrap_or_default().to_owned();
    let field = |name: &str| {
        let begin = header.split_once(&format!("{name}=")).map(|(_, rest)| rest.split([',', ' ']).next().unwrap());
        begin.map(str::to_owned).or_else(|| request.parameter(&format!("X-Amz-{name}")).map(str::to_owned))
    };
    let (Some(credential), Some(names)) = (field("Credential"), field("SignedHeaders")) else { return false };
    let scope: Vec<&str> = credential.split('/').skip(1).collect();
    let mut pairs: Vec<String> = query.split('&').filter(|pair| !pair.is_empty()).map(str::to_owned).collect();
    pairs.retain(|pair| !pair.starts_with("X-Amz-Signature="));
    pairs.iter_mut().filter(|pair| !pair.contains('=')).for_each(|pair| pair.push('='));
    pairs.sort();
    let fields: String = names.split(';').map(|name| format!("{name}:{}\n", request.header(name).unwrap())).collect();
    let payload = request.header("x-amz-content-sha256").unwrap_or("UNSIGNED-PAYLOAD");
    let canonical = format!("{}\n{path}\n{}\n{fields}\n{names}\n{payload}", request.method, pairs.join("&"));
    let date = request.header("x-amz-date").or(request.parameter("X-Amz-Date")).unwrap();
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{}\n{}", scope.join("/"), hex(&Sha256::digest(canonical)));
    let key = scope.iter().fold(b"AWS4hush-secret".to_vec(), |key, part| mac(&key, part));
    link.or_else(|| field("Signature")) == Some(hex(&mac(&key, &text)))
}

fn below() -> StandIn {
    let hook = |request: &Request, _: &str, _: &Shelf| {
        (!is_signed(request)).then(|| Reply::error(403, "SignatureDoesNotMatch", "not as it was signed"))
    };
    StandIn::open(Oddity { below: BELOW, hook: Some(Box::new(hook)), ..Oddity::default() })
}

#[test]
fn a_store_below_a_path_is_used_for_everything_and_signed_with_the_path() {
    let store = below();
    let (small, content) = store.file("small one+", 1, 1000);
    store.expect(&store.put(&small, "dir/small one+", &[]), 0, "md5");
    let (large, film) = store.file("large", 2, 17 * MIB);
    store.expect(&store.put(&large, "dir/large", &["--part-size", "5M"]), 0, "composite");
    assert_eq!(store.stored("dir/small one+"), Some(content.to_vec()));
    assert_eq!(store.stored("dir/large"), Some(film.to_vec()));
    let ran = store.get("dir/large", &[]);
    assert_eq!(ran.code(), 0, "{}", store.report(&ran));
    assert_eq!(std::fs::read(store.bench.file()).unwrap(), film.to_vec());
    let folder = store.bench.root().join("all");
    let ran = store.longhaul(&["get", "-r", "s3://films/dir/", "-d", folder.to_str().unwrap(), "--proxy", "none"]);
    assert_eq!(ran.code(), 0, "{}", store.report(&ran));
    assert_eq!(std::fs::read(folder.join("small one+")).unwrap(), content.to_vec());

    let ran = store.longhaul(&["presign", "s3://films/dir/small one+"]);
    let link = ran.stdout.trim().to_owned();
    assert!(link.starts_with(&format!("{}/films/dir/small%20one%2B?X-Amz-", store.endpoint)), "{link}");
    let copy = store.bench.root().join("copy");
    let ran = store.longhaul(&["get", &link, "-o", copy.to_str().unwrap(), "--proxy", "none"]);
    assert_eq!(ran.code(), 0, "{}", store.report(&ran));
    assert_eq!(std::fs::read(&copy).unwrap(), content.to_vec());
    let asked: std::collections::BTreeSet<String> =
        store.with(|shelf| shelf.log.iter().map(|(op, _)| op.clone()).collect());
    let want = ["Complete", "Create", "Get", "Head", "ListObjects", "Put", "UploadPart"];
    assert_eq!(asked, want.map(str::to_owned).into(), "every one of them");
}

#[test]
fn an_upload_below_a_path_is_gone_on_with_and_cancelled_there() {
    let hook = |request: &Request, op: &str, shelf: &Shelf| {
        let sent = shelf.log.iter().filter(|(op, _)| op == "UploadPart").count();
        if !is_signed(request) {
            return Some(Reply::error(403, "SignatureDoesNotMatch", "not as it was signed"));
        }
        (op == "UploadPart" && sent % 3 == 0).then(|| Reply::error(503, "SlowDown", "later"))
    };
    let store = StandIn::open(Oddity { below: BELOW, hook: Some(Box::new(hook)), ..Oddity::default() });
    let (large, film) = store.file("large", 2, 17 * MIB);
    let put = |key: &str| store.put(&large, key, &["--part-size", "5M", "--retries", "0"]);
    store.expect(&put("film"), 10, "network, kept");
    store.expect(&put("film"), 0, "composite, resumed");
    assert_eq!(store.stored("film"), Some(film.to_vec()));
    let ran = put("other");
    assert_eq!(ran.code(), 10, "{}", store.report(&ran));
    let id = ran.event("failed").unwrap()["id"].as_str().unwrap().to_owned();
    // Whatever the environment says by then: the journal knows where it was.
    let ran = store.elsewhere(&["cancel", &id[..8], "--proxy", "none"]);
    assert_eq!((ran.code(), store.with(|shelf| shelf.uploads.len())), (0, 0), "{}", store.report(&ran));
    assert!(store.count("Abort") > 0 && store.count("ListParts") > 0);
}

#[test]
fn a_path_that_cannot_be_is_refused_by_name() {
    let store = below();
    let (small, _) = store.file("small", 1, 1000);
    let amazon = "https://s3.eu-west-1.amazonaws.com/films";
    for (args, says) in [
        (vec!["--endpoint", &store.endpoint, "--cname"], "a domain of the bucket's own"),
        (vec!["--endpoint", amazon], "the bucket belongs into the object's name"),
        (vec!["--endpoint", "http://127.0.0.1:9/s3?x=y"], "without parameters"),
    ] {
        let ran = store.put(&small, "k", &args);
        assert_eq!((ran.unsound(), ran.code()), (None, 2), "{}", store.report(&ran));
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
    }
}

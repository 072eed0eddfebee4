//! What a store refuses is told as what it is, and done otherwise where it can be.

use crate::stand_in::{MIB, Oddity, Shelf, StandIn};
use crate::wire::{Reply, Request};

fn odd(hook: impl Fn(&Request, &str, &Shelf) -> Option<Reply> + Send + Sync + 'static) -> StandIn {
    StandIn::open(Oddity { hook: Some(Box::new(hook)), ..Oddity::default() })
}

fn takes(most: usize) -> StandIn {
    let page = || Reply::status(413).body("text/html", "<html>413 Request Entity Too Large</html>");
    odd(move |request, _, _| (request.body.len() > most).then(page))
}

#[test]
fn a_request_that_is_too_large_names_the_flag_for_smaller_ones() {
    let store = takes(MIB as usize);
    for (name, len) in [("large", 20 * MIB), ("small", 2 * MIB)] {
        let (film, _) = store.file(name, 1, len);
        let ran = store.put(&film, name, &[]);
        assert_eq!((ran.unsound(), ran.code()), (None, 11), "{}", store.report(&ran));
        assert!(ran.stderr.contains("status 413") && ran.stderr.contains("(--part-size)"), "{}", ran.stderr);
    }
    assert!(store.count("Create") <= 1, "it was not the checksums: {:?}", store.requests("Create"));
}

#[test]
fn smaller_parts_go_through() {
    let store = takes(6 * MIB as usize);
    let (film, content) = store.file("film", 1, 20 * MIB);
    let ran = store.put(&film, "film", &["--part-size", "5M"]);
    store.expect(&ran, 0, "composite");
    assert_eq!(store.stored("film"), Some(content.to_vec()));
}

/// A bucket with Object Lock, as Amazon answers there.
#[test]
fn a_store_that_wants_content_md5_gets_it() {
    let says = "HTTP header is required for Put Part requests with Object Lock parameters";
    let store = odd(move |request, op, _| {
        let sent = request.header("content-md5").is_some();
        let wanted = matches!(op, "Put" | "UploadPart") && !sent;
        wanted.then(|| Reply::error(400, "InvalidRequest", &format!("Content-MD5 OR x-amz-checksum- {says}")))
    });
    for (name, len, refused) in [("small", 1000, 1), ("large", 17 * MIB, 1)] {
        let (film, content) = store.file(name, 1, len);
        let before = store.count("Put") + store.count("UploadPart");
        let ran = store.put(&film, name, &["--part-size", "5M", "--retries", "0"]);
        assert_eq!(ran.code(), 0, "{}", store.report(&ran));
        assert_eq!(store.stored(name), Some(content.to_vec()), "{name}");
        let requests = store.count("Put") + store.count("UploadPart") - before;
        let needed = if len > MIB { 4 } else { 1 };
        assert_eq!(requests, needed + refused, "{name}: {}", store.report(&ran));
    }
}

/// Somebody else's object under a key of the customer's.
fn sealed() -> StandIn {
    let store = odd(|request, op, shelf| {
        let there = request.path.strip_prefix("/films/").and_then(|key| shelf.objects.get(key))?;
        let why =
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided";
        match op {
            _ if there.etag != "sealed" => None,
            "Head" => Some(Reply::status(400)),
            "Get" => Some(Reply::error(400, "InvalidRequest", why)),
            _ => None,
        }
    });
    let there = crate::stand_in::Stored { bytes: vec![1; 10], etag: "sealed".to_owned() };
    store.with(|shelf| shelf.objects.insert("film".to_owned(), there));
    store
}

#[test]
fn an_object_under_a_key_of_the_customers_is_not_taken_for_expired_keys() {
    let store = sealed();
    let ran = store.get("film", &["--retries", "1"]);
    assert_eq!((ran.unsound(), ran.code()), (None, 11), "{}", store.report(&ran));
    assert!(ran.stderr.contains("SSE-C") && !ran.stderr.contains("expired"), "{}", ran.stderr);
    // It stands in nobody's way.
    let (film, content) = store.file("film-2", 1, 1000);
    let ran = store.put(&film, "film", &["--retries", "1"]);
    store.expect(&ran, 0, "md5");
    assert_eq!(store.stored("film"), Some(content.to_vec()));
    for len in [17 * MIB, 1000] {
        let store = sealed();
        let (film, content) = store.file("film-3", 2, len);
        let ran = store.put(&film, "film", &["--part-size", "5M", "--retries", "1"]);
        assert_eq!(ran.code(), 0, "{}", store.report(&ran));
        assert_eq!(store.stored("film"), Some(content.to_vec()));
    }
}

#[test]
fn keys_that_have_expired_are_told_although_head_does_not_say_so() {
    let store = odd(|_, op, _| match op {
        "Head" => Some(Reply::status(400)),
        _ => Some(Reply::error(400, "ExpiredToken", "The provided token has expired.")),
    });
    let (film, _) = store.file("film", 1, 1000);
    let ran = store.put(&film, "film", &["--retries", "1"]);
    store.expect(&ran, 4, "denied");
    assert!(ran.stderr.contains("ExpiredToken"), "{}", ran.stderr);
}

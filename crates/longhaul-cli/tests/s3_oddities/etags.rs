//! ETags that are no digests: what was acknowledged is known by name.

use crate::stand_in::{Etags, MIB, Oddity, StandIn};
use crate::wire::Reply;

const PART: u64 = 5 * MIB;
const SIZE: u64 = 4 * PART + 77;

/// A store whose first upload breaks off with three parts acknowledged.
fn broken_off(etags: Etags) -> StandIn {
    let full = |_: &crate::wire::Request, op: &str, shelf: &crate::stand_in::Shelf| {
        let sent = shelf.log.iter().filter(|(op, _)| op == "UploadPart").count();
        (op == "UploadPart" && sent == 4).then(|| Reply::error(503, "SlowDown", "later"))
    };
    let store = StandIn::open(Oddity { etags, hook: Some(Box::new(full)), ..Oddity::default() });
    let (film, _) = store.file("film", 1, SIZE);
    let ran = store.put(&film, "film", &["--part-size", "5M", "--retries", "0"]);
    store.expect(&ran, 10, "network, kept");
    assert_eq!(ran.held(), 3 * PART, "{}", store.report(&ran));
    store
}

#[test]
fn parts_that_were_acknowledged_are_known_by_their_etags_where_these_are_no_md5() {
    for (etags, verified) in [(Etags::Md5, "composite"), (Etags::Opaque, "length only"), (Etags::Sealed, "length only")]
    {
        let store = broken_off(etags);
        let (film, content) = store.file("film", 1, SIZE);
        let ran = store.put(&film, "film", &["--part-size", "5M"]);
        store.expect(&ran, 0, &format!("{verified}, resumed"));
        assert_eq!(store.stored("film"), Some(content.to_vec()), "{etags:?}");
        let sent = ran.event("done").unwrap()["sent"].as_u64();
        assert_eq!(sent, Some(SIZE - 3 * PART), "{etags:?}: {}", store.report(&ran));
        assert_eq!(store.count("Create"), 1, "{etags:?}: {}", store.report(&ran));
    }
}

#[test]
fn a_part_that_somebody_replaced_is_sent_again_and_the_reason_is_told() {
    for etags in [Etags::Md5, Etags::Opaque, Etags::Sealed] {
        let store = broken_off(etags);
        store.with(|shelf| {
            let part = shelf.uploads.values_mut().next().unwrap().get_mut(&2).unwrap();
            part.bytes.fill(b'x');
            part.etag = "\"0123456789abcdef0123456789abcdef\"".to_owned();
        });
        let (film, content) = store.file("film", 1, SIZE);
        let ran = store.put(&film, "film", &["--part-size", "5M"]);
        assert_eq!(ran.code(), 0, "{}", store.report(&ran));
        assert!(ran.verdict().ends_with("resumed, restarted (parts_differ)"), "{}", store.report(&ran));
        assert_eq!(store.stored("film"), Some(content.to_vec()), "{etags:?}");
        let sent = ran.event("done").unwrap()["sent"].as_u64();
        assert_eq!(sent, Some(SIZE - 2 * PART), "{etags:?}: {}", store.report(&ran));
    }
}

#[test]
fn a_part_that_is_gone_is_sent_again_and_the_reason_is_told() {
    let store = broken_off(Etags::Opaque);
    store.with(|shelf| shelf.uploads.values_mut().next().unwrap().remove(&1).unwrap());
    let (film, content) = store.file("film", 1, SIZE);
    let ran = store.put(&film, "film", &["--part-size", "5M"]);
    store.expect(&ran, 0, "length only, resumed, restarted (invalid_part)");
    assert_eq!(store.stored("film"), Some(content.to_vec()));
}

#[test]
fn parts_whose_answers_tell_no_etag_are_named_as_the_list_names_them() {
    let store = StandIn::open(Oddity { etags: Etags::Untold, ..Oddity::default() });
    let (film, content) = store.file("film", 1, SIZE);
    let ran = store.put(&film, "film", &["--part-size", "5M"]);
    store.expect(&ran, 0, "composite");
    assert_eq!(store.stored("film"), Some(content.to_vec()));
    assert_eq!(store.count("UploadPart"), 5, "none is sent twice: {}", store.report(&ran));
}

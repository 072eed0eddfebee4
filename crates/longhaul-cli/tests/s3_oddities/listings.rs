//! Lists: without end, in any order, with the first version's words.

use crate::stand_in::{Oddity, Shelf, StandIn};
use crate::wire::{Reply, Request};

fn page(keys: &[String], next: &str) -> Reply {
    let key = |key: &String| format!("<Contents><Key>{key}</Key><Size>3</Size></Contents>");
    let keys: String = keys.iter().map(key).collect();
    let more = if next.is_empty() { "" } else { "<IsTruncated>true</IsTruncated>" };
    Reply::xml(&format!("<ListBucketResult><EncodingType>url</EncodingType>{keys}{more}{next}</ListBucketResult>"))
}

fn token(text: impl std::fmt::Display) -> String {
    format!("<NextContinuationToken>{text}</NextContinuationToken>")
}

/// A store with objects of three bytes whose list is what this says of the number of the page, from 0.
fn listing(keys: &[&str], list: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> StandIn {
    let hook = move |request: &Request, op: &str, shelf: &Shelf| {
        let asked = shelf.log.iter().filter(|(op, _)| op == "ListObjects").count();
        (op == "ListObjects").then(|| list(asked - 1, request))
    };
    let store = StandIn::open(Oddity { hook: Some(Box::new(hook)), ..Oddity::default() });
    for key in keys {
        let there = crate::stand_in::Stored { bytes: b"abc".to_vec(), etag: "\"e\"".to_owned() };
        store.with(|shelf| shelf.objects.insert((*key).to_owned(), there));
    }
    store
}

fn get_all(store: &StandIn) -> crate::common::Ran {
    let folder = store.bench.folder();
    store.longhaul(&["get", "-r", "s3://films/dir/", "-d", folder.to_str().unwrap(), "--proxy", "none", "--json"])
}

#[test]
fn a_list_without_end_ends_with_a_reason_that_names_it() {
    let one = || vec!["dir/a".to_owned()];
    let same = listing(&["dir/a"], move |_, _| page(&one(), &token("T")));
    let circle = listing(&["dir/0", "dir/1", "dir/2"], |n, _| page(&[format!("dir/{}", n % 3)], &token(n % 3)));
    let new_tokens = listing(&["dir/a"], move |n, _| page(&one(), &token(n)));
    let empty = listing(&[], |n, _| page(&[], &token(n)));
    let behind = listing(&["dir/a"], move |_, _| page(&one(), "<NextMarker>dir/a</NextMarker>"));
    for (name, store, most) in [
        ("the same token", same, 2),
        ("tokens in a circle", circle, 4),
        ("new tokens and no new key", new_tokens, 2),
        ("empty pages", empty, 201),
        ("the same marker", behind, 2),
    ] {
        let ran = get_all(&store);
        assert_eq!((ran.unsound(), ran.code()), (None, 11), "{name}: {}", ran.stderr);
        for part in ["s3://films/dir/", "does not end"] {
            assert!(ran.stderr.contains(part), "{name}: {}", ran.stderr);
        }
        assert!(store.count("ListObjects") <= most, "{name}: {} pages", store.count("ListObjects"));
    }
}

#[test]
fn lists_that_end_are_read_to_their_end() {
    let names = |store: &StandIn| crate::common::names(&store.bench.folder());
    let all = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<std::collections::BTreeSet<_>>();
    let key = |name: &str| format!("dir/{name}");
    // As directory buckets do: in no order.
    let unsorted = listing(&["dir/c", "dir/a", "dir/b"], move |n, _| {
        page(&[key(["c", "a", "b"][n])], &if n < 2 { token(n) } else { String::new() })
    });
    // With the words of the first version, and each page from the key that it was asked behind.
    let old = listing(&["dir/a", "dir/b", "dir/c"], move |n, request| {
        let behind = ["", "dir/b", "dir/c"][n];
        assert_eq!(request.parameter("marker").unwrap_or_default(), behind);
        assert_eq!(request.parameter("start-after").unwrap_or_default(), behind);
        let keys: Vec<String> = [vec!["a", "b"], vec!["b", "c"], vec!["c"]][n].iter().map(|name| key(name)).collect();
        page(&keys, if n < 2 { " " } else { "" })
    });
    // Holes: pages without any entry.
    let holes = listing(&["dir/a", "dir/b", "dir/c"], move |n, _| match n {
        0 => page(&[key("a"), key("b")], &token("x")),
        1..10 => page(&[], &token(n)),
        _ => page(&[key("c")], ""),
    });
    for (name, store) in [("unsorted", unsorted), ("old", old), ("holes", holes)] {
        let ran = get_all(&store);
        assert_eq!(ran.code(), 0, "{name}: {}", store.report(&ran));
        assert_eq!(names(&store), all(&["a", "b", "c"]), "{name}");
    }
    // As Amazon writes a blank and a plus.
    let amazon = listing(&["dir/a b+c"], move |_, _| page(&["dir/a+b%2Bc".to_owned()], ""));
    let ran = get_all(&amazon);
    assert_eq!(ran.code(), 0, "{}", amazon.report(&ran));
    assert_eq!(names(&amazon), all(&["a b+c"]));
}

#[test]
fn a_list_of_uploads_without_end_ends_with_a_reason_that_names_the_key() {
    let hook = |_: &Request, op: &str, shelf: &Shelf| match op {
        "Create" => Some(Reply::error(500, "InternalError", "the answer is lost")),
        "ListUploads" => {
            let n = shelf.log.iter().filter(|(op, _)| op == "ListUploads").count() % 3;
            Some(Reply::xml(&format!(
                "<ListMultipartUploadsResult><Upload><Key>film</Key><UploadId>V{n}</UploadId></Upload>\
                 <IsTruncated>true</IsTruncated><NextKeyMarker>film</NextKeyMarker>\
                 <NextUploadIdMarker>V{n}</NextUploadIdMarker></ListMultipartUploadsResult>"
            )))
        }
        _ => None,
    };
    let store = StandIn::open(Oddity { hook: Some(Box::new(hook)), ..Oddity::default() });
    let (film, _) = store.file("film", 1, 17 << 20);
    let ran = store.put(&film, "film", &["--part-size", "5M", "--retries", "0"]);
    store.expect(&ran, 10, "network");
    let ran = store.longhaul(&["clean", "--yes", "--perhaps-ours", "--proxy", "none"]);
    assert_eq!(ran.unsound(), None, "{}", store.report(&ran));
    assert!(ran.stderr.contains("s3://films/film") && ran.stderr.contains("does not end"), "{}", store.report(&ran));
    assert!((1..=5).contains(&store.count("ListUploads")), "{}", store.report(&ran));
}

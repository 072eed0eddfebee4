//! Many objects, and names that are hard to write: there and back again.

use std::fs;

use longhaul_devstore::Content;

use crate::downloads::assert_is;
use crate::server::Server;

/// Keys with what URLs, signatures and XML give a meaning to.
const ODD: [&str; 6] = [
    "a b+c%20d&e=f?g#h",
    "ümläut/日本語/🎞",
    "dots/../and/./more",
    "double//slash",
    "quote\"'<>&;:@$,!*()[]{}|^`~",
    "50%25",
];

pub(crate) fn every_key_is_itself(server: &Server) {
    for (seed, key) in (1..).zip(ODD) {
        let content = Content::seeded(seed, 5000 + seed);
        let file = server.file("odd", &content);
        let ran = server.put(&file, &format!("odd/{key}"), &[]).wait();
        server.expect(&ran, 0, "md5");
        let target = server.bench.folder().join(format!("odd {seed}"));
        let ran = server.get(&format!("odd/{key}"), &target, &[]).wait();
        assert_eq!((ran.code(), ran.unsound()), (0, None), "{key}: {}", server.report(&ran));
        assert_is(server, &target, &content, &ran);
    }
    // The bytes that are neither letters nor digits, as somebody else writes them.
    let ours = Content::seeded(1, 5001).to_vec();
    assert!(server.curl(&[], "films/odd/a%20b%2Bc%2520d%26e%3Df%3Fg%23h") == ours, "another key was written");
}

pub(crate) fn an_object_without_bytes(server: &Server) {
    let nothing = Content::seeded(1, 0);
    let file = server.file("nothing", &nothing);
    let ran = server.put(&file, "nothing", &[]).wait();
    server.expect(&ran, 0, "md5");
    server.assert_stored("nothing", &nothing, &ran);
    server.expect(&server.put(&file, "nothing", &[]).wait(), 0, "md5, already");
    let target = server.bench.folder().join("nothing back");
    let ran = server.get("nothing", &target, &[]).wait();
    assert_eq!((ran.code(), ran.unsound()), (0, None), "{}", server.report(&ran));
    assert_is(server, &target, &nothing, &ran);
}

/// `put -r` and `get -r`; the second time nothing moves.
pub(crate) fn a_folder_goes_there_and_back(server: &Server) {
    let names = ["a", "b/c d", "b/e/ü?#%", "empty"];
    let content = |seed: u64| Content::seeded(seed, if seed == 4 { 0 } else { 1000 * seed });
    for (seed, name) in (1..).zip(names) {
        server.file(&format!("folder/{name}"), &content(seed));
    }
    let folder = server.bench.folder().join("folder");
    let words = ["put", "-r", folder.to_str().unwrap(), "s3://films/prefix/", "--proxy", "none"];
    let ran = server.longhaul(&words).wait();
    assert_eq!((ran.code(), ran.unsound()), (0, None), "{}", server.report(&ran));
    let puts = server.relay.log().iter().filter(|seen| seen.op == "PutObject").count();
    let ran = server.longhaul(&words).wait();
    assert_eq!(ran.code(), 0, "{}", server.report(&ran));
    let since = server.relay.log().iter().filter(|seen| seen.op == "PutObject").count();
    assert_eq!(since, puts, "sent again: {}", server.report(&ran));

    let back = server.bench.folder().join("back again");
    fs::create_dir(&back).unwrap();
    let words = ["get", "-r", "s3://films/prefix/", "-d", back.to_str().unwrap(), "--proxy", "none"];
    for round in ["first", "second"] {
        let ran = server.longhaul(&words).wait();
        assert_eq!((ran.code(), ran.unsound()), (0, None), "{}", server.report(&ran));
        let done: Vec<_> = ran.events.iter().filter(|event| event["event"] == "done").collect();
        assert_eq!(done.len(), names.len(), "{}", server.report(&ran));
        assert!(done.iter().all(|done| done["already"] == (round == "second")), "{round}: {}", server.report(&ran));
        for (seed, name) in (1..).zip(names) {
            assert_is(server, &back.join(name), &content(seed), &ran);
        }
    }
}

//! Signed links: ours work in curl, those of the SDKs work in `get`.

use std::path::Path;
use std::process::Command;

use longhaul_devstore::Content;

use crate::shop::Shop;

fn link(shop: &Shop, args: &[&str]) -> String {
    let all: Vec<&str> = ["presign"].into_iter().chain(args.iter().copied()).collect();
    let ran = shop.longhaul(&all);
    assert_eq!(ran.code(), 0, "{args:?}: {}", ran.stderr);
    let link = ran.stdout.trim_end_matches('\n').to_owned();
    assert!(!link.contains(char::is_whitespace) && ran.stderr.is_empty(), "{link:?} {}", ran.stderr);
    link
}

/// Status and body.
fn curl(args: &[&str]) -> Option<(u16, Vec<u8>)> {
    let body = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new("curl");
    command.args(["-sS", "--noproxy", "*", "--globoff", "-w", "%{http_code}", "-o"]).arg(body.path()).args(args);
    match command.output() {
        Ok(output) => {
            let status = String::from_utf8(output.stdout).unwrap();
            Some((status.trim().parse().unwrap_or(0), std::fs::read(body.path()).unwrap()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            assert!(std::env::var_os("LONGHAUL_REQUIRE_SERVERS").is_none(), "curl is not installed");
            println!("skipped: curl not installed");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn our_links_work_in_curl_for_what_they_are_for_and_for_nothing_else() {
    let shop = Shop::open();
    let keys = ["a", "dir/ä +%41&=?#'\"b", "a/../b", "//x"];
    for (seed, key) in (1..).zip(keys) {
        shop.store.put_seeded("films", key, seed, 1000).unwrap();
    }
    for version in ["v1", "v4"] {
        for (seed, key) in (1..).zip(keys) {
            let name = format!("oss://films/{key}");
            let get = link(&shop, &["--signature-version", version, "--expires", "10m", &name]);
            let Some((status, body)) = curl(&["--path-as-is", &get]) else { return };
            assert_eq!(status, 200, "{key:?} {version}: {get}: {}", String::from_utf8_lossy(&body));
            assert_eq!(body, Content::seeded(seed, 1000).to_vec(), "{key:?} {version}");
        }
        let get = link(&shop, &["--signature-version", version, "oss://films/a"]);
        assert_eq!(curl(&["-X", "PUT", "-d", "x", &get]).unwrap().0, 403, "{version}");
        let head = link(&shop, &["--signature-version", version, "-X", "HEAD", "oss://films/a"]);
        assert_eq!(curl(&["-I", &head]).unwrap().0, 200, "{version}");
        let put = link(&shop, &["--signature-version", version, "--method", "put", "oss://films/new"]);
        let file = shop.bench.root().join("upload");
        std::fs::write(&file, version).unwrap();
        assert_eq!(curl(&["-T", file.to_str().unwrap(), &put]).unwrap().0, 200, "{version}");
        let get = link(&shop, &["--signature-version", version, "oss://films/new"]);
        assert_eq!(curl(&[&get]).unwrap(), (200, version.as_bytes().to_vec()));
    }
}

#[test]
fn a_link_ends_and_get_says_that_it_needs_another_one() {
    let shop = Shop::open();
    let content = shop.film("a", 1);
    for version in ["v1", "v4"] {
        let link = link(&shop, &["--signature-version", version, "--expires", "60", "oss://films/a"]);
        shop.store.set_clock_offset_ms(0);
        let ran = shop.bench.get_url(&link).arg("--overwrite").run();
        assert_eq!(ran.code(), 0, "{}", ran.report(&shop.bench));
        shop.bench.assert_published(&content, &ran);
        shop.store.set_clock_offset_ms(100_000);
        let ran = shop.bench.get_url(&link).arg("--overwrite").run();
        shop.expect(&ran, 5, "needs_link");
    }
}

#[test]
fn links_with_temporary_keys_work() {
    let shop = Shop::open();
    let content = shop.film("a", 1);
    let env = shop.temporary_keys(900, None);
    for version in ["v1", "v4"] {
        let ran =
            shop.bench.longhaul_with(&env, ["presign", "--json", "--signature-version", version, "oss://films/a"]);
        assert_eq!((ran.code(), ran.events.len()), (0, 1), "{}", ran.stderr);
        assert_eq!(ran.events[0]["expires_s"], 3600);
        let ran = shop.bench.get_url(ran.events[0]["url"].as_str().unwrap()).arg("--overwrite").run();
        assert_eq!(ran.code(), 0, "{}", ran.report(&shop.bench));
        shop.bench.assert_published(&content, &ran);
        // The link is on the command line; nothing of it is written down.
        let left = crate::common::tree(&shop.bench.state());
        for path in left.iter().filter(|path| path.is_file()) {
            let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
            assert!(!text.contains("ignature="), "{}: {text}", path.display());
        }
    }
}

#[test]
fn without_keys_there_is_no_link() {
    let shop = Shop::open();
    let ran = shop.bench.longhaul_with(&shop.without_keys(), ["presign", "oss://films/a"]);
    assert_eq!((ran.code(), ran.stdout.as_str()), (4, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("without credentials"), "{}", ran.stderr);
}

#[test]
fn links_that_the_sdk_made_are_gone_on_with_like_any() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/python/bin/python");
    if !python.exists() {
        assert!(std::env::var_os("LONGHAUL_REQUIRE_SERVERS").is_none(), "the SDKs are not installed: scripts/setup");
        println!("skipped: oss2 not installed");
        return;
    }
    let shop = Shop::open();
    let content = shop.film("dir/ä b", 1);
    for version in ["v1", "v4"] {
        let link = sdk_link(&python, &shop, version, "dir/ä b");
        shop.store.fault("kind=cut op=GetObject after=2000000 times=1").unwrap();
        let ran = shop.bench.get_url(&link).alone().retries(0).run();
        shop.expect(&ran, 10, "network, kept");
        let again = sdk_link(&python, &shop, version, "dir/ä b");
        let ran = shop.bench.get_url(&again).run();
        shop.expect(&ran, 0, "md5, resumed");
        shop.bench.assert_published(&content, &ran);
        std::fs::remove_file(shop.bench.file()).unwrap();
    }
}

fn sdk_link(python: &Path, shop: &Shop, version: &str, key: &str) -> String {
    let script = "import os, sys, oss2
id, secret = os.environ['OSS_ACCESS_KEY_ID'], os.environ['OSS_ACCESS_KEY_SECRET']
endpoint, region = os.environ['OSS_ENDPOINT'], os.environ['OSS_REGION']
if sys.argv[1] == 'v1':
    bucket = oss2.Bucket(oss2.Auth(id, secret), endpoint, 'films')
else:
    bucket = oss2.Bucket(oss2.AuthV4(id, secret), endpoint, 'films', region=region)
print(bucket.sign_url('GET', sys.argv[2], 600))";
    let output = Command::new(python).args(["-c", script, version, key]).envs(shop.env()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

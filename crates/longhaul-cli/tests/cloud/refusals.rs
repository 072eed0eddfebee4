//! Every answer that is no object: its exit code, what it says, and what is kept.

use serde_json::json;

use crate::common::SIZE;
use crate::shop::Shop;

#[test]
fn what_is_not_there_and_what_is_not_allowed_say_so() {
    let shop = Shop::open();
    shop.film("a", 1);
    let with = |changes: &[(&str, &str)]| {
        let mut env = shop.env();
        env.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        env
    };
    let policy =
        json!({"Version": "1", "Statement": [{"Effect": "Allow", "Action": "oss:PutObject", "Resource": "*"}]});
    let writer = shop.temporary_keys(900, Some(policy));
    let table = [
        ("a missing key", shop.env(), "oss://films/missing", 3, "NoSuchKey"),
        ("a prefix that is no key", shop.env(), "oss://films/2024/", 3, "--recursive"),
        ("a missing bucket", shop.env(), "oss://nobody/a", 3, "NoSuchBucket"),
        ("an unknown id", with(&[("OSS_ACCESS_KEY_ID", "nobody")]), "oss://films/a", 4, "InvalidAccessKeyId"),
        ("a wrong secret", with(&[("OSS_ACCESS_KEY_SECRET", "wrong")]), "oss://films/a", 4, "SignatureDoesNotMatch"),
        ("keys that may not", writer, "oss://films/a", 4, "AccessDenied"),
        ("another region", with(&[("OSS_REGION", "cn-beijing")]), "oss://films/a", 11, "region"),
    ];
    for (what, env, name, code, says) in table {
        let ran = shop.bench.get_url(name).envs(&env).run();
        assert_eq!(ran.unsound(), None, "{what}");
        assert_eq!(ran.code(), code, "{what}: {}", ran.report(&shop.bench));
        assert!(ran.stderr.contains(says) && ran.stderr.contains(name), "{what}: {}", ran.stderr);
        assert!(!ran.stderr.contains("--user"), "{what}: {}", ran.stderr);
        shop.assert_no_secret(&ran, &shop.env());
    }
    assert!(crate::common::names(&shop.bench.folder()).is_empty());
}

#[test]
fn names_and_settings_that_cannot_be_are_wrong_arguments() {
    let shop = Shop::open();
    let long = format!("oss://films/{}", "k".repeat(1024));
    let table: [(&str, &[&str], &str); 8] = [
        ("oss://films", &[], "--recursive"),
        ("oss://Films/a", &[], "no name for a bucket"),
        ("oss:///a", &[], "the bucket is missing"),
        (&long, &[], "1024 bytes"),
        ("oss://films/a", &["--endpoint", "ftp://h"], "endpoint"),
        ("oss://films/a", &["--endpoint", "https://id:hush@h"], "no place for user and password"),
        ("oss://films/a", &["--region", "a b"], "no name for a region"),
        ("oss://films/a", &["-H", "X: hush"], "headers"),
    ];
    for (name, args, says) in table {
        let ran = shop.bench.get_url(name).envs(&shop.env()).args(args).run();
        assert_eq!(ran.code(), 2, "{name} {args:?}: {}", ran.report(&shop.bench));
        assert!(ran.stderr.contains(says) && !ran.stderr.contains("hush"), "{name} {args:?}: {}", ran.stderr);
    }
    assert!(shop.log().is_empty(), "nothing was asked: {}", shop.log().join("\n"));
    let mut env = shop.env();
    env.retain(|(name, _)| name != "OSS_ENDPOINT" && name != "OSS_REGION");
    let ran = shop.get_as("a", &env).run();
    shop.expect(&ran, 2, "usage");
    assert!(ran.stderr.contains("--endpoint"), "{}", ran.stderr);
}

#[test]
fn keys_with_every_odd_character_come_as_they_are() {
    let shop = Shop::open();
    let keys = [
        "a b",
        " lead",
        "trail ",
        "a+b",
        "a%20b",
        "a%2Fb",
        "a?b=c&d",
        "a#b",
        "a&b=c;d",
        "a=b",
        "a\"b'c",
        "a<b>c",
        "a\\b",
        "a|b`c^d",
        "{a}[b]",
        "a*b",
        "a:b@c",
        "a,b;c",
        "a!$(b)",
        "a~b",
        "ä€日本😀",
        "e\u{301}",
        "a\tb",
        "a\nb",
        "\u{7f}",
        "a/../b",
        "./a",
        "../a",
        "a//b",
        "a/./b",
        "a/",
        "/a",
        "...",
        "-",
        "a/.",
        "a/..",
        "%",
        "%zz",
        "%2e%2e/a",
        "oss://films/a",
        "https://h/a?Signature=x",
    ];
    let small = 1000;
    for (seed, key) in (1..).zip(keys) {
        shop.store.put_seeded("films", key, seed, small).unwrap();
    }
    for (seed, key) in (1..).zip(keys) {
        for version in ["v4", "v1"] {
            let ran = shop.get(key).args(["--overwrite", "--signature-version", version]).run();
            assert_eq!(ran.code(), 0, "{key:?} {version}: {}\n{}", ran.report(&shop.bench), shop.log().join("\n"));
            let content = longhaul_devstore::Content::seeded(seed, small);
            assert!(matches!(content.first_difference_in_file(shop.bench.file()), Ok(None)), "{key:?} {version}");
        }
    }
}

#[test]
fn keys_that_no_url_can_hold_are_refused() {
    let shop = Shop::open();
    for key in [".", ".."] {
        let ran = shop.get(key).run();
        shop.expect(&ran, 2, "usage");
        assert!(ran.stderr.contains("no URL can hold this key"), "{}", ran.stderr);
    }
}

#[test]
fn a_page_of_a_portal_is_not_taken_for_the_object() {
    // Somebody who answers with a login page to whatever is asked, signed or not.
    let shop = Shop::open();
    let object = longhaul_devstore::Object::seeded(1, 32).content_type("text/html").no_validators();
    shop.bench.origin.put("/films/a", object);
    let mut env = shop.env();
    env.push(("OSS_ENDPOINT".to_owned(), shop.bench.origin.url("")));
    let content = shop.film("a", 1);
    shop.store.fault(&format!("kind=cut op=GetObject after={} times=1", SIZE / 2)).unwrap();
    shop.expect(&shop.get("a").alone().retries(0).run(), 10, "network, kept");
    let ran = shop.get_as("a", &env).run();
    shop.expect(&ran, 5, "portal, kept");
    let ran = shop.get("a").run();
    shop.expect(&ran, 0, "crc64, resumed");
    shop.bench.assert_published(&content, &ran);
}

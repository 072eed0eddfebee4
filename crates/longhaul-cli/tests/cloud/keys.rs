//! Keys: whose they are, that they end, and that nobody ever sees them.

use crate::common::{HALF, eventually};
use crate::shop::Shop;

#[test]
fn keys_come_from_the_vendors_files_and_a_profile_chooses_among_them() {
    let shop = Shop::open();
    let content = shop.film("a", 1);
    let (id, secret) = (shop.store.access_key_id(), shop.store.access_key_secret());
    std::fs::write(
        shop.home().join(".ossutilconfig"),
        format!("[default]\naccessKeyID=wrong\naccessKeySecret=wrong\n[profile right]\naccessKeyID={id}\naccessKeySecret={secret}\n"),
    )
    .unwrap();
    let env = shop.without_keys();
    let ran = shop.get_as("a", &env).run();
    shop.expect(&ran, 4, "denied");
    assert!(ran.stderr.contains("InvalidAccessKeyId"), "{}", ran.stderr);
    let ran = shop.get_as("a", &env).args(["--profile", "right"]).run();
    shop.expect(&ran, 0, "crc64");
    shop.bench.assert_published(&content, &ran);
    let ran = shop.get("a").args(["--profile", "nobody"]).run();
    shop.expect(&ran, 4, "denied");
    assert!(ran.stderr.contains("\"nobody\""), "{}", ran.stderr);
}

#[test]
fn keys_that_end_midway_leave_what_is_held_and_new_ones_go_on() {
    let shop = Shop::open();
    let content = shop.film("a", 1);
    let env = shop.temporary_keys(900, None);
    shop.store.fault(&format!("kind=cut op=GetObject after={HALF} times=1")).unwrap();
    shop.store.fault("kind=expire-token op=GetObject skip=1").unwrap();
    let ran = shop.get_as("a", &env).alone().run();
    shop.expect(&ran, 4, "denied, kept");
    assert!(ran.stderr.contains("has expired") && ran.stderr.contains("bring new credentials"), "{}", ran.stderr);
    shop.assert_no_secret(&ran, &env);
    shop.store.clear_faults();
    shop.expire_keys();
    let again = shop.get_as("a", &env).alone().run();
    shop.expect(&again, 4, "denied, kept");
    let ran = shop.get_as("a", &shop.temporary_keys(900, None)).alone().run();
    shop.expect(&ran, 0, "crc64, resumed");
    shop.bench.assert_published(&content, &ran);
}

#[test]
fn keys_that_end_midway_are_taken_anew_from_a_file_that_was_changed() {
    let shop = Shop::open();
    let content = shop.film("a", 1);
    let file = shop.home().join(".ossutilconfig");
    let write = |env: &[(String, String)]| {
        let of = |name: &str| &env.iter().find(|(n, _)| n == name).unwrap().1;
        let (id, secret) = (of("OSS_ACCESS_KEY_ID"), of("OSS_ACCESS_KEY_SECRET"));
        let token = of("OSS_SESSION_TOKEN");
        std::fs::write(&file, format!("[default]\naccessKeyID={id}\naccessKeySecret={secret}\nstsToken={token}\n"))
            .unwrap();
    };
    write(&shop.temporary_keys(900, None));
    shop.store.fault(&format!("kind=stall op=GetObject after={HALF} times=1")).unwrap();
    let running = shop.get_as("a", &shop.without_keys()).alone().args(["--stall-timeout", "2"]).start();
    assert!(eventually(|| running.received() >= HALF), "{}", running.told());
    shop.expire_keys();
    write(&shop.temporary_keys(900, None));
    let ran = running.wait();
    shop.expect(&ran, 0, "crc64, retried");
    shop.bench.assert_published(&content, &ran);
}

#[test]
fn without_keys_what_everybody_may_read_comes_and_the_rest_says_what_is_missing() {
    let shop = Shop::with(|builder| builder.anonymous(true));
    let content = shop.film("a", 1);
    let ran = shop.get_as("a", &shop.without_keys()).run();
    shop.expect(&ran, 0, "crc64");
    shop.bench.assert_published(&content, &ran);
    let shop = Shop::open();
    shop.film("a", 1);
    let ran = shop.get_as("a", &shop.without_keys()).run();
    shop.expect(&ran, 4, "denied");
    assert!(ran.stderr.contains("no credentials"), "{}", ran.stderr);
}

#[test]
fn a_clock_that_is_wrong_is_corrected_from_the_store() {
    for offset_ms in [-3 * 3_600_000_i64, 26 * 3_600_000] {
        for version in ["v1", "v4"] {
            let shop = Shop::with(|builder| builder.clock_offset_ms(offset_ms));
            let content = shop.film("a", 1);
            let ran = shop.get("a").alone().args(["--signature-version", version]).run();
            assert_eq!(ran.code(), 0, "{offset_ms} {version}: {}", ran.report(&shop.bench));
            shop.bench.assert_published(&content, &ran);
            let refused = shop.log().iter().filter(|line| line.contains("RequestTimeTooSkewed")).count();
            assert_eq!(refused, 1, "{version}: {}", shop.log().join("\n"));
        }
    }
}

#[test]
fn the_log_for_people_shows_no_secret() {
    let shop = Shop::open();
    shop.film("a", 1);
    let env = shop.temporary_keys(900, None);
    let ran = shop.get_as("a", &env).args(["-vvv"]).run();
    shop.expect(&ran, 0, "crc64");
    assert!(ran.stderr.contains("request 2 asks for"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("Signature="), "{}", ran.stderr);
    shop.assert_no_secret(&ran, &env);
}

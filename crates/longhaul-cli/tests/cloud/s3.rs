//! `s3://`: the same, signed in the other vendor's way. Against an origin that does not check signatures; that they are
//! right is shown by Ceph (`scripts/servers/ceph-rgw`) and by the published examples.

use base64::Engine as _;
use longhaul_devstore::{Fault, Object, Seen};

use crate::common::{Bench, HALF, SIZE};

pub(crate) fn env(bench: &Bench) -> Vec<(String, String)> {
    let home = bench.root().join("home");
    std::fs::create_dir_all(home.join(".aws")).unwrap();
    let keys = "aws_access_key_id = AKID\naws_secret_access_key = hush-secret\naws_session_token = hush-token\n";
    let config = format!("[profile films]\nregion = eu-test-1\nendpoint_url = {}\n{keys}", bench.origin.url(""));
    std::fs::write(home.join(".aws/config"), config).unwrap();
    [("HOME", home.to_str().unwrap()), ("AWS_PROFILE", "films"), ("AWS_EC2_METADATA_DISABLED", "true")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

fn signed(seen: &Seen) -> bool {
    let header = |name: &str| seen.headers.get(name).map(str::to_owned).unwrap_or_default();
    let authorization = header("authorization");
    authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKID/")
        && authorization.contains("/eu-test-1/s3/aws4_request")
        && header("x-amz-security-token") == "hush-token"
}

#[test]
fn an_object_of_s3_is_signed_by_the_profile_and_gone_on_with() {
    let bench = Bench::new();
    let object = Object::seeded(1, SIZE);
    let content = object.content.clone();
    bench.origin.put("/films/dir/a", object);
    let env = env(&bench);
    bench.origin.script("/films/dir/a", vec![Fault::Cut { after: HALF }]);
    let ran = bench.get_url("s3://films/dir/a").envs(&env).alone().retries(0).run();
    ran.expect(&bench, 10, "network, kept");
    let ran = bench.get_url("s3://films/dir/a").envs(&env).alone().run();
    ran.expect(&bench, 0, "validator, resumed");
    bench.assert_published(&content, &ran);
    let log = bench.origin.log();
    assert!(log.len() >= 2 && log.iter().all(signed), "{}", crate::common::requests(&log));
    for path in crate::common::tree(&bench.state()).into_iter().filter(|path| path.is_file()) {
        assert!(!String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains("hush"), "{}", path.display());
    }
}

#[test]
fn what_s3_refuses_has_the_same_exit_codes() {
    let bench = Bench::new();
    let env = env(&bench);
    let refusal = |status: u16, code: &str| {
        let body = format!("<Error><Code>{code}</Code><Message>no</Message><RequestId>R</RequestId></Error>");
        longhaul_devstore::Answer::status(status).body("application/xml", body)
    };
    for (status, code, exit) in [
        (404, "NoSuchKey", 3),
        (404, "NoSuchBucket", 3),
        (403, "AccessDenied", 4),
        (403, "InvalidAccessKeyId", 4),
        (400, "ExpiredToken", 4),
    ] {
        let path = format!("/films/{code}");
        bench.origin.put(&path, Object::seeded(1, 10));
        bench.origin.on(&path, move |_, _| refusal(status, code));
        let ran = bench.get_url(format!("s3://films/{code}")).envs(&env).run();
        assert_eq!(ran.code(), exit, "{code}: {}", ran.report(&bench));
        assert!(ran.stderr.contains(code) && !ran.stderr.contains("hush"), "{code}: {}", ran.stderr);
    }
}

/// Whatever shape the store gives it in; and none of its text makes a terminal show what is not there.
#[test]
fn a_message_that_repeats_a_secret_or_commands_the_terminal_is_told_without_them() {
    let bench = Bench::new();
    let env = env(&bench);
    let encoded = base64::engine::general_purpose::STANDARD.encode("hush-secret");
    let message = format!(
        "signed with hush-secret, with hush%2Dtoken, with {encoded}; \u{202e}gpj.exe\u{2066} \u{200f}\u{61c} x\u{2028}y\u{2029}z\u{85}\n\
         longhaul: done"
    );
    let body = format!("<Error><Code>Access\u{202e}Denied</Code><Message>{message}</Message></Error>");
    bench.origin.put("/films/a", Object::seeded(1, 10));
    bench
        .origin
        .on("/films/a", move |_, _| longhaul_devstore::Answer::status(403).body("application/xml", body.clone()));
    for plain in [false, true] {
        let get = bench.get_url("s3://films/a").envs(&env).arg("-vvvv");
        let ran = if plain { get.plain() } else { get }.run();
        assert_eq!(ran.code(), 4, "{}", ran.report(&bench));
        assert!(ran.stderr.contains("signed with [secret], with [secret], with [secret]; "), "{}", ran.stderr);
        for text in [&ran.stdout, &ran.stderr] {
            for secret in ["hush", &encoded] {
                assert!(!text.contains(secret), "{text}");
            }
            let obeyed = |c: char| c != '\n' && longhaul::source::is_deceptive(c);
            assert!(!text.contains(obeyed), "{text:?}");
        }
        assert!(!ran.stderr.lines().any(|line| line.starts_with("longhaul: done")), "{}", ran.stderr);
    }
}

//! AssumeRole: temporary keys for clients that ask STS for them, at the store's own address.

use serde_json::Value;

use crate::client::{Bench, Heard};
use crate::signed::{Signer, hmac_sha1};

const ROLE: &str = "acs:ram::1234567890123456:role/uploader";

fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// The parameters of a request of version 1.0, signed, in a query.
fn signed(signer: &Signer, method: &str, time: &str, params: &[(&str, &str)]) -> String {
    let mut all: Vec<(String, String)> = [
        ("AccessKeyId", signer.id.as_str()),
        ("Action", "AssumeRole"),
        ("Format", "JSON"),
        ("SignatureMethod", "HMAC-SHA1"),
        ("SignatureNonce", "1"),
        ("SignatureVersion", "1.0"),
        ("Timestamp", time),
        ("Version", "2015-04-01"),
    ]
    .iter()
    .filter(|(name, _)| params.iter().all(|(other, _)| other != name))
    .chain(params)
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
    .collect();
    all.extend(signer.token.iter().map(|token| ("SecurityToken".to_owned(), token.clone())));
    all.sort();
    let query =
        all.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&");
    let text = format!("{method}&%2F&{}", encode(&query));
    format!("{query}&Signature={}", encode(&hmac_sha1(&format!("{}&", signer.secret), &text)))
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Asks by GET with the usual role and session, and these parameters instead of or beside them.
fn assume(bench: &Bench, signer: &Signer, params: &[(&str, &str)]) -> Heard {
    let mut all = params.to_vec();
    for (name, value) in [("RoleArn", ROLE), ("RoleSessionName", "app-1")] {
        if params.iter().all(|(other, _)| *other != name) {
            all.push((name, value));
        }
    }
    bench.ask(&format!("GET /?{}", signed(signer, "GET", &now(), &all)), "", b"")
}

fn granted(heard: &Heard) -> Signer {
    assert_eq!(heard.status, 200, "{}", heard.text());
    let answer: Value = serde_json::from_slice(&heard.body).unwrap();
    let text = |name: &str| answer["Credentials"][name].as_str().unwrap().to_owned();
    Signer { id: text("AccessKeyId"), secret: text("AccessKeySecret"), token: Some(text("SecurityToken")) }
}

/// Status and code.
fn said(heard: &Heard) -> String {
    let answer: Value = serde_json::from_slice(&heard.body).unwrap_or_default();
    format!("{} {}", heard.status, answer["Code"].as_str().unwrap_or_default())
}

#[test]
fn a_role_gives_a_key_that_the_store_takes_until_it_ends() {
    let mut bench = Bench::with(|builder| builder.anonymous(false));
    let owner = Signer::owner(&bench);
    let heard = assume(&bench, &owner, &[("DurationSeconds", "900")]);
    let answer: Value = serde_json::from_slice(&heard.body).unwrap();
    assert_eq!(answer["AssumedRoleUser"]["Arn"], format!("{ROLE}/app-1"));
    assert!(answer["AssumedRoleUser"]["AssumedRoleId"].as_str().unwrap().ends_with(":app-1"));
    let expiration: jiff::Timestamp = answer["Credentials"]["Expiration"].as_str().unwrap().parse().unwrap();
    let left = expiration.as_second() - jiff::Timestamp::now().as_second();
    assert!((700..=900).contains(&left), "{left}");
    let guest = granted(&heard);
    assert!(guest.id.starts_with("STS."));
    assert_eq!(guest.ask(&bench, "PUT /films/k", "", b"abc").status, 200);
    assert_eq!(guest.ask(&bench, "GET /films/k", "", b"").text(), "abc");
    let without = Signer { token: None, ..guest.clone() };
    assert_eq!(without.ask(&bench, "GET /films/k", "", b"").said(), "403 InvalidAccessKeyId");
    // It outlives the store's process, and not its time.
    bench.server = None;
    bench.server = Some(longhaul_devstore::oss::Builder::new(bench.folder.path()).start().unwrap());
    assert_eq!(guest.ask(&bench, "GET /films/k", "", b"").text(), "abc");
    bench.server().set_clock_offset_ms(901_000);
    let heard = guest.ask(&bench, "GET /films/k", "", b"");
    assert_eq!(heard.said(), "403 SecurityTokenExpired", "and the signature is within its 15 minutes");
}

#[test]
fn the_policy_of_a_request_narrows_the_role_down() {
    let bench = Bench::with(|builder| builder.anonymous(false));
    let owner = Signer::owner(&bench);
    assert_eq!(owner.ask(&bench, "PUT /films/up/k", "", b"abc").status, 200);
    let policy = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:GetObject","Resource":"acs:oss:*:*:films/up/*"}]}"#;
    let guest = granted(&assume(&bench, &owner, &[("Policy", policy)]));
    assert_eq!(guest.ask(&bench, "GET /films/up/k", "", b"").text(), "abc");
    assert_eq!(guest.ask(&bench, "PUT /films/up/k", "", b"").said(), "403 AccessDenied");
    assert_eq!(guest.ask(&bench, "GET /films/k", "", b"").said(), "403 AccessDenied");
    // Nor can it take a role that may more; a key that may, can.
    assert_eq!(said(&assume(&bench, &guest, &[])), "403 NoPermission");
    let policy = format!(r#"{{"Statement":[{{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"{ROLE}"}}]}}"#);
    let (id, secret) = bench.server().add_key(Some(&policy)).unwrap();
    let user = Signer { id, secret, token: None };
    assert_eq!(user.ask(&bench, "GET /films/up/k", "", b"").said(), "403 AccessDenied");
    let guest = granted(&assume(&bench, &user, &[]));
    assert_eq!(guest.ask(&bench, "GET /films/up/k", "", b"").text(), "abc");
    assert_eq!(said(&assume(&bench, &user, &[("RoleArn", "acs:ram::1:role/other")])), "403 NoPermission");
    // Temporary keys can take a role in their turn, with their token.
    granted(&assume(&bench, &guest, &[]));
    assert_eq!(said(&assume(&bench, &Signer { token: None, ..guest.clone() }, &[])), "400 MissingSecurityToken");
    let other = Signer { token: Some("another".to_owned()), ..guest };
    assert_eq!(said(&assume(&bench, &other, &[])), "400 InvalidSecurityToken.MismatchWithAccessKey");
}

#[test]
fn parameters_come_in_a_query_or_in_a_form_and_the_answer_in_json_or_xml() {
    let bench = Bench::with(|builder| builder.anonymous(false));
    let owner = Signer::owner(&bench);
    let usual = [("RoleArn", ROLE), ("RoleSessionName", "app-1")];
    let form = "Content-Type: application/x-www-form-urlencoded";
    let body = signed(&owner, "POST", &now(), &usual);
    let heard = bench.ask("POST /", form, body.as_bytes());
    assert_eq!(granted(&heard).ask(&bench, "PUT /films/k", "", b"abc").status, 200);
    // A plus in a form is a space, and a name cannot have one.
    let spaced = signed(&owner, "POST", &now(), &[("RoleArn", ROLE), ("RoleSessionName", "a b")]).replace("%20", "+");
    assert_eq!(said(&bench.ask("POST /", form, spaced.as_bytes())), "400 InvalidParameter.RoleSessionName");
    // A body of chunks, and half of the parameters in the query.
    let (half, rest) = body.split_at(body.find("&Signature=").unwrap());
    let chunk = format!("{:x}\r\n{}\r\n0\r\n\r\n", rest.len() - 1, &rest[1..]);
    let heard = bench.ask(&format!("POST /?{half}"), &format!("{form}\nTransfer-Encoding: chunked"), chunk.as_bytes());
    assert_eq!(heard.status, 200, "{}", heard.text());
    let mut xml = usual.to_vec();
    xml.push(("Format", "XML"));
    let heard = bench.ask(&format!("GET /?{}", signed(&owner, "GET", &now(), &xml)), "Host: sts.aliyuncs.com", b"");
    assert_eq!((heard.status, heard.header("Content-Type")), (200, Some("text/xml;charset=utf-8")), "{}", heard.text());
    assert!(heard.text().contains("<AssumeRoleResponse>") && heard.element("AccessKeyId").starts_with("STS."));
    xml.pop();
    xml.push(("Format", ""));
    xml.push(("RoleArn", ""));
    let heard = bench.ask(&format!("GET /?{}", signed(&owner, "GET", &now(), &xml[1..])), "", b"");
    assert_eq!(
        (heard.said().as_str(), heard.element("Message").as_str()),
        ("400 MissingRoleArn", "RoleArn is mandatory for this action.")
    );
    // What OSS asks at that address is not taken for it.
    assert_eq!(owner.ask(&bench, "GET /", "", b"").element("Name"), "films");
}

#[test]
fn what_is_wrong_is_said_in_the_codes_of_sts() {
    let bench = Bench::with(|builder| builder.anonymous(false));
    let owner = Signer::owner(&bench);
    for (name, value, code) in [
        ("RoleArn", "", "400 MissingRoleArn"),
        ("RoleArn", "acs:ram::1:user/a", "400 InvalidParameter.RoleArn"),
        ("RoleSessionName", "", "400 MissingRoleSessionName"),
        ("RoleSessionName", "a", "400 InvalidParameter.RoleSessionName"),
        ("RoleSessionName", "a*b", "400 InvalidParameter.RoleSessionName"),
        ("DurationSeconds", "899", "400 InvalidParameter.DurationSeconds"),
        ("DurationSeconds", "43201", "400 InvalidParameter.DurationSeconds"),
        ("DurationSeconds", "x", "400 InvalidParameter.DurationSeconds"),
        ("Policy", "{", "400 InvalidParameter.PolicyGrammar"),
        ("Action", "GetCallerIdentity", "404 InvalidAction.NotFound"),
        ("Version", "2014-01-01", "400 InvalidVersion"),
        ("Version", "", "400 MissingVersion"),
        ("SignatureMethod", "HMAC-SHA256", "400 UnsupportedSignatureMethod"),
        ("Timestamp", "now", "400 InvalidTimeStamp.Format"),
        ("Timestamp", "2020-01-01T00:00:00Z", "400 InvalidTimeStamp.Expired"),
    ] {
        let heard = assume(&bench, &owner, &[(name, value)]);
        assert_eq!(said(&heard), code, "{name}={value}");
        assert!(heard.text().contains("\"RequestId\"") && heard.text().contains("\"HostId\""), "{}", heard.text());
    }
    let unknown = Signer { id: "LTAIunknown".to_owned(), ..owner.clone() };
    assert_eq!(said(&assume(&bench, &unknown, &[])), "404 InvalidAccessKeyId.NotFound");
    let wrong = Signer { secret: "wrong".to_owned(), ..owner.clone() };
    let heard = assume(&bench, &wrong, &[]);
    assert_eq!(said(&heard), "400 SignatureDoesNotMatch");
    assert!(heard.text().contains("server string to sign is:GET&%2F&AccessKeyId%3D"), "{}", heard.text());
    // No request was logged with what it can be repeated by, and every one of them is.
    let log = bench.log(17);
    for line in &log {
        assert_eq!(line["op"], "AssumeRole");
        let target = line["target"].as_str().unwrap();
        assert!(target.contains("&Signature=***") && !target.contains("Signature=%"), "{target}");
    }
    // Faults strike it, and are told in its own form.
    bench.server().fault("kind=status status=503 op=AssumeRole times=1").unwrap();
    assert_eq!(said(&assume(&bench, &owner, &[])), "503 ServiceUnavailable");
    bench.server().fault("kind=lose-answer op=AssumeRole times=1").unwrap();
    let query = signed(&owner, "GET", &now(), &[("RoleArn", ROLE), ("RoleSessionName", "app-1")]);
    assert!(bench.try_ask(&format!("GET /?{query}"), "", b"").is_none());
    bench.server().set_clock_offset_ms(-3_600_000);
    assert_eq!(said(&assume(&bench, &owner, &[])), "400 InvalidTimeStamp.Expired");
}

#[test]
fn a_store_without_signatures_asks_sts_for_none() {
    let bench = Bench::new();
    let query =
        format!("Action=AssumeRole&Version=2015-04-01&Format=JSON&RoleSessionName=app-1&RoleArn={}", encode(ROLE));
    granted(&bench.ask(&format!("GET /?{query}"), "", b""));
    assert_eq!(
        said(&bench.ask(&format!("GET /?{}", query.replace("uploader", "")), "", b"")),
        "400 InvalidParameter.RoleArn"
    );
}

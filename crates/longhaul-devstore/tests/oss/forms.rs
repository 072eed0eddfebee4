//! PostObject: what the form of a browser may do, and what it may not.

use std::io::Write;

use longhaul_devstore::Content;

use crate::client::{Bench, Heard, connect, hear};
use crate::signed::Signer;

type Fields = Vec<(String, String)>;

fn fields(pairs: &[(&str, &str)]) -> Fields {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The body of a form with the boundary `B`; its file is `a b.txt`.
fn form(fields: &[(String, String)], file: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        let head = format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(head.as_bytes());
    }
    let head = "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a b.txt\"\r\nContent-Type: text/plain\r\n\r\n";
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(file);
    body.extend_from_slice(b"\r\n--B\r\nContent-Disposition: form-data; name=\"submit\"\r\n\r\nUpload\r\n--B--\r\n");
    body
}

const TYPE: &str = "Content-Type: multipart/form-data; boundary=B";

fn post(bench: &Bench, fields: &[(String, String)], file: &[u8]) -> Heard {
    bench.ask("POST /films/", TYPE, &form(fields, file))
}

const LATER: &str = "2099-01-01T00:00:00.000Z";

fn policy(conditions: &str) -> String {
    format!(r#"{{"expiration":"{LATER}","conditions":[{conditions}]}}"#)
}

#[test]
fn a_form_makes_an_object_with_all_that_its_fields_say() {
    let bench = Bench::new();
    let file = Content::seeded(1, 300_000);
    let said = fields(&[
        ("key", "dir/${filename}"),
        ("x-oss-meta-Colour", "green"),
        ("Content-Disposition", "inline"),
        ("Cache-Control", "no-cache"),
        ("x-oss-storage-class", "IA"),
    ]);
    let heard = post(&bench, &said, &file.to_vec());
    assert_eq!((heard.status, heard.body.len()), (204, 0), "{}", heard.text());
    assert_eq!(heard.header("ETag").unwrap(), format!("\"{}\"", file.md5().to_uppercase()));
    assert_eq!(heard.header("x-oss-hash-crc64ecma").unwrap(), file.crc64_header());
    let got = bench.get("dir/a%20b.txt");
    assert!(got.body == file.to_vec());
    for (name, value) in [
        ("x-oss-meta-colour", "green"),
        ("Content-Disposition", "inline"),
        ("Cache-Control", "no-cache"),
        ("Content-Type", "text/plain"),
        ("x-oss-storage-class", "IA"),
        ("x-oss-object-type", "Normal"),
    ] {
        assert_eq!(got.header(name), Some(value), "{name}");
    }
    // The type that a field gives counts more than the file's own; a bucket may be named by its host.
    let said = fields(&[("key", "typed"), ("Content-Type", "a/b")]);
    let heard = bench.ask("POST /", &format!("Host: films.localhost\n{TYPE}"), &form(&said, b"x"));
    assert_eq!((heard.status, bench.get("typed").header("Content-Type").unwrap().to_owned()), (204, "a/b".to_owned()));
    let log = bench.log(4);
    assert_eq!((log[0]["op"].as_str(), log[0]["key"].as_str()), (Some("PostObject"), Some("dir/a b.txt")));
}

#[test]
fn the_answer_is_what_the_form_wants_to_see() {
    let bench = Bench::new();
    for (status, answered) in [("200", 200), ("201", 201), ("204", 204), ("500", 204), ("", 204)] {
        let heard = post(&bench, &fields(&[("key", "a&b<c"), ("success_action_status", status)]), b"abc");
        assert_eq!(heard.status, answered, "{status}");
        if answered == 201 {
            assert_eq!(
                (heard.element("Bucket"), heard.element("Key")),
                ("films".to_owned(), "a&amp;b&lt;c".to_owned())
            );
            let location = format!("{}/films/a%26b%3Cc", bench.server().endpoint());
            assert_eq!(
                (heard.element("Location"), heard.header("Location").unwrap().to_owned()),
                (location.clone(), location)
            );
            assert!(heard.element("ETag").contains("900150983CD24FB0D6963F7D28E17F72"));
        } else {
            assert!(heard.body.is_empty());
        }
    }
    let redirect = |url: &str| {
        let said = fields(&[("key", "a&b"), ("success_action_status", "201"), ("success_action_redirect", url)]);
        let heard = post(&bench, &said, b"abc");
        (heard.status, heard.header("Location").map(str::to_owned))
    };
    let told = "bucket=films&key=a%26b&etag=%22900150983CD24FB0D6963F7D28E17F72%22";
    assert_eq!(redirect("http://app.test/done"), (303, Some(format!("http://app.test/done?{told}"))));
    assert_eq!(redirect("https://app.test/?x=1#top"), (303, Some(format!("https://app.test/?x=1&{told}#top"))));
    for url in ["javascript:alert(1)", "http://app.test/\r\nSet-Cookie: a=b", "//app.test"] {
        assert_eq!(redirect(url).0, 201, "{url}: no address to lead a browser to");
    }
}

#[test]
fn a_signed_form_is_taken_in_both_versions_and_a_forged_one_is_not() {
    let bench = Bench::with(|builder| builder.anonymous(false));
    let owner = Signer::owner(&bench);
    let date = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let v4 = |more: &str| policy(&format!("{}{more}", owner.v4_conditions(&date)));
    let open = r#"["starts-with","$key",""]"#;
    let with_key = |mut fields: Fields, key: &str| {
        fields.push(("key".to_owned(), key.to_owned()));
        fields
    };
    for signed in [owner.form_v1(&policy(open)), owner.form_v4(&v4(open), &date)] {
        let heard = post(&bench, &with_key(signed.clone(), "signed"), b"abc");
        assert_eq!(heard.status, 204, "{}", heard.text());
        assert_eq!(owner.ask(&bench, "GET /films/signed", "", b"").text(), "abc");
        // Each field of the proof, changed or left out.
        for at in 0..signed.len() {
            let name = signed[at].0.as_str();
            let mut changed = signed.clone();
            let last = changed[at].1.pop().unwrap();
            changed[at].1.push(if last == 'A' { 'B' } else { 'A' });
            let said = post(&bench, &with_key(changed, "forged"), b"abc").said();
            assert!(said.starts_with('4'), "{name} changed: {said}");
            if name.to_ascii_lowercase().ends_with("signature") {
                assert_eq!(said, "403 SignatureDoesNotMatch", "{name} changed");
            }
            let mut without = signed.clone();
            without.remove(at);
            let said = post(&bench, &with_key(without, "forged"), b"abc").said();
            assert_eq!(said, "400 InvalidArgument", "without {name}");
        }
    }
    let other = Signer { secret: "wrong".to_owned(), ..owner.clone() };
    let heard = post(&bench, &with_key(other.form_v1(&policy(open)), "forged"), b"abc");
    assert_eq!((heard.said().as_str(), heard.element("EC").as_str()), ("403 SignatureDoesNotMatch", "0002-00000705"));
    let unknown = Signer { id: "LTAIunknown".to_owned(), ..owner.clone() };
    let heard = post(&bench, &with_key(unknown.form_v1(&policy(open)), "forged"), b"abc");
    assert_eq!(heard.said(), "403 InvalidAccessKeyId");
    // Without any proof it is anybody's form.
    assert_eq!(post(&bench, &fields(&[("key", "forged")]), b"abc").said(), "403 AccessDenied");
    // Version 4 wants its fields in the policy, or another date could be put beside the signature.
    let heard = post(&bench, &with_key(owner.form_v4(&policy(open), &date), "forged"), b"abc");
    assert_eq!((heard.said().as_str(), heard.element("EC").as_str()), ("403 AccessDenied", "0006-00000228"));
    assert_eq!(owner.ask(&bench, "GET /films/forged", "", b"").said(), "404 NoSuchKey");
    assert_eq!(owner.ask(&bench, "PUT /films?acl", "x-oss-acl: public-read-write", b"").status, 200);
    assert_eq!(post(&bench, &fields(&[("key", "anybody's")]), b"abc").status, 204);
}

#[test]
fn a_form_with_a_temporary_key_ends_with_its_token() {
    let bench = Bench::with(|builder| builder.anonymous(false));
    let made: serde_json::Value =
        serde_json::from_slice(&bench.admin("POST", "/sts", r#"{"seconds":900}"#).body).unwrap();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    let guest =
        Signer { id: text("access_key_id"), secret: text("access_key_secret"), token: Some(text("security_token")) };
    let signed = |signer: &Signer| {
        let mut fields = signer.form_v1(&policy(r#"["starts-with","$key","a"]"#));
        fields.push(("key".to_owned(), "a".to_owned()));
        post(&bench, &fields, b"abc")
    };
    assert_eq!(signed(&guest).status, 204);
    let without = Signer { token: None, ..guest.clone() };
    assert_eq!(signed(&without).said(), "403 InvalidAccessKeyId");
    let other = Signer { token: Some("another".to_owned()), ..guest.clone() };
    assert_eq!(signed(&other).said(), "403 InvalidSecurityToken");
    bench.server().set_clock_offset_ms(901_000);
    assert_eq!(signed(&guest).said(), "403 SecurityTokenExpired");
}

#[test]
fn a_policy_is_kept_to_and_says_what_was_not_met() {
    let bench = Bench::new();
    let try_form = |policy: &str, more: &[(&str, &str)], file: &[u8]| {
        use base64::Engine as _;
        let mut said = fields(&[("key", "up/${filename}"), ("success_action_status", "200"), ("Content-Type", "a/b")]);
        said.extend(fields(more));
        said.push(("policy".to_owned(), base64::engine::general_purpose::STANDARD.encode(policy)));
        post(&bench, &said, file)
    };
    for conditions in [
        r#"{"bucket":"films"}"#,
        r#"{"key":"up/${filename}"},["eq","$success_action_status","200"]"#,
        r#"["starts-with","$KEY","up/"],["content-length-range",3,3]"#,
        r#"["in","$content-type",["x/y","a/b"]],["not-in","$success_action_status",["201"]]"#,
        r#"["eq","x-oss-meta-a","b"]"#,
    ] {
        let heard = try_form(&policy(conditions), &[("x-oss-meta-a", "b")], b"abc");
        assert_eq!(heard.status, 200, "{conditions}: {}", heard.text());
    }
    for (conditions, said, message) in [
        (r#"{"bucket":"other"}"#, "403 AccessDenied", r#"["eq", "$bucket", "other"]"#),
        (r#"["starts-with","$key","up/a"]"#, "403 AccessDenied", r#"["starts-with", "$key", "up/a"]"#),
        (r#"["in","$content-type",["x/y"]]"#, "403 AccessDenied", r#"["in", "$content-type", ["x/y"]]"#),
        (r#"["not-in","$content-type",["a/b"]]"#, "403 AccessDenied", r#"["not-in", "$content-type", ["a/b"]]"#),
        (r#"["eq","$x-oss-meta-a","B"]"#, "403 AccessDenied", r#"["eq", "$x-oss-meta-a", "B"]"#),
        (r#"["eq","$x-oss-meta-none",""]"#, "403 AccessDenied", "x-oss-meta-none"),
        (r#"["content-length-range",4,9]"#, "400 EntityTooSmall", "smaller"),
        (r#"["content-length-range",0,2]"#, "400 EntityTooLarge", "exceeds"),
        (r#"["content-length-range",9,4]"#, "400 InvalidPolicyDocument", "content-length-range"),
    ] {
        let heard = try_form(&policy(conditions), &[("x-oss-meta-a", "b")], b"abc");
        assert_eq!(heard.said(), said, "{conditions}");
        let shown = heard.element("Message").replace("&quot;", "\"");
        assert!(shown.contains(message), "{conditions}: {shown}");
    }
    let heard = try_form(r#"{"expiration":"2020-01-01T00:00:00Z","conditions":[{"bucket":"films"}]}"#, &[], b"abc");
    assert_eq!((heard.said().as_str(), heard.element("EC").as_str()), ("403 AccessDenied", "0006-00000213"));
    // The store's clock counts.
    bench.server().set_clock_offset_ms(80 * 365 * 24 * 3600 * 1000);
    assert_eq!(try_form(&policy(r#"{"bucket":"films"}"#), &[], b"abc").said(), "403 AccessDenied");
    bench.server().set_clock_offset_ms(0);
    assert_eq!(bench.admin("POST", "/variants", r#"{"form-fields":"all"}"#).status, 200);
    let heard = try_form(&policy(r#"["starts-with","$key",""],{"success_action_status":"200"}"#), &[], b"abc");
    assert_eq!(heard.element("Message"), "Invalid according to Policy: Extra input fields: content-type");
    let data = bench.folder.path().join("buckets/films/data");
    assert_eq!(std::fs::read_dir(data).unwrap().count(), 1, "what was refused left no file");
}

#[test]
fn what_is_no_form_is_refused_in_the_services_words() {
    let bench = Bench::new();
    let said = fields(&[("key", "k")]);
    let whole = form(&said, b"abc");
    let cut = &whole[..whole.len() - 100];
    for (line, content_type, body, code) in [
        ("POST /films", "Content-Type: text/plain", &whole[..], "400 MalformedPOSTRequest"),
        ("POST /films", "Content-Type: multipart/form-data", &whole, "400 MalformedPOSTRequest"),
        ("POST /films", TYPE, cut, "400 MalformedPOSTRequest"),
        ("POST /films", TYPE, b"", "400 MalformedPOSTRequest"),
        ("POST /films", TYPE, &form(&[], b"abc"), "400 InvalidArgument"),
        ("POST /films", TYPE, &form(&fields(&[("key", "")]), b"abc"), "400 InvalidArgument"),
        ("POST /films", TYPE, &form(&fields(&[("key", &"k".repeat(1024))]), b"abc"), "400 InvalidObjectName"),
        ("POST /films", TYPE, b"--B--\r\n", "400 IncorrectNumberOfFilesInPOSTRequest"),
        ("POST /nowhere", TYPE, &whole, "404 NoSuchBucket"),
        (
            "POST /films",
            TYPE,
            &form(&fields(&[("key", "k"), ("x-oss-storage-class", "Best")]), b""),
            "400 InvalidArgument",
        ),
        ("POST /films", TYPE, &form(&fields(&[("key", "k"), ("callback", "?")]), b""), "400 InvalidArgument"),
    ] {
        assert_eq!(bench.ask(line, content_type, body).said(), code, "{line} {content_type}");
    }
    assert_eq!(post(&bench, &said, b"before").status, 204);
    let mut keeping = said.clone();
    keeping.push(("x-oss-forbid-overwrite".to_owned(), "true".to_owned()));
    assert_eq!(post(&bench, &keeping, b"after").said(), "409 FileAlreadyExists");
    assert_eq!(bench.get("k").text(), "before");
    let mut stream = connect(bench.server().address());
    write!(stream, "POST /films HTTP/1.1\r\nHost: 127.0.0.1\r\n{TYPE}\r\n\r\n").unwrap();
    assert_eq!(hear(stream, false).unwrap().said(), "411 MissingContentLength");
}

#[test]
fn faults_strike_a_form_where_they_strike_a_put() {
    let bench = Bench::new();
    let said = fields(&[("key", "k")]);
    for (rule, answered) in [
        ("kind=status status=503 op=PostObject key=k times=1", Some("503 ServiceUnavailable")),
        ("kind=status status=503 op=PutObject times=1", Some("204")),
        ("kind=cut-upload after=10 op=PostObject times=1", None),
        ("kind=cut-upload after=100000 op=PostObject times=1", None),
        ("kind=lose-answer op=PostObject times=1", None),
    ] {
        bench.server().clear_faults();
        bench.server().fault(rule).unwrap();
        let heard = bench.try_ask("POST /films", TYPE, &form(&said, &[7; 200_000]));
        assert_eq!(heard.map(|heard| heard.said()).as_deref(), answered, "{rule}");
    }
    bench.server().clear_faults();
    // Counted from the first byte of the file, as in a PUT.
    bench.server().fault("kind=flip-upload offset=2 op=PostObject times=1").unwrap();
    assert_eq!(post(&bench, &said, b"\0\0\0\0").status, 204);
    assert_eq!(bench.get("k").body, [0, 0, 1, 0]);
}

#[test]
fn a_form_with_a_callback_is_answered_by_the_application() {
    use base64::Engine as _;
    use std::io::Read;
    let bench = Bench::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/called", listener.local_addr().unwrap());
    let application = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = String::new();
        let mut piece = [0; 1024];
        while !heard.ends_with("END") {
            let count = stream.read(&mut piece).unwrap();
            assert!(count > 0, "{heard}");
            heard.push_str(std::str::from_utf8(&piece[..count]).unwrap());
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{\"a\": 1}").unwrap();
        heard
    });
    let body = "k=${object}&s=${size}&v=${x:who}&op=${operation}&END";
    let callback = serde_json::json!({ "callbackUrl": url, "callbackBody": body }).to_string();
    let callback = base64::engine::general_purpose::STANDARD.encode(callback);
    let said = fields(&[
        ("key", "k"),
        ("callback", &callback),
        ("x:who", "me"),
        ("success_action_redirect", "http://app.test/"),
    ]);
    let heard = post(&bench, &said, b"abc");
    assert_eq!((heard.status, heard.text().as_str(), heard.header("Location")), (200, "{\"a\": 1}", None));
    assert!(application.join().unwrap().ends_with("\r\n\r\nk=k&s=3&v=me&op=PostObject&END"));
}

//! Tags, ACLs and what is said about encryption: of objects, however they were made.

use crate::client::{Bench, Heard};
use crate::signed::Signer;

const TAGS: &str =
    "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag><Tag><Key>b c</Key><Value/></Tag></TagSet></Tagging>";

/// The tags of a document as `a=1,b c=`.
fn tags(heard: &Heard) -> String {
    let text = heard.text();
    assert_eq!(heard.status, 200, "{text}");
    text.split("<Tag><Key>")
        .skip(1)
        .map(|tag| tag.replace("</Key><Value>", "=").split("</Value>").next().unwrap().to_owned())
        .collect::<Vec<_>>()
        .join(",")
}

fn tags_of(bench: &Bench, key: &str) -> String {
    let found = tags(&bench.ask(&format!("GET /films/{key}?tagging"), "", b""));
    let count = if found.is_empty() { None } else { Some(found.split(',').count().to_string()) };
    for method in ["GET", "HEAD"] {
        let heard = bench.ask(&format!("{method} /films/{key}"), "", b"");
        assert_eq!(heard.header("x-oss-tagging-count").map(str::to_owned), count, "{method} {key}");
    }
    found
}

#[test]
fn tags_are_put_got_and_deleted_and_change_nothing_else() {
    let mut bench = Bench::new();
    let etag = bench.put("k", b"abc").header("ETag").unwrap().to_owned();
    assert_eq!(tags_of(&bench, "k"), "");
    let before = bench.get("k");
    assert_eq!(bench.ask("PUT /films/k?tagging", "", TAGS.as_bytes()).status, 200);
    assert_eq!(tags_of(&bench, "k"), "a=1,b c=");
    bench.restart();
    assert_eq!(tags_of(&bench, "k"), "a=1,b c=");
    let after = bench.get("k");
    assert_eq!((after.text().as_str(), after.header("ETag")), ("abc", Some(etag.as_str())));
    assert_eq!(after.header("Last-Modified"), before.header("Last-Modified"));
    assert_eq!(bench.ask("DELETE /films/k?tagging", "", b"").status, 204);
    assert_eq!(tags_of(&bench, "k"), "");
    for (line, document, said) in [
        ("PUT /films/none?tagging", TAGS, "404 NoSuchKey"),
        ("GET /films/none?tagging", "", "404 NoSuchKey"),
        ("DELETE /films/none?tagging", "", "404 NoSuchKey"),
        ("PUT /nowhere/k?tagging", TAGS, "404 NoSuchBucket"),
        ("PUT /films/k?tagging", "<Tagging/>", "400 MalformedXML"),
        ("PUT /films/k?tagging", &TAGS.replace("b c", "a"), "400 InvalidTag"),
        ("PUT /films?tagging", TAGS, "501 NotImplemented"),
    ] {
        assert_eq!(bench.ask(line, "", document.as_bytes()).said(), said, "{line}");
    }
    // An object that is put anew has the tags that are said then.
    assert_eq!(bench.ask("PUT /films/k", "x-oss-tagging: x=y", b"").status, 200);
    bench.put("k", b"");
    assert_eq!(tags_of(&bench, "k"), "");
}

#[test]
fn every_way_to_make_an_object_takes_tags_an_acl_and_encryption() {
    let mut bench = Bench::new();
    let fields = "x-oss-tagging: a=1&b%20c=%2B\nx-oss-object-acl: public-read\nx-oss-server-side-encryption: AES256";
    let said = |heard: Heard| {
        assert_eq!(
            (heard.status, heard.header("x-oss-server-side-encryption")),
            (200, Some("AES256")),
            "{}",
            heard.text()
        );
        heard
    };
    said(bench.ask("PUT /films/put", fields, b"abc"));
    said(bench.ask("POST /films/append?append&position=0", fields, b"abc"));
    said(bench.ask("POST /films/append?append&position=3", "", b"def"));
    let upload = said(bench.ask("POST /films/parts?uploads", fields, b"")).element("UploadId");
    bench.restart();
    let part = said(bench.ask(&format!("PUT /films/parts?partNumber=1&uploadId={upload}"), "", b"abc"));
    said(bench.complete("parts", &upload, "", &[(1, part.header("ETag").unwrap())]));
    let form = fields
        .lines()
        .filter_map(|field| field.split_once(": "))
        .chain([("key", "form"), ("success_action_status", "200")])
        .map(|(name, value)| format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"))
        .collect::<String>();
    let form = format!("{form}--B\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nabc\r\n--B--\r\n");
    said(bench.ask("POST /films", "Content-Type: multipart/form-data; boundary=B", form.as_bytes()));
    let from = "x-oss-copy-source: /films/put\n";
    said(bench.ask("PUT /films/copy", &format!("{from}{fields}"), b""));
    for key in ["put", "append", "parts", "form", "copy"] {
        assert_eq!(tags_of(&bench, key), "a=1,b c=+", "{key}");
        assert_eq!(bench.ask(&format!("GET /films/{key}?acl"), "", b"").element("Grant"), "public-read", "{key}");
        said(bench.get(key));
    }
    // Complete may say another ACL than Initiate did.
    let upload = bench.ask("POST /films/parts?uploads", fields, b"").element("UploadId");
    let part = bench.part("parts", &upload, 1, b"abc");
    bench.complete("parts", &upload, "x-oss-object-acl: private", &[(1, &part)]);
    assert_eq!(bench.ask("GET /films/parts?acl", "", b"").element("Grant"), "private");
    // Of a copy, tags are those of the source unless it says otherwise; ACL and encryption are its own.
    for (more, tags, acl, encrypted) in [
        ("", "a=1,b c=+", "default", false),
        ("x-oss-tagging: x=y", "a=1,b c=+", "default", false),
        ("x-oss-tagging: x=y\nx-oss-tagging-directive: Replace", "x=y", "default", false),
        ("x-oss-tagging-directive: REPLACE\nx-oss-object-acl: private", "", "private", false),
        ("x-oss-server-side-encryption: AES256", "a=1,b c=+", "default", true),
        ("x-oss-metadata-directive: REPLACE", "a=1,b c=+", "default", false),
    ] {
        assert_eq!(bench.ask("PUT /films/copied", &format!("{from}{more}"), b"").status, 200, "{more}");
        assert_eq!(tags_of(&bench, "copied"), tags, "{more}");
        assert_eq!(bench.ask("GET /films/copied?acl", "", b"").element("Grant"), acl, "{more}");
        assert_eq!(bench.get("copied").header("x-oss-server-side-encryption").is_some(), encrypted, "{more}");
    }
    for (field, said) in [
        ("x-oss-tagging: aa=bb=cc", "400 InvalidTag"),
        ("x-oss-object-acl: everybody", "400 InvalidArgument"),
        ("x-oss-server-side-encryption: ROT13", "400 InvalidEncryptionAlgorithmError"),
        ("x-oss-server-side-encryption: KMS", "501 NotImplemented"),
        ("x-oss-server-side-encryption: SM4", "501 NotImplemented"),
        ("x-oss-server-side-encryption: AES256\nx-oss-server-side-encryption-key-id: a", "501 NotImplemented"),
    ] {
        assert_eq!(bench.ask("PUT /films/refused", field, b"abc").said(), said, "{field}");
        assert_eq!(bench.ask("POST /films/refused?uploads", field, b"").said(), said, "{field}");
    }
    let heard = bench.ask("PUT /films/copied", &format!("{from}x-oss-tagging-directive: some"), b"");
    assert_eq!(heard.said(), "400 InvalidArgument");
    assert_eq!(bench.get("refused").said(), "404 NoSuchKey");
}

#[test]
fn the_acl_of_an_object_counts_more_than_that_of_its_bucket() {
    let mut bench = Bench::with(|builder| builder.anonymous(false));
    let owner = Signer::owner(&bench);
    for key in ["k", "other"] {
        assert_eq!(owner.ask(&bench, &format!("PUT /films/{key}"), "", b"abc").status, 200);
    }
    // What a client without a key is answered: to a read, to a write, to a removal of an object that it made again.
    let anybody = |bench: &Bench, bucket: &str, object: &str| {
        assert_eq!(owner.ask(bench, "PUT /films?acl", &format!("x-oss-acl: {bucket}"), b"").status, 200);
        assert_eq!(owner.ask(bench, "PUT /films/k", &format!("x-oss-object-acl: {object}"), b"abc").status, 200);
        let read = bench.ask("GET /films/k", "", b"").status;
        let head = bench.ask("HEAD /films/k", "", b"").status;
        assert_eq!(read, head);
        let acl = bench.ask("PUT /films/k?acl", "x-oss-object-acl: public-read-write", b"").status;
        assert_eq!((acl, bench.ask("GET /films/k?acl", "", b"").status), (403, 403), "that is the owner's");
        let write = bench.ask("PUT /films/k", &format!("x-oss-object-acl: {object}"), b"new").status;
        (read, write)
    };
    for (bucket, object, answers) in [
        ("private", "default", (403, 403)),
        ("private", "private", (403, 403)),
        ("private", "public-read", (200, 403)),
        ("private", "public-read-write", (200, 200)),
        ("public-read", "default", (200, 403)),
        ("public-read", "private", (403, 403)),
        ("public-read", "public-read-write", (200, 200)),
        ("public-read-write", "default", (200, 200)),
        ("public-read-write", "private", (403, 403)),
        ("public-read-write", "public-read", (200, 403)),
    ] {
        assert_eq!(anybody(&bench, bucket, object), answers, "bucket {bucket}, object {object}");
    }
    assert_eq!(owner.ask(&bench, "PUT /films?acl", "x-oss-acl: private", b"").status, 200);
    assert_eq!(owner.ask(&bench, "PUT /films/k?acl", "x-oss-object-acl: public-read", b"").status, 200);
    assert_eq!(owner.ask(&bench, "PUT /films/k?acl", "", b"").said(), "400 InvalidArgument");
    assert_eq!(owner.ask(&bench, "PUT /films/none?acl", "x-oss-object-acl: private", b"").said(), "404 NoSuchKey");
    assert_eq!(bench.ask("GET /films/other", "", b"").said(), "403 AccessDenied");
    // It is kept, also by an object that takes the place of another in a fault.
    bench.server().fault("kind=replace times=1 op=GetObject").unwrap();
    assert_eq!(bench.ask("GET /films/k", "", b"").status, 200);
    bench.server = None;
    bench.server = Some(longhaul_devstore::oss::Builder::new(bench.folder.path()).start().unwrap());
    assert_eq!(bench.ask("GET /films/k", "", b"").status, 200);
    assert_eq!(owner.ask(&bench, "GET /films/k?acl", "", b"").element("Grant"), "public-read");
}

#[test]
fn a_policy_grants_tags_and_acls_by_their_own_names() {
    let bench = Bench::with(|builder| builder.anonymous(false));
    let policy = r#"{"Statement":[{"Effect":"Allow","Action":["oss:PutObject","oss:GetObjectTagging"]}]}"#;
    let (id, secret) = bench.server().add_key(Some(policy)).unwrap();
    let guest = Signer { id, secret, token: None };
    assert_eq!(guest.ask(&bench, "PUT /films/k", "", b"abc").status, 200);
    for (line, fields, said) in [
        ("GET /films/k?tagging", "", "200"),
        ("PUT /films/k?tagging", "", "403 AccessDenied"),
        ("DELETE /films/k?tagging", "", "403 AccessDenied"),
        ("PUT /films/k", "x-oss-tagging: a=b", "403 AccessDenied"),
        ("GET /films/k?acl", "", "403 AccessDenied"),
        ("PUT /films/k?acl", "x-oss-object-acl: public-read", "403 AccessDenied"),
    ] {
        assert_eq!(guest.ask(&bench, line, fields, b"").said(), said, "{line} {fields}");
    }
}

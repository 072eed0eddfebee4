//! What the page of another origin is allowed, and what its browser is told.

use crate::client::{Bench, Heard};
use crate::signed::Signer;

const RULES: &str = "<CORSConfiguration><CORSRule><AllowedOrigin>http://*.app.test</AllowedOrigin><AllowedOrigin>\
    http://localhost:3000</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedMethod>POST</AllowedMethod>\
    <AllowedHeader>x-oss-*</AllowedHeader><AllowedHeader>Content-Type</AllowedHeader><ExposeHeader>ETag</ExposeHeader>\
    <ExposeHeader>x-oss-request-id</ExposeHeader><MaxAgeSeconds>100</MaxAgeSeconds></CORSRule><CORSRule><AllowedOrigin>\
    *</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>";

/// The four fields of an answer, `-` where there is none.
fn told(heard: &Heard) -> String {
    ["Origin", "Methods", "Headers"]
        .map(|name| format!("Access-Control-Allow-{name}"))
        .iter()
        .map(String::as_str)
        .chain(["Access-Control-Expose-Headers", "Access-Control-Max-Age"])
        .map(|name| heard.header(name).unwrap_or("-"))
        .collect::<Vec<_>>()
        .join(" | ")
}

#[test]
fn a_preflight_is_answered_by_the_first_rule_that_fits() {
    let bench = Bench::new();
    let ask = |origin: &str, method: &str, headers: &str| {
        let headers =
            if headers.is_empty() { String::new() } else { format!("\nAccess-Control-Request-Headers: {headers}") };
        let fields = format!("Origin: {origin}\nAccess-Control-Request-Method: {method}{headers}");
        bench.ask("OPTIONS /films/any/key?uploads", &fields, b"")
    };
    let refused = ask("http://x.app.test", "GET", "");
    assert_eq!((refused.said().as_str(), told(&refused).as_str()), ("403 AccessForbidden", "- | - | - | - | -"));
    assert!(refused.element("Message").contains("not enabled"), "{}", refused.text());
    assert_eq!(bench.ask("PUT /films?cors", "", RULES.as_bytes()).status, 200);
    for (origin, method, headers, answer) in [
        ("http://x.app.test", "POST", "", "http://x.app.test | GET, POST | - | ETag, x-oss-request-id | 100"),
        (
            "http://localhost:3000",
            "GET",
            "X-Oss-Date, content-type",
            "http://localhost:3000 | GET, POST | X-Oss-Date, content-type | ETag, x-oss-request-id | 100",
        ),
        ("http://elsewhere.test", "GET", "", "* | GET | - | - | -"),
        // The first rule fits but for a field, the second allows none.
        ("http://x.app.test", "GET", "authorization", "403 AccessForbidden"),
        ("http://elsewhere.test", "GET", "x-oss-date", "403 AccessForbidden"),
        ("http://elsewhere.test", "POST", "", "403 AccessForbidden"),
        ("http://x.app.test", "PUT", "", "403 AccessForbidden"),
        ("http://app.test", "POST", "", "403 AccessForbidden"),
    ] {
        let heard = ask(origin, method, headers);
        let found = if heard.status == 200 { told(&heard) } else { heard.said() };
        assert_eq!(found, answer, "{origin} {method} {headers}");
        if heard.status != 200 {
            assert_eq!(told(&heard), "- | - | - | - | -", "a browser that is refused is told nothing");
        }
    }
    assert_eq!(bench.ask("OPTIONS /films/k", "", b"").said(), "400 InvalidRequest");
    assert_eq!(bench.ask("OPTIONS /films/k", "Origin: http://x.app.test", b"").said(), "400 InvalidRequest");
    let fields = "Origin: http://x.app.test\nAccess-Control-Request-Method: GET";
    assert_eq!(bench.ask("OPTIONS /nowhere/k", fields, b"").said(), "404 NoSuchBucket");
    assert_eq!(bench.ask("OPTIONS /", fields, b"").said(), "405 MethodNotAllowed");
}

#[test]
fn answers_and_refusals_can_be_read_by_the_page_that_asked() {
    let bench = Bench::with(|builder| builder.anonymous(false));
    let owner = Signer::owner(&bench);
    assert_eq!(owner.ask(&bench, "PUT /films?cors", "", RULES.as_bytes()).status, 200);
    assert_eq!(owner.ask(&bench, "PUT /films/k", "", b"abc").status, 200);
    let origin = "Origin: http://x.app.test";
    let full = "http://x.app.test | GET, POST | - | ETag, x-oss-request-id | 100";
    // A preflight needs no key.
    let fields = format!("{origin}\nAccess-Control-Request-Method: GET");
    assert_eq!(bench.ask("OPTIONS /films/k", &fields, b"").status, 200);
    let whole = owner.ask(&bench, "GET /films/k", origin, b"");
    assert_eq!((whole.status, told(&whole).as_str(), whole.header("Vary")), (200, full, None));
    for (line, more, said) in [
        ("GET /films/k", "", "403 AccessDenied"),
        ("GET /films/k", "Authorization: OSS a:b", "403 InvalidAccessKeyId"),
        ("GET /films/k?Expires=1&OSSAccessKeyId=a&Signature=b", "", "403 AccessDenied"),
        ("POST /films", "Content-Type: multipart/form-data; boundary=B", "400 MalformedPOSTRequest"),
    ] {
        let heard = bench.ask(line, &format!("{origin}\n{more}"), b"");
        assert_eq!((heard.said().as_str(), told(&heard).as_str()), (said, full), "{line}");
    }
    assert_eq!(told(&owner.ask(&bench, "GET /films/none", origin, b"")), full);
    // Of what no rule allows, and of what no page asked, nothing is said.
    for (line, fields) in [("DELETE /films/k", origin), ("GET /films/k", "")] {
        assert_eq!(told(&owner.ask(&bench, line, fields, b"")), "- | - | - | - | -", "{line}");
    }
    let vary = RULES.replace("</CORSConfiguration>", "<ResponseVary>true</ResponseVary></CORSConfiguration>");
    assert_eq!(owner.ask(&bench, "PUT /films?cors", "", vary.as_bytes()).status, 200);
    for fields in ["", origin] {
        assert_eq!(owner.ask(&bench, "GET /films/none", fields, b"").header("Vary"), Some("Origin"), "{fields}");
    }
}

#[test]
fn rules_are_kept_and_replaced_and_removed() {
    let mut bench = Bench::new();
    let none = bench.ask("GET /films?cors", "", b"");
    assert_eq!((none.said().as_str(), none.element("EC").as_str()), ("404 NoSuchCORSConfiguration", "0034-00000001"));
    assert_eq!(bench.ask("PUT /films?cors", "", b"<CORSConfiguration/>").said(), "400 MalformedXML");
    assert_eq!(bench.ask("PUT /films?cors", "", RULES.as_bytes()).status, 200);
    bench.restart();
    let heard = bench.ask("GET /films?cors", "", b"");
    assert_eq!(heard.text().matches("<CORSRule>").count(), 2, "{}", heard.text());
    assert_eq!(bench.ask("PUT /films?cors", "", heard.body.as_slice()).status, 200, "what is got can be put");
    assert_eq!(bench.ask("DELETE /films?cors", "", b"").status, 204);
    bench.restart();
    assert_eq!(bench.ask("GET /films?cors", "", b"").said(), "404 NoSuchCORSConfiguration");
    assert_eq!(bench.ask("PUT /films/k?cors", "", RULES.as_bytes()).said(), "405 MethodNotAllowed");
}

#[test]
fn a_store_can_be_open_to_every_page() {
    let bench = Bench::with(|builder| builder.open_cors(true));
    let fields =
        "Origin: http://anywhere.test\nAccess-Control-Request-Method: PUT\nAccess-Control-Request-Headers: a, b";
    let heard = bench.ask("OPTIONS /films/k", fields, b"");
    assert!(heard.status == 200 && told(&heard).starts_with("* | GET, PUT, DELETE, POST, HEAD | a, b | ETag, "));
    let heard = bench.ask("PUT /films/k", "Origin: http://anywhere.test", b"");
    assert!(heard.status == 200 && told(&heard).starts_with("* | "));
    // Rules of its own count more.
    assert_eq!(bench.ask("PUT /films?cors", "", RULES.as_bytes()).status, 200);
    assert_eq!(bench.ask("OPTIONS /films/k", fields, b"").said(), "403 AccessForbidden");
}

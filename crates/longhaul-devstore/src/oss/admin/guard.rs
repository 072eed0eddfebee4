//! Who may ask? Programs of this machine, and the store's own page; no page of the web that a user has open.
//!
//! A hostile page can send requests through the user's browser, in three ways:
//!
//! * under a name of its own that leads to this address (DNS rebinding): then `Host` is that name, and is refused.
//! * as another origin: browsers say so in `Origin` and `Sec-Fetch-Site`, which is refused. Those that do not say it
//!   ask first (Fetch standard, "CORS-preflight request") before they send a method or a content type that no form can
//!   send, and every change here needs one; the question is not answered with a yes.
//! * as a frame, script or picture of its page: answers are for pages of the same origin only
//!   (`Cross-Origin-Resource-Policy`), and may not be framed.

use std::net::IpAddr;

use super::Wrong;
use crate::oss::wire::Head;

/// Refuses a request that a page of the web may have sent.
pub(super) fn check(head: &Head) -> Result<(), Wrong> {
    let field = |name: &str| head.headers.get(name);
    let host = field("Host").unwrap_or_default();
    if head.headers.all("Host").len() > 1 || !is_local_name(host) {
        return Err(Wrong(403, "the admin side answers to addresses and localhost only".to_owned()));
    }
    let foreign = || Err(Wrong(403, "a page of another site may not use the admin side".to_owned()));
    if field("Origin").is_some_and(|origin| origin != format!("http://{host}")) {
        return foreign();
    }
    let reads = matches!(head.method.as_str(), "GET" | "HEAD");
    // A link from another page may be followed: what it shows is for the user.
    let is_followed =
        reads && field("Sec-Fetch-Mode") == Some("navigate") && field("Sec-Fetch-Dest") == Some("document");
    if field("Sec-Fetch-Site").is_some_and(|site| !matches!(site, "same-origin" | "none")) && !is_followed {
        return foreign();
    }
    // No form can send a PUT, so its body may be of any type.
    let is_json = field("Content-Type").is_some_and(|value| {
        let value = value.split(';').next().unwrap_or_default();
        value.trim().eq_ignore_ascii_case("application/json")
    });
    if !reads && head.method != "PUT" && !is_json {
        return Err(Wrong(415, "send changes with Content-Type: application/json".to_owned()));
    }
    Ok(())
}

fn is_local_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.is_empty() || name.eq_ignore_ascii_case("localhost") || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Headers;

    #[test]
    fn only_this_machine_has_a_name_for_it() {
        for (host, local) in [
            ("127.0.0.1:80", true),
            ("[::1]:80", true),
            ("localhost", true),
            ("", true),
            ("evil.example", false),
            ("localhost.evil.example:80", false),
        ] {
            assert_eq!(is_local_name(host), local, "{host}");
        }
    }

    fn said(line: &str) -> u16 {
        let (method, fields) = line.split_once(' ').unwrap();
        let mut headers = Headers::default();
        for field in fields.split("; ").filter(|field| !field.is_empty()) {
            let (name, value) = field.split_once('=').unwrap();
            headers.add(name, value);
        }
        let head = Head { method: method.to_owned(), target: "/".to_owned(), headers, http_1_0: false };
        check(&head).map_or_else(|Wrong(status, _)| status, |()| 200)
    }

    #[test]
    fn pages_of_other_sites_change_and_read_nothing() {
        let json = "Host=localhost:1; Content-Type=application/json";
        for (line, status) in [
            // Programs send neither field.
            (format!("POST {json}"), 200),
            ("GET Host=localhost:1".to_owned(), 200),
            // The page itself.
            (format!("POST {json}; Origin=http://localhost:1; Sec-Fetch-Site=same-origin"), 200),
            ("PUT Host=localhost:1; Content-Type=text/html; Origin=http://localhost:1".to_owned(), 200),
            // Pages of other sites, other ports, and of no site.
            (format!("POST {json}; Origin=http://evil.example"), 403),
            (format!("POST {json}; Origin=http://localhost:3000"), 403),
            (format!("POST {json}; Origin=https://localhost:1"), 403),
            (format!("POST {json}; Origin=null"), 403),
            (format!("DELETE {json}; Sec-Fetch-Site=cross-site"), 403),
            (format!("DELETE {json}; Sec-Fetch-Site=same-site"), 403),
            ("PUT Host=localhost:1; Sec-Fetch-Site=cross-site".to_owned(), 403),
            ("GET Host=localhost:1; Sec-Fetch-Site=cross-site; Sec-Fetch-Mode=no-cors".to_owned(), 403),
            // A frame is a navigation, too, but not of a document's own window.
            (
                "GET Host=localhost:1; Sec-Fetch-Site=cross-site; Sec-Fetch-Mode=navigate; Sec-Fetch-Dest=iframe"
                    .to_owned(),
                403,
            ),
            (
                "GET Host=localhost:1; Sec-Fetch-Site=cross-site; Sec-Fetch-Mode=navigate; Sec-Fetch-Dest=document"
                    .to_owned(),
                200,
            ),
            // What forms can send.
            ("POST Host=localhost:1; Content-Type=text/plain".to_owned(), 415),
            ("POST Host=localhost:1; Content-Type=multipart/form-data".to_owned(), 415),
            ("POST Host=localhost:1; Content-Type=application/jsonp".to_owned(), 415),
            ("POST Host=localhost:1".to_owned(), 415),
            ("OPTIONS Host=localhost:1".to_owned(), 415),
            // Other names, and two at once.
            ("GET Host=evil.example".to_owned(), 403),
            ("GET Host=localhost; Host=evil.example".to_owned(), 403),
        ] {
            assert_eq!(said(&line), status, "{line}");
        }
    }
}

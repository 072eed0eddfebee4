//! Does a page of another site ask? Browsers say whose page asks in `Origin` (with every request that is no plain
//! reading) and in `Sec-Fetch-Site` (Fetch Metadata Request Headers, W3C), and no page can change either.

use http::{HeaderMap, Method, header};

/// Which pages may use aria2's RPC, beside our own and those of browser extensions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins {
    names: Vec<String>,
    null: bool,
}

/// What a page may be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// `/jsonrpc`: extensions, and pages that were named.
    Rpc,
    /// The API: our own page.
    Api,
    /// The page itself: also by a link from elsewhere.
    Page,
}

impl Origins {
    /// `null`, that of pages without a name (from a file, in a sandbox), is a word like the others.
    pub(crate) fn new(names: impl IntoIterator<Item = String>) -> Self {
        let names: Vec<String> =
            names.into_iter().map(|name| name.trim_end_matches('/').to_ascii_lowercase()).collect();
        let null = names.iter().any(|name| name == "null");
        Self { names, null }
    }

    /// Whether a page that asks may do so. What is no page (no such headers) is judged by its token alone.
    pub(super) fn allow(&self, door: Door, method: &Method, headers: &HeaderMap) -> bool {
        let field = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let site = field("sec-fetch-site");
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let origin = origins.next().map(|value| value.to_str().unwrap_or("?"));
        if origins.next().is_some() {
            return false;
        }
        let own = field("host").map(|host| format!("http://{host}"));
        match origin {
            Some(origin) if own.as_deref() == Some(origin) => true,
            Some(origin) => door == Door::Rpc && self.have(origin),
            None if matches!(site, None | Some("same-origin" | "none")) => true,
            None => {
                let reads = matches!(*method, Method::GET | Method::HEAD);
                let is_followed =
                    field("sec-fetch-mode") == Some("navigate") && field("sec-fetch-dest") == Some("document");
                door == Door::Page && reads && is_followed
            }
        }
    }

    /// An origin of aria2's front-ends.
    fn have(&self, origin: &str) -> bool {
        const EXTENSIONS: [&str; 3] = ["chrome-extension://", "moz-extension://", "safari-web-extension://"];
        let origin = origin.to_ascii_lowercase();
        match origin.as_str() {
            "null" => self.null,
            _ => EXTENSIONS.iter().any(|scheme| origin.starts_with(scheme)) || self.names.contains(&origin),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn allowed(door: Door, line: &str) -> bool {
        let (method, fields) = line.split_once(' ').unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("localhost:6800"));
        for field in fields.split("; ").filter(|field| !field.is_empty()) {
            let (name, value) = field.split_once('=').unwrap();
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let origins = Origins::new(["https://ng.example/".to_owned()]);
        origins.allow(door, &method.parse().unwrap(), &headers)
    }

    #[test]
    fn pages_of_others_are_let_in_nowhere() {
        for line in [
            "POST origin=https://evil.example",
            "POST origin=null",
            "POST origin=http://localhost:8080",
            "POST origin=http://127.0.0.1:6800",
            "POST origin=https://localhost:6800",
            "GET origin=http://localhost:6800; origin=https://evil.example",
            "POST sec-fetch-site=cross-site",
            "POST sec-fetch-site=same-site",
            "GET sec-fetch-site=cross-site; sec-fetch-mode=no-cors; sec-fetch-dest=script",
            "GET sec-fetch-site=cross-site; sec-fetch-mode=navigate; sec-fetch-dest=iframe",
            "POST sec-fetch-site=cross-site; sec-fetch-mode=navigate; sec-fetch-dest=document",
        ] {
            for door in [Door::Rpc, Door::Api, Door::Page] {
                assert!(!allowed(door, line), "{door:?} {line}");
            }
        }
    }

    #[test]
    fn our_page_and_programs_are_let_in_everywhere() {
        for line in [
            "GET ",
            "POST ",
            "POST origin=http://localhost:6800; sec-fetch-site=same-origin",
            "GET sec-fetch-site=none",
        ] {
            for door in [Door::Rpc, Door::Api, Door::Page] {
                assert!(allowed(door, line), "{door:?} {line}");
            }
        }
    }

    #[test]
    fn extensions_and_named_pages_are_let_in_to_the_rpc_only() {
        for line in [
            "POST origin=chrome-extension://abc; sec-fetch-site=none",
            "GET origin=moz-extension://abc; sec-fetch-site=cross-site",
            "OPTIONS origin=https://ng.example; sec-fetch-site=cross-site",
        ] {
            assert!(allowed(Door::Rpc, line), "{line}");
            assert!(!allowed(Door::Api, line), "{line}");
            assert!(!allowed(Door::Page, line), "{line}");
        }
        let link = "GET sec-fetch-site=cross-site; sec-fetch-mode=navigate; sec-fetch-dest=document";
        assert!(allowed(Door::Page, link) && !allowed(Door::Api, link));
        let null = Origins::new(["null".to_owned()]);
        assert!(null.have("null") && !Origins::default().have("null"));
    }
}

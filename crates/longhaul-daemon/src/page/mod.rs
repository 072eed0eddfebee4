//! The page of the daemon: files of `page/` in this crate, as they are, in the program. There is no step that builds them.
//! What browsers may do with them (Content-Security-Policy and others) is said by the guard, with every answer.
//!
//! A file's ETag is its digest: a browser asks each time whether it has the one of this program (RFC 9110, 13.1.2), so that
//! a page never runs with modules of another version.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base64::Engine as _;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use sha2::{Digest as _, Sha256};

/// One file: its name, its type, what is in it.
struct File(&'static str, &'static str, &'static [u8]);

macro_rules! files {
    ($($name:literal $kind:ident),* $(,)?) => {
        [$(File($name, $kind, include_bytes!(concat!("../../page/", $name)))),*]
    };
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const MANIFEST: &str = "application/manifest+json";

/// What `/` answers.
const INDEX: &str = "index.html";

static FILES: &[File] = &files![
    "index.html" HTML,
    "style.css" CSS,
    "icon.svg" SVG,
    "manifest.webmanifest" MANIFEST,
    "actions.js" JS,
    "add.js" JS,
    "api.js" JS,
    "app.js" JS,
    "bar.js" JS,
    "detail.js" JS,
    "dialogs.js" JS,
    "dom.js" JS,
    "drag.js" JS,
    "format.js" JS,
    "graph.js" JS,
    "head.js" JS,
    "keys.js" JS,
    "list.js" JS,
    "login.js" JS,
    "metalink.js" JS,
    "model.js" JS,
    "reason.js" JS,
    "row.js" JS,
    "settings.js" JS,
    "side.js" JS,
    "stream.js" JS,
    "words-en.js" JS,
    "words-zh.js" JS,
    "words.js" JS,
];

/// The ETag of each file, in the same order.
static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let digest = |file: &File| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&Sha256::digest(file.2)[..12]);
    FILES.iter().map(|file| format!("\"{}\"", digest(file))).collect()
});

/// `/`, and below `/assets/` what it is made of.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/", get(async |headers: HeaderMap| answer(INDEX, &headers)))
        .route("/assets/{name}", get(async |Path(name): Path<String>, headers: HeaderMap| answer(&name, &headers)))
}

fn answer(name: &str, asked: &HeaderMap) -> Response {
    let Some((File(_, kind, bytes), tag)) = FILES.iter().zip(TAGS.iter()).find(|(file, _)| file.0 == name) else {
        return (StatusCode::NOT_FOUND, "there is no such file\n").into_response();
    };
    // Only we make tags, and they hold no comma.
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let known = known.flat_map(|value| value.split(',')).any(|each| each.trim().trim_start_matches("W/") == tag);
    let fields: [(HeaderName, HeaderValue); 2] = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::ETAG, HeaderValue::from_str(tag).unwrap_or(HeaderValue::from_static("\"\""))),
    ];
    if known {
        return (StatusCode::NOT_MODIFIED, fields).into_response();
    }
    (fields, [(header::CONTENT_TYPE, HeaderValue::from_static(kind))], *bytes).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::body::Body;
    use http::Request;
    use tower_service::Service as _;

    use super::*;

    async fn ask(path: &str, tag: Option<&str>) -> (StatusCode, HeaderMap, Vec<u8>) {
        let mut request = Request::get(path);
        if let Some(tag) = tag {
            request = request.header(header::IF_NONE_MATCH, tag);
        }
        let response = router().call(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts.status, parts.headers, axum::body::to_bytes(body, 1 << 20).await.unwrap().to_vec())
    }

    #[test]
    fn every_file_of_the_page_is_in_the_program() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
        let there: BTreeSet<String> =
            folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let served: BTreeSet<String> = FILES.iter().map(|file| file.0.to_owned()).collect();
        assert_eq!(served, there);
        assert_eq!(TAGS.iter().collect::<BTreeSet<_>>().len(), FILES.len(), "each has a tag of its own");
    }

    #[tokio::test]
    async fn a_file_comes_once_and_is_known_afterwards() {
        let (status, headers, body) = ask("/", None).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[header::CONTENT_TYPE], HTML);
        assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
        assert!(body.starts_with(b"<!doctype html>"));
        let tag = headers[header::ETAG].to_str().unwrap().to_owned();
        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}")] {
            let (status, headers, body) = ask("/", Some(&known)).await;
            assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0), "{known}");
            assert_eq!(headers[header::ETAG].to_str().unwrap(), tag);
        }
        assert_eq!(ask("/", Some("\"other\"")).await.0, StatusCode::OK);
        let (status, headers, _) = ask("/assets/app.js", None).await;
        assert_eq!((status, headers[header::CONTENT_TYPE].to_str().unwrap()), (StatusCode::OK, JS));
        for nothing in ["/assets/", "/assets/none.js", "/assets/..%2Fmod.rs", "/assets/%2e%2e", "/style.css"] {
            assert_eq!(ask(nothing, None).await.0, StatusCode::NOT_FOUND, "{nothing}");
        }
    }

    /// Scripts and styles come from files only: the policy of the guard lets no others run.
    #[test]
    fn there_is_no_script_and_no_style_in_the_markup() {
        let index = std::str::from_utf8(FILES[0].2).unwrap();
        assert_eq!(index.matches("<script").count(), 1);
        assert!(index.contains("<script type=\"module\" src=\"/assets/app.js\"></script>"));
        for inline in ["<style", " style=", " on", "javascript:", "http://", "https://"] {
            assert!(!index.contains(inline), "{inline}");
        }
    }
}

//! Redirects for [`fuzzing`](crate::fuzzing).

use http::header::{HeaderMap, HeaderValue, SET_COOKIE};

use super::jar::Jar;
use super::redirect::Way;
use crate::source::WebAddress;

/// Redirects one after the other, a line each, which is a cookie as well.
pub(crate) fn location(lines: &[u8]) {
    for begin in ["https://h.example/a/b?c#d", "http://user:secret@[::1]:8080/"] {
        let Ok(Ok(mut way)) = WebAddress::parse(begin).map(|address| Way::begin(&address)) else { return };
        let mut jar = Jar::default();
        for line in lines.split(|&b| b == b'\n') {
            if let Ok(cookie) = HeaderValue::from_bytes(line) {
                jar.take(way.url(), &HeaderMap::from_iter([(SET_COOKIE, cookie)]));
            }
            let _ = way.follow(Some(line), &jar);
            let url = way.url();
            assert!(matches!(url.scheme(), "http" | "https") && url.fragment().is_none() && url.password().is_none());
            let _ = (url.uri(), url.target());
        }
    }
}

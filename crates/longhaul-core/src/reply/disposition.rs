//! The file name in `Content-Disposition` (RFC 6266, with RFC 8187 for `filename*`), raw: [`crate::names`] makes it safe.

use percent_encoding::percent_decode;

/// Longest field value that is looked at; a file name is at most 255 bytes anyway.
const FIELD_LEN_MAX: usize = 8 * 1024;

/// The suggested name: `filename*` when it can be decoded, else the first `filename` (RFC 6266, 4.3).
///
/// The disposition type does not matter (curl and browsers take a name from `inline` too) and may be missing.
pub(super) fn file_name(raw: &[u8]) -> Option<Vec<u8>> {
    if raw.len() > FIELD_LEN_MAX {
        return None;
    }
    let (mut plain, mut extended) = (None, None);
    for (name, value) in Parameters(raw) {
        if name.eq_ignore_ascii_case(b"filename*") {
            extended = extended.or_else(|| decode_extended(&value));
        } else if name.eq_ignore_ascii_case(b"filename") {
            plain = plain.or(Some(value));
        }
    }
    extended.or(plain).filter(|name| !name.is_empty())
}

/// `charset'language'percent-encoded` (RFC 8187, 3.2.1), as UTF-8.
fn decode_extended(raw: &[u8]) -> Option<Vec<u8>> {
    let mut parts = raw.splitn(3, |&b| b == b'\'');
    let (charset, _language, value) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes: Vec<u8> = percent_decode(value).collect();
    if charset.eq_ignore_ascii_case(b"utf-8") {
        std::str::from_utf8(&bytes).is_ok().then_some(bytes)
    } else if charset.eq_ignore_ascii_case(b"iso-8859-1") {
        Some(bytes.iter().map(|&b| char::from(b)).collect::<String>().into_bytes())
    } else {
        None
    }
}

/// The parameters of a field: `; name=value`, the value a token or a quoted string. Segments without `=` are passed over.
struct Parameters<'a>(&'a [u8]);

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a [u8], Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.0.is_empty() {
            let end = self.0.iter().position(|b| matches!(b, b';' | b'=')).unwrap_or(self.0.len());
            let name = self.0[..end].trim_ascii();
            let has_value = self.0.get(end) == Some(&b'=');
            self.0 = self.0.get(end + 1..).unwrap_or(&[]);
            if has_value {
                return Some((name, self.value()));
            }
        }
        None
    }
}

impl Parameters<'_> {
    /// Takes the value and everything up to the next `;`.
    fn value(&mut self) -> Vec<u8> {
        let rest = self.0.trim_ascii_start();
        let mut value = Vec::new();
        let mut at = 0;
        if rest.first() == Some(&b'"') {
            at = 1;
            while let Some(&b) = rest.get(at) {
                at += 1;
                match b {
                    b'"' => break,
                    b'\\' => {
                        value.extend(rest.get(at)); // quoted-pair (RFC 9110, 5.6.4)
                        at += 1;
                    }
                    b => value.push(b),
                }
            }
        }
        let quoted = at > 0;
        let tail = rest.get(at..).unwrap_or(&[]);
        let end = tail.iter().position(|&b| b == b';').unwrap_or(tail.len());
        if !quoted {
            value.extend_from_slice(tail[..end].trim_ascii());
        }
        self.0 = tail.get(end + 1..).unwrap_or(&[]);
        value
    }
}

//! The file name in `Content-Disposition` (RFC 6266, with RFC 8187 for `filename*`), raw: [`crate::names`] makes it
//! safe.
//!
//! Servers write it in more ways than these, and browsers read what has one meaning: quotes around the value of
//! `filename*`, single quotes, encoded words of mail (RFC 2047), a path, no semicolon behind the type, blanks without
//! quotes, raw bytes.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode;

/// Longest field value that is looked at; a file name is at most 255 bytes anyway.
const FIELD_LEN_MAX: usize = 8 * 1024;

/// Base64 with or without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The suggested name: `filename*` when it can be decoded and is not empty, else the first `filename` (RFC 6266, 4.3),
/// else what stands in `filename*` without a charset.
///
/// The disposition type does not matter (curl and browsers take a name from `inline` too) and may be missing.
pub(super) fn file_name(raw: &[u8]) -> Option<Vec<u8>> {
    if raw.len() > FIELD_LEN_MAX {
        return None;
    }
    let (mut plain, mut extended, mut bare) = (None, None, None);
    for (name, value) in Parameters(raw) {
        if value.is_empty() {
            continue;
        }
        if name.eq_ignore_ascii_case(b"filename*") {
            if value.contains(&b'\'') {
                extended = extended.or_else(|| decode_extended(&value)).filter(|name| !name.is_empty());
            } else {
                bare = bare.or(Some(value));
            }
        } else if name.eq_ignore_ascii_case(b"filename") {
            plain = plain.or_else(|| Some(decode_words(unquoted(&value))));
        }
    }
    extended.or(plain).or(bare).filter(|name| !name.is_empty())
}

/// Without single quotes around it: they are no quotes to RFC 6266, and to those who write them they are.
fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"'").and_then(|value| value.strip_suffix(b"'")).unwrap_or(value)
}

/// `charset'language'percent-encoded` (RFC 8187, 3.2.1), as UTF-8.
fn decode_extended(raw: &[u8]) -> Option<Vec<u8>> {
    let mut parts = raw.splitn(3, |&b| b == b'\'');
    let (charset, _language, value) = (parts.next()?, parts.next()?, parts.next()?);
    // Quotes are no part of it: a name that has some writes them as %22.
    let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    to_utf8(charset, percent_decode(value).collect())
}

/// Text in one of the charsets that need no tables; `None` for another, and for what is no text in it.
fn to_utf8(charset: &[u8], bytes: Vec<u8>) -> Option<Vec<u8>> {
    match charset.to_ascii_lowercase().as_slice() {
        b"utf-8" | b"utf8" => std::str::from_utf8(&bytes).is_ok().then_some(bytes),
        b"us-ascii" | b"ascii" => bytes.is_ascii().then_some(bytes),
        b"iso-8859-1" | b"latin1" => Some(bytes.iter().map(|&b| char::from(b)).collect::<String>().into_bytes()),
        _ => None,
    }
}

/// With the encoded words of mail decoded, `=?charset?B|Q?text?=` (RFC 2047, 2); blanks between two of them are no part
/// of the text (6.2). When one of them cannot be decoded, all stay as they are.
fn decode_words(value: &[u8]) -> Vec<u8> {
    let (mut text, mut rest, mut behind_word) = (Vec::new(), value, false);
    while let Some(at) = rest.windows(2).position(|two| two == b"=?") {
        let (before, from) = rest.split_at(at);
        let Some((decoded, len)) = encoded_word(from) else { return value.to_vec() };
        if !(behind_word && before.trim_ascii().is_empty()) {
            text.extend_from_slice(before);
        }
        text.extend(decoded);
        (rest, behind_word) = (&from[len..], true);
    }
    text.extend_from_slice(rest);
    text
}

/// The encoded word that `from` begins with, as UTF-8, and its length.
fn encoded_word(from: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut parts = from.strip_prefix(b"=?")?.splitn(4, |&b| b == b'?');
    let (charset, coding, coded, end) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if !end.starts_with(b"=") {
        return None;
    }
    let bytes = match coding {
        b"B" | b"b" => BASE64.decode(coded).ok()?,
        b"Q" | b"q" => {
            let spaced: Vec<u8> = coded.iter().map(|&b| if b == b'_' { b' ' } else { b }).collect();
            quoted_printable(&spaced)?
        }
        _ => return None,
    };
    // RFC 2231, 5 adds a language behind the charset.
    let charset = charset.split(|&b| b == b'*').next()?;
    Some((to_utf8(charset, bytes)?, from.len() - end.len() + 1))
}

/// `=XX` for a byte (RFC 2045, 6.7).
fn quoted_printable(coded: &[u8]) -> Option<Vec<u8>> {
    let (mut bytes, mut rest) = (Vec::new(), coded.iter());
    while let Some(&b) = rest.next() {
        if b != b'=' {
            bytes.push(b);
            continue;
        }
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(digit(*rest.next()?)? << 4 | digit(*rest.next()?)?);
    }
    Some(bytes)
}

/// The parameters of a field: `; name=value`, the value a token or a quoted string. Segments without `=` are passed
/// over.
struct Parameters<'a>(&'a [u8]);

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a [u8], Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.0.is_empty() {
            let end = self.0.iter().position(|b| matches!(b, b';' | b'=')).unwrap_or(self.0.len());
            // The last word: the type before it may lack its semicolon.
            let name = self.0[..end].trim_ascii();
            let name = name.rsplit(u8::is_ascii_whitespace).next().unwrap_or(name);
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
                    // A quoted pair (RFC 9110, 5.6.4). Before another character it is a separator of Windows, written
                    // as it is.
                    b'\\' if matches!(rest.get(at), None | Some(b'"' | b'\\')) => {
                        value.extend(rest.get(at));
                        at += 1;
                    }
                    b => value.push(b),
                }
            }
        }
        let tail = rest.get(at..).unwrap_or(&[]);
        let end = tail.iter().position(|&b| b == b';').unwrap_or(tail.len());
        if value.is_empty() {
            // Not in quotes, or in two pairs of them.
            value.extend_from_slice(tail[..end].trim_ascii());
            if at > 0 {
                value.truncate(value.iter().rposition(|&b| b != b'"').map_or(0, |last| last + 1));
            }
        }
        self.0 = tail.get(end + 1..).unwrap_or(&[]);
        value
    }
}

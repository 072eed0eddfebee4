//! What of a source may be written down: the URL without its secrets, the same for every fresh link to one object.
//!
//! A signed link is an object's name with a key to it in the query. Journals, receipts, lists, logs and messages get
//! only the name:
//!
//! - userinfo and fragment are removed;
//! - parameters of known signature schemes are removed whole, so that two links to one object, signed at different
//!   times, by different programs, become the same string;
//! - parameters named like secrets (`token`, `api_key`, `password`, …) keep their name and lose their value;
//! - so does any value that looks random and is at least 20 characters long, under any name. Version ids and
//!   generations are the exception: they are names, and are kept as identity anyway.
//!
//! Everything else stays, byte for byte and in order. The path stays too, except values of secret matrix parameters
//! (`;jsessionid=…`): it is the name. The keys of `oss://` and `s3://` sources are names to the last byte.

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

use super::Dialect;
use super::WebAddress;

/// A URL that may be stored and shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redacted {
    /// The stable form without secrets.
    pub(crate) url: String,
    /// Something was left out that a request may need again.
    pub(crate) secrets_removed: bool,
    /// The link was signed: when the server refuses it, a new link is needed, not credentials.
    pub(crate) signed: bool,
    /// A value was removed that may have named the object (`id=…`): two objects may share this string, so it must
    /// not be used to find a transfer by its source.
    pub(crate) ambiguous: bool,
}

/// The form of a URL that is stored; `None` when it is no URL (of a hierarchical scheme).
pub(crate) fn redact(url: &str) -> Option<Redacted> {
    if let Some(redacted) = redact_store(url) {
        return Some(redacted);
    }
    let address = WebAddress::parse(url).ok().filter(|url| !url.cannot_be_a_base())?;
    Some(redact_address(&address))
}

/// The form of a URL of a hierarchical scheme that is stored.
pub(super) fn redact_address(address: &WebAddress) -> Redacted {
    let mut out = Redacted { url: String::new(), secrets_removed: false, signed: false, ambiguous: false };
    out.secrets_removed |= !address.username().is_empty() || address.password().is_some();
    let address = address.clone().without_userinfo();
    // As it is asked for, byte by byte: where that cannot be, as the parser writes it.
    let (mut path, mut query) = match address.target() {
        Some(target) => (target.path().to_owned(), target.query().map(str::to_owned)),
        None => (address.path().to_owned(), address.query().map(str::to_owned)),
    };
    if path.contains(';') {
        path = redact_path(&path, &mut out);
    }
    query = query.map(|query| redact_query(&query, &mut out, 0)).filter(|query| !query.is_empty());
    out.url = format!("{}{path}", address.before_path());
    if let Some(query) = query {
        out.url += &format!("?{query}");
    }
    out
}

/// Any text (a message that may quote URLs, a URL that is none) without the secrets in it. Never fails: what cannot be
/// understood loses its userinfo, its query and its fragment.
pub fn redact_for_display(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let ends_word = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '<' | '>' | '`' | '|');
    for word in text.split_inclusive(ends_word) {
        let (word, end) = match word.chars().next_back().filter(|&c| ends_word(c)) {
            Some(c) => word.split_at(word.len() - c.len_utf8()),
            None => (word, ""),
        };
        out.push_str(&redact_word(word));
        out.push_str(end);
    }
    out
}

/// `oss://BUCKET/KEY` and `s3://BUCKET/KEY`: all of the key is a name. Only userinfo, which has no place here, goes.
fn redact_store(url: &str) -> Option<Redacted> {
    let scheme = Dialect::of(url)?.scheme();
    let rest = &url[scheme.len()..];
    let bucket_end = rest.find('/').unwrap_or(rest.len());
    let kept = rest[..bucket_end].rfind('@').map_or(0, |at| at + 1);
    let url = format!("{scheme}{}", &rest[kept..]);
    Some(Redacted { url, secrets_removed: kept > 0, signed: false, ambiguous: false })
}

/// Everything that could end a URL inside a sentence and belongs to the sentence.
const TRAILING: &[char] = &[')', ']', '}', ',', '.', ':', ';', '!'];

fn redact_word(word: &str) -> String {
    let Some(colon) = word.find("://") else {
        // Not a URL, but it may be the rest of one.
        return redact_loosely(word);
    };
    let scheme_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let start =
        word[..colon].char_indices().rev().take_while(|&(_, c)| scheme_char(c)).last().map_or(colon, |(i, _)| i);
    let (before, url) = word.split_at(start);
    let (url, after) = url.split_at(url.trim_end_matches(TRAILING).len());
    let url = match redact(url) {
        Some(redacted) => redacted.url,
        None => redact_loosely(url),
    };
    // What stands before may be the end of another one: `a=secret&u=https://…`.
    format!("{}{url}{after}", redact_loosely(before))
}

/// Without parsing: userinfo, query and fragment are cut off where they could be.
fn redact_loosely(word: &str) -> String {
    let (head, query) = match word.find(['?', '#']) {
        Some(at) if word[at..].contains('=') || word.contains("://") => (&word[..at], "?…"),
        _ => (word, ""),
    };
    let authority = head.find("://").map_or(0, |at| at + 3);
    let authority_end = head[authority..].find('/').map_or(head.len(), |at| authority + at);
    let userinfo = &head[authority..authority_end];
    let kept = match userinfo.rfind('@') {
        Some(at) if authority > 0 || userinfo[..at].contains(':') => authority + at + 1,
        _ => authority,
    };
    if kept == authority && query.is_empty() && head.contains('=') && head.contains('&') {
        let mut out = Redacted { url: String::new(), secrets_removed: false, signed: false, ambiguous: false };
        return redact_query(head, &mut out, 0);
    }
    format!("{}{}{query}", &head[..authority], &head[kept..])
}

fn redact_path(path: &str, out: &mut Redacted) -> String {
    let parameter = |(i, part): (usize, &str)| {
        let (value, rest) = part.split_at(part.find('/').unwrap_or(part.len()));
        match value.split_once('=') {
            Some((name, secret)) if i > 0 && !secret.is_empty() && is_secret_name(&plain(name)) => {
                out.secrets_removed = true;
                format!("{name}={rest}")
            }
            _ => part.to_owned(),
        }
    };
    path.split(';').enumerate().map(parameter).collect::<Vec<_>>().join(";")
}

/// A URL inside a value is redacted as well, and one inside that; further in, it is removed.
const DEPTH_MAX: u32 = 2;

fn redact_query(query: &str, out: &mut Redacted, depth: u32) -> String {
    let pairs = || query.split('&').map(|pair| pair.split_once('=').map_or((pair, None), |(n, v)| (n, Some(v))));
    let names: Vec<String> = pairs().map(|(name, _)| plain(name)).collect();
    let schemes = Schemes::of(&names);
    let mut kept = Vec::new();
    for ((raw_name, raw_value), name) in pairs().zip(&names) {
        if schemes.own(name) {
            out.signed |= is_signature(name);
            out.secrets_removed = true;
            continue;
        }
        let Some(raw_value) = raw_value else {
            // A parameter without a value may be the secret itself.
            if looks_random(&decoded(raw_name)) {
                out.secrets_removed = true;
                out.ambiguous = true;
            } else {
                kept.push(raw_name.to_owned());
            }
            continue;
        };
        let value = decoded(raw_value);
        let random = !is_version_name(name) && looks_random(&value);
        if raw_value.is_empty() || !(is_secret_name(name) || random || looks_random(&decoded(raw_name))) {
            let value = match inner_url(&value, out, depth) {
                Some(inner) => utf8_percent_encode(&inner, NON_ALPHANUMERIC).to_string(),
                None => raw_value.to_owned(),
            };
            kept.push(format!("{raw_name}={value}"));
            continue;
        }
        out.secrets_removed = true;
        // Random and not known for a secret, it may have been the object's name; and so may a `key` or `code`.
        out.ambiguous |= random && !is_secret_name(name) || matches!(name.as_str(), "key" | "code" | "auth");
        if !looks_random(&decoded(raw_name)) {
            kept.push(format!("{raw_name}="));
        }
    }
    kept.join("&")
}

/// A value that is a URL, or contains one, without its secrets; `None` when there is none.
fn inner_url(value: &str, out: &mut Redacted, depth: u32) -> Option<String> {
    let parsed = || Url::parse(value).ok().filter(Url::has_host);
    if !value.contains("://") {
        return None;
    }
    let Some(mut url) = parsed().filter(|_| depth < DEPTH_MAX) else {
        out.secrets_removed = true;
        out.ambiguous = true;
        return Some(redact_loosely(value));
    };
    if url.query().is_none() && url.username().is_empty() && url.password().is_none() && url.fragment().is_none() {
        return None;
    }
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    let mut inner = Redacted { url: String::new(), secrets_removed: false, signed: false, ambiguous: false };
    if let Some(query) = url.query() {
        let query = redact_query(query, &mut inner, depth + 1);
        url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
    }
    let url = String::from(url);
    if parsed().is_some_and(|before| before.as_str() == url) {
        return None;
    }
    out.secrets_removed = true;
    out.ambiguous |= inner.ambiguous;
    Some(url)
}

fn decoded(raw: &str) -> String {
    percent_decode_str(raw).decode_utf8_lossy().into_owned()
}

/// A parameter's name as it is compared: decoded, lower case.
fn plain(raw: &str) -> String {
    decoded(raw).to_ascii_lowercase()
}

// ---- which parameters ------------------------------------------------------------------------------------------

/// Which signature schemes a query uses. Names that are harmless elsewhere (`st`, `policy`, `e`) belong to a scheme
/// only beside the name that proves it.
struct Schemes {
    aws4: bool,
    azure: bool,
    cloudfront: bool,
}

impl Schemes {
    fn of(names: &[String]) -> Self {
        let has = |name: &str| names.iter().any(|n| n == name);
        Self {
            aws4: has("x-amz-signature") || has("x-amz-credential"),
            azure: has("sig") && (has("se") || has("sv") || has("sr") || has("si")),
            cloudfront: has("key-pair-id"),
        }
    }

    /// Whether a parameter (lower case) is a scheme's own: it changes with every link and is no part of a name.
    fn own(&self, name: &str) -> bool {
        // SigV4, and the same scheme under other vendors' names: everything they prefix is signing or a signed header.
        // OSS prefixes parameters that change the object as well (`x-oss-process`), so its own are listed.
        let prefixes = ["x-amz-", "x-goog-", "x-tos-", "x-obs-", "x-bce-", "x-oss-signature", "q-sign-", "q-key-"];
        prefixes.iter().any(|prefix| name.starts_with(prefix))
            || matches!(name, "awsaccesskeyid" | "ossaccesskeyid" | "googleaccessid" | "accesskeyid" | "signature" | "expires")
            || matches!(name, "x-oss-credential" | "x-oss-date" | "x-oss-expires" | "x-oss-security-token")
            || matches!(name, "x-oss-additional-headers" | "security-token" | "x-cos-security-token")
            || matches!(name, "q-ak" | "q-header-list" | "q-url-param-list" | "q-signature")
            // SDKs that sign for AWS name the operation.
            || self.aws4 && name == "x-id"
            || self.azure && AZURE.contains(&name)
            || self.cloudfront && matches!(name, "policy" | "key-pair-id" | "hash-algorithm")
            // Tokens of CDNs.
            || matches!(name, "auth_key" | "hdnts" | "hdnea" | "hdntl" | "__token__" | "__gda__" | "verify")
    }
}

/// Parameters of a shared access signature (Azure Storage, "Create a service SAS" and "user delegation SAS").
const AZURE: [&str; 20] = [
    "sig", "se", "st", "sp", "sv", "sr", "spr", "sip", "si", "ss", "srt", "sdd", "ses", "skoid", "sktid", "skt", "ske",
    "sks", "skv", "saoid",
];

/// Whether a scheme's parameter is the signature itself.
fn is_signature(name: &str) -> bool {
    name.ends_with("signature")
        || matches!(name, "sig" | "auth_key" | "hdnts" | "hdnea" | "hdntl" | "__token__" | "__gda__" | "verify")
}

/// Whether a parameter is named like a secret, in any spelling: `apiKey`, `api-key`, `X_API_KEY`.
fn is_secret_name(name: &str) -> bool {
    let letters: String = name.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    let whole = [
        "key", "auth", "code", "sig", "sign", "sas", "pass", "pwd", "pw", "sid", "session", "hmac", "mac", "ticket",
        "otp", "pin", "nonce", "ak", "sk", "ck", "cookie", "jwt", "bearer", "user", "username",
    ];
    let inside = [
        "token",
        "secret",
        "password",
        "passwd",
        "passphrase",
        "signature",
        "apikey",
        "accesskey",
        "authkey",
        "privatekey",
        "secretkey",
        "sharekey",
        "subscriptionkey",
        "resourcekey",
        "credential",
        "authorization",
        "authentication",
        "jwt",
        "session",
        "bearer",
        "cookie",
    ];
    whole.contains(&letters.as_str()) || inside.iter().any(|word| letters.contains(word))
}

/// Names of versions: random-looking, public, and part of which object is meant.
fn is_version_name(name: &str) -> bool {
    matches!(name, "versionid" | "version-id" | "version_id" | "generation" | "snapshot")
}

// ---- what looks random -----------------------------------------------------------------------------------------

/// Shorter values are left alone: they hold too little to be a key, and too often a name.
const RANDOM_LEN_MIN: usize = 20;

/// Whether a value contains a long run that looks like random base64, base32, hexadecimal digits or a UUID.
///
/// Random text changes between letters, digits and cases much more often than names do; random letters of one case
/// have fewer vowels. A name taken for random costs a value in a list; the reverse would store a secret, so the
/// limits lean to the first.
fn looks_random(value: &str) -> bool {
    let in_run = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '-' | '_' | '.' | '~');
    value.split(|c| !in_run(c)).any(|run| run.len() >= RANDOM_LEN_MIN && run_looks_random(run))
}

fn run_looks_random(run: &str) -> bool {
    let pieces = || run.split(|c: char| !c.is_ascii_alphanumeric()).map(str::as_bytes);
    let len: usize = pieces().map(<[u8]>::len).sum();
    let changes: usize = pieces().map(changes).sum();
    let hex = pieces().flatten().all(u8::is_ascii_hexdigit);
    // Nearly all separators: a ruler, a version, a date.
    len * 5 >= RANDOM_LEN_MIN * 4 && (changes * 5 > len || hex || pieces().any(piece_looks_random))
}

/// How often letters, digits and cases follow each other. A capital before small letters is how words begin.
fn changes(piece: &[u8]) -> usize {
    let class = |b: u8| (b.is_ascii_digit(), b.is_ascii_uppercase());
    let changed = |w: &&[u8]| class(w[0]) != class(w[1]) && !(w[0].is_ascii_uppercase() && w[1].is_ascii_lowercase());
    piece.windows(2).filter(changed).count()
}

/// The same question about letters and digits without anything between them.
fn piece_looks_random(piece: &[u8]) -> bool {
    let count = |test: fn(&u8) -> bool| piece.iter().filter(|b| test(b)).count();
    let (letters, digits) = (count(u8::is_ascii_alphabetic), count(u8::is_ascii_digit));
    let vowels = count(|b| b"aeiouyAEIOUY".contains(b));
    let one_case = count(u8::is_ascii_lowercase) == 0 && digits > 0;
    piece.len() >= 16 && changes(piece) * 4 >= piece.len()
        || piece.len() >= RANDOM_LEN_MIN && (one_case || vowels * 4 < letters)
}

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;

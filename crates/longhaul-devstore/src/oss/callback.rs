//! What happens when a client asks to be announced? The upload callback: one POST to the application's server after the
//! object is stored, signed with the store's own key. What the application answers is what the client gets.

use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use percent_encoding::percent_decode_str;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use serde_json::{Map, Value};

use super::call::{Call, Content, Reply};
use super::clock::Rest;
use super::disk::{Object, write_durably};
use super::refusal::Refusal;
use super::target::{Query, encode};
use super::variants::Row;
use super::wire::is_timeout;
use crate::request::Headers;

const PARAMETER_BYTES_MAX: usize = 5 << 10;
const ANSWER_BYTES_MAX: usize = 1 << 20;
const URLS_MAX: usize = 5;
/// How often a store that waits for an application looks whether it is to end.
const LOOK: Duration = Duration::from_millis(100);
/// As long as the service's own.
const KEY_BITS: usize = 2048;
/// ASN.1 `DigestInfo` of MD5 (RFC 8017, 9.2, note 1).
const MD5_PREFIX: [u8; 18] =
    [0x30, 0x20, 0x30, 0x0c, 0x06, 0x08, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x05, 0x05, 0x00, 0x04, 0x10];

/// A callback that was asked for.
#[derive(Debug)]
pub(crate) struct Callback {
    urls: Vec<String>,
    host: Option<String>,
    body: String,
    json: bool,
    /// `x:name` and its value.
    variables: Vec<(String, String)>,
}

/// What is told of the object.
pub(crate) struct Stored {
    etag: String,
    size: u64,
    mime_type: String,
    crc64: u64,
    content_md5: String,
}

impl Stored {
    pub(crate) fn of(object: &Object) -> Stored {
        let facts = &object.facts;
        let mime = facts.headers.iter().find(|(name, _)| name == "Content-Type").map(|(_, value)| value.clone());
        Stored {
            etag: facts.etag.clone(),
            size: facts.size,
            mime_type: mime.unwrap_or_default(),
            crc64: facts.crc64,
            content_md5: facts.content_md5.clone().unwrap_or_default(),
        }
    }
}

/// Reads what a request says about a callback, before anything is stored.
///
/// # Errors
/// `InvalidArgument` for what cannot be understood or stands in two places.
pub(crate) fn asked(query: &Query, headers: &Headers) -> Result<Option<Callback>, Refusal> {
    let wrong = |message: &str| Refusal::invalid_argument("callback", "", message);
    let part = |in_header: &str, in_query: &str| match (headers.get(in_header), query.get(in_query)) {
        (Some(_), Some(_)) => Err(wrong("A callback is given in header and query.")),
        (Some(text), None) | (None, Some(text)) => Ok(Some(text.to_owned())),
        (None, None) => Ok(None),
    };
    let Some(parameter) = part("x-oss-callback", "callback")? else { return Ok(None) };
    let object = |text: &str| -> Option<Map<String, Value>> {
        if text.len() > PARAMETER_BYTES_MAX {
            return None;
        }
        serde_json::from_slice(&STANDARD.decode(text).ok()?).ok()
    };
    let settings = object(&parameter).ok_or_else(|| wrong("The callback configuration is not json format."))?;
    let text = |name: &str| settings.get(name).and_then(Value::as_str).map(str::to_owned);
    let urls = text("callbackUrl").filter(|urls| !urls.is_empty()).ok_or_else(|| wrong("callbackUrl is missing."))?;
    let urls: Vec<String> = urls.split(';').map(|url| url.trim().to_owned()).filter(|url| !url.is_empty()).collect();
    if urls.is_empty() || urls.len() > URLS_MAX {
        return Err(wrong("callbackUrl names none or too many addresses."));
    }
    let body = text("callbackBody").filter(|body| !body.is_empty()).ok_or_else(|| wrong("callbackBody is missing."))?;
    let json = match text("callbackBodyType").as_deref() {
        None | Some("") | Some("application/x-www-form-urlencoded") => false,
        Some("application/json") => true,
        Some(_) => return Err(wrong("callbackBodyType is not known.")),
    };
    let mut variables = Vec::new();
    if let Some(parameter) = part("x-oss-callback-var", "callback-var")? {
        let given = object(&parameter).ok_or_else(|| wrong("The callback-var is not json format."))?;
        for (name, value) in given {
            let proper = name.starts_with("x:") && !name.bytes().any(|byte| byte.is_ascii_uppercase());
            match value.as_str() {
                Some(value) if proper => variables.push((name, value.to_owned())),
                _ => return Err(wrong("A key of callback-var must begin with x: and be in lower case.")),
            }
        }
    }
    Ok(Some(Callback { urls, host: text("callbackHost").filter(|host| !host.is_empty()), body, json, variables }))
}

impl Callback {
    /// Calls, and makes the client's answer: the application's, or 203 with what went wrong.
    pub(crate) fn finish(&self, call: &Call<'_, '_>, stored: &Stored, stored_reply: Reply) -> Reply {
        let known = Known { call, stored, variables: &self.variables };
        let body = substitute(&self.body, self.json, |name| known.value(name));
        let mut why = String::new();
        for url in &self.urls {
            match self.post(call, url, &body) {
                Ok(answer) => {
                    let mut reply = stored_reply.header("Content-Type", "application/json");
                    reply.content = Content::Bytes(answer);
                    return reply;
                }
                Err(error) => why = error,
            }
        }
        let refusal = Refusal::new(203, "CallbackFailed", format!("Error status : {why}.")).ec("0007-00000203");
        let mut reply = stored_reply.header("Content-Type", "application/xml").header("x-oss-ec", refusal.ec);
        reply.status = 203;
        reply.content = Content::Bytes(refusal.body(call.request_id, call.headers.get("Host").unwrap_or_default()));
        reply
    }

    /// Posts once; the answer's body, or why it does not count. No secrets: URLs are not repeated.
    fn post(&self, call: &Call<'_, '_>, url: &str, body: &str) -> Result<Vec<u8>, String> {
        let rest = url.strip_prefix("http://").ok_or("this store calls back over plain http only")?;
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(at);
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        if target.bytes().chain(authority.bytes()).any(|byte| byte <= b' ' || byte >= 0x7f) {
            return Err("the callbackUrl is malformed".to_owned());
        }
        let signature = call.store.callbacks.sign(&target, body)?;
        let content_type = if self.json { "application/json" } else { "application/x-www-form-urlencoded" };
        let host = self.host.as_deref().unwrap_or(authority);
        if host.bytes().any(|byte| byte <= b' ' || byte >= 0x7f) {
            return Err("the callbackHost is malformed".to_owned());
        }
        let key_url = STANDARD.encode(format!("{}/callback-key.pem", call.store.admin));
        let head = format!(
            "POST {target} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\nAuthorization: \
             {signature}\r\nContent-Type: {content_type}\r\nUser-Agent: http-client/0.0.1\r\nx-oss-pub-key-url: \
             {key_url}\r\nx-oss-request-id: {}\r\nx-oss-bucket: {}\r\n\r\n",
            body.len(),
            call.request_id,
            call.resource.bucket,
        );
        let with_port = if authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
        // Each address has its time, since one that is silent is why there is another; making the key is not in it.
        let until = Instant::now() + call.store.settings.callback_patience;
        let stream = connect(&with_port, until)?;
        let answer = exchange(&stream, &[head.as_bytes(), body.as_bytes()].concat(), until, &call.store.rest)
            .map_err(|error| format!("callback server did not answer ({})", error.kind()))?;
        accepted(&answer)
    }
}

fn connect(authority: &str, until: Instant) -> Result<TcpStream, String> {
    let addresses = authority.to_socket_addrs().map_err(|_| "callback server has no address".to_owned())?;
    for address in addresses {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        if let Ok(stream) = TcpStream::connect_timeout(&address, left) {
            return Ok(stream);
        }
    }
    Err("callback server cannot be reached".to_owned())
}

/// Sends, and reads until the connection ends or the store does.
fn exchange(mut stream: &TcpStream, request: &[u8], until: Instant, rest: &Rest) -> io::Result<Vec<u8>> {
    let left = || match until.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::Error::from(io::ErrorKind::TimedOut)),
        left => Ok(Some(left)),
    };
    stream.set_write_timeout(left()?)?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        rest.go_on()?;
        stream.set_read_timeout(left()?.map(|left| left.min(LOOK)))?;
        match stream.read(&mut piece) {
            Ok(0) => return Ok(answer),
            Ok(count) => answer.extend_from_slice(&piece[..count]),
            Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if answer.len() > 2 * ANSWER_BYTES_MAX || is_whole(&answer) {
            return Ok(answer);
        }
    }
}

/// A server that keeps the connection open has still said everything.
fn is_whole(answer: &[u8]) -> bool {
    head(answer).is_some_and(|(_, length, at)| length.is_some_and(|length| answer.len() - at >= length))
}

/// Status, Content-Length, and where the body begins.
fn head(answer: &[u8]) -> Option<(u16, Option<usize>, usize)> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut fields);
    let Ok(httparse::Status::Complete(at)) = head.parse(answer) else { return None };
    let length = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case("Content-Length"));
    let length = length.and_then(|field| std::str::from_utf8(field.value).ok()?.trim().parse().ok());
    Some((head.code?, length, at))
}

/// The body, if the answer counts: 200, JSON, its length told, not too long.
fn accepted(answer: &[u8]) -> Result<Vec<u8>, String> {
    let (status, length, at) = head(answer).ok_or("callback server answered no HTTP")?;
    if status != 200 {
        return Err(format!("{status}"));
    }
    let length = length.ok_or("callback server sent no Content-Length")?;
    if length > ANSWER_BYTES_MAX {
        return Err("callback server sent too much".to_owned());
    }
    let body = answer.get(at..at + length).ok_or("callback server sent less than it said")?;
    if serde_json::from_slice::<Value>(body).is_err() {
        return Err("Response body is not valid json format".to_owned());
    }
    Ok(body.to_vec())
}

struct Known<'a, 'c, 'w> {
    call: &'a Call<'c, 'w>,
    stored: &'a Stored,
    variables: &'a [(String, String)],
}

impl Known<'_, '_, '_> {
    /// A variable's value, and whether it is a number.
    fn value(&self, name: &str) -> (String, bool) {
        const NEWER: [&str; 5] = ["crc64", "contentMd5", "clientIp", "reqId", "operation"];
        let text = |text: &str| (text.to_owned(), false);
        if NEWER.contains(&name) && self.call.store.variants.says(Row::CallbackVariables) == "old" {
            return text("");
        }
        match name {
            "bucket" => text(&self.call.resource.bucket),
            "object" => text(&self.call.resource.key),
            "etag" => text(&self.stored.etag),
            "size" => (self.stored.size.to_string(), true),
            "mimeType" => text(&self.stored.mime_type),
            "crc64" => text(&self.stored.crc64.to_string()),
            "contentMd5" => text(&self.stored.content_md5),
            "clientIp" => text(&self.call.client.map(|ip: IpAddr| ip.to_string()).unwrap_or_default()),
            "reqId" => text(self.call.request_id),
            "operation" => text(self.call.op.name()),
            // Images are not looked into, and there is no VPC: empty, as for an object that is no image.
            _ => text(self.variables.iter().find(|(have, _)| have == name).map_or("", |(_, value)| value.as_str())),
        }
    }
}

/// Puts values in the place of `${…}`.
fn substitute(template: &str, json: bool, value: impl Fn(&str) -> (String, bool)) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        let Some(end) = from.find('}') else {
            text.push_str(from);
            return text;
        };
        let (value, is_number) = value(&from[2..end]);
        match (json, is_number) {
            (true, true) => text.push_str(&value),
            (true, false) => text.push_str(&Value::from(value).to_string()),
            (false, _) => text.push_str(&encode(&value)),
        }
        rest = &from[end + 1..];
    }
    text.push_str(rest);
    text
}

/// The key that signs callbacks, made when it is first needed and kept.
pub(crate) struct Signing {
    file: PathBuf,
    key: Mutex<Option<RsaPrivateKey>>,
}

impl Signing {
    pub(crate) fn new(folder: &Path) -> Signing {
        Signing { file: folder.join("callback-key.pem"), key: Mutex::new(None) }
    }

    /// `Authorization` of a callback: RSA, PKCS #1 v1.5, over the MD5 of path, query and body.
    fn sign(&self, target: &str, body: &str) -> Result<String, String> {
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let mut text = percent_decode_str(path).collect::<Vec<u8>>();
        if let Some(query) = query {
            text.extend_from_slice(format!("?{query}").as_bytes());
        }
        text.push(b'\n');
        text.extend_from_slice(body.as_bytes());
        let scheme = Pkcs1v15Sign { hash_len: Some(16), prefix: MD5_PREFIX.into() };
        let signature = self.with_key(|key| key.sign(scheme, &Md5::digest(&text)))?;
        Ok(STANDARD.encode(signature.map_err(|_| "the callback could not be signed")?))
    }

    /// The public key, for who verifies.
    pub(crate) fn public_pem(&self) -> Result<String, String> {
        let pem = self.with_key(|key| key.to_public_key().to_public_key_pem(LineEnding::LF))?;
        pem.map_err(|_| "the callback key cannot be written".to_owned())
    }

    fn with_key<T>(&self, use_key: impl FnOnce(&RsaPrivateKey) -> T) -> Result<T, String> {
        let mut key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if key.is_none() {
            *key = Some(self.load_or_make()?);
        }
        key.as_ref().map(use_key).ok_or_else(|| "there is no callback key".to_owned())
    }

    fn load_or_make(&self) -> Result<RsaPrivateKey, String> {
        if let Ok(pem) = std::fs::read_to_string(&self.file) {
            return RsaPrivateKey::from_pkcs8_pem(&pem).map_err(|_| "the callback key cannot be read".to_owned());
        }
        let made = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, KEY_BITS);
        let key = made.map_err(|_| "no callback key could be made")?;
        let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|_| "the callback key cannot be written")?;
        write_durably(&self.file, pem.as_bytes(), true).map_err(|_| "the callback key cannot be written")?;
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use rsa::RsaPublicKey;
    use rsa::pkcs8::DecodePublicKey;

    use super::*;

    #[test]
    fn variables_are_put_in_as_the_body_type_demands() {
        let value = |name: &str| match name {
            "object" => ("a b\"/é".to_owned(), false),
            "size" => ("7".to_owned(), true),
            _ => (String::new(), false),
        };
        for (template, json, expected) in [
            ("object=${object}&size=${size}&none=${x:none}", false, "object=a%20b%22%2F%C3%A9&size=7&none="),
            ("{\"o\":${object},\"s\":${size}}", true, "{\"o\":\"a b\\\"/é\",\"s\":7}"),
            ("plain", false, "plain"),
            ("open ${size", false, "open ${size"),
        ] {
            assert_eq!(substitute(template, json, value), expected);
        }
    }

    #[test]
    fn what_is_no_callback_is_refused_before_anything_is_stored() {
        let code = |settings: &str, variables: Option<&str>| {
            let mut headers = Headers::default();
            headers.set("x-oss-callback", STANDARD.encode(settings));
            if let Some(variables) = variables {
                headers.set("x-oss-callback-var", STANDARD.encode(variables));
            }
            asked(&Query::default(), &headers).map(|callback| callback.is_some()).map_err(|refusal| refusal.code)
        };
        let good = r#"{"callbackUrl":"http://a/;http://b/","callbackBody":"x=${size}"}"#;
        assert_eq!(code(good, None), Ok(true));
        assert_eq!(code(good, Some(r#"{"x:a":"1"}"#)), Ok(true));
        let wrong = Err("InvalidArgument".to_owned());
        for (settings, variables) in [
            ("no json", None),
            ("{}", None),
            (r#"{"callbackUrl":"http://a/"}"#, None),
            (r#"{"callbackUrl":"a;b;c;d;e;f","callbackBody":"x"}"#, None),
            (r#"{"callbackUrl":"a","callbackBody":"x","callbackBodyType":"text/plain"}"#, None),
            (good, Some(r#"{"a":"1"}"#)),
            (good, Some(r#"{"x:A":"1"}"#)),
            (good, Some(r#"{"x:a":1}"#)),
        ] {
            assert_eq!(code(settings, variables), wrong, "{settings} {variables:?}");
        }
        let mut headers = Headers::default();
        headers.set("x-oss-callback", STANDARD.encode(good));
        let query = Query(vec![("callback".into(), STANDARD.encode(good))]);
        assert_eq!(asked(&query, &headers).unwrap_err().code, "InvalidArgument");
    }

    #[test]
    fn only_a_200_of_json_with_its_length_counts() {
        for (answer, counts) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", true),
            ("HTTP/1.1 200 OK\r\n\r\n{}", false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", false),
            ("HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\n{}", false),
            ("nothing", false),
        ] {
            assert_eq!(accepted(answer.as_bytes()).is_ok(), counts, "{answer}");
        }
    }

    #[test]
    fn a_callback_is_signed_so_that_the_public_key_verifies_it_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let signature = Signing::new(folder.path()).sign("/a%20b?c=%20", "body").unwrap();
        let again = Signing::new(folder.path());
        let public = RsaPublicKey::from_public_key_pem(&again.public_pem().unwrap()).unwrap();
        let verify = |text: &str| {
            let scheme = Pkcs1v15Sign { hash_len: Some(16), prefix: MD5_PREFIX.into() };
            public.verify(scheme, &Md5::digest(text), &STANDARD.decode(&signature).unwrap()).is_ok()
        };
        assert!(verify("/a b?c=%20\nbody") && !verify("/a%20b?c=%20\nbody"));
    }
}

//! How is a form read? The body of a PostObject: `multipart/form-data` (RFC 7578), fields first, the file last.
//!
//! Fields are read whole, up to a bound, and the file as a stream: its end is the next boundary, so what may be the
//! beginning of one is held back until more is there. What was read beyond the fields is given back to the body, which
//! lets a fault strike at the same byte as in a PUT.

use std::io::{self, Read};

use super::call::unread;
use super::refusal::Refusal;
use super::wire::Body;
use crate::request::Headers;

/// A policy of hundreds of conditions, or a callback, which may have 5 KiB, are far below.
const FIELD_BYTES_MAX: usize = 64 << 10;
/// All fields together, and what stands around them.
const FIELDS_BYTES_MAX: usize = 256 << 10;
const FIELDS_MAX: usize = 256;
/// RFC 2046 allows 70 characters; some clients take more.
const BOUNDARY_BYTES_MAX: usize = 200;
const PIECE: usize = 64 << 10;

/// The fields of a form, and what stands at its file.
#[derive(Debug)]
pub(crate) struct Form {
    /// In their order, the names as they were written.
    fields: Vec<(String, String)>,
    /// Without folders; empty when the client told none.
    pub(crate) file_name: String,
    /// What the client says about the file in front of it.
    file_type: Option<String>,
    boundary: String,
}

impl Form {
    /// Whether a request's body says that it is a form.
    pub(crate) fn is_told(headers: &Headers) -> bool {
        headers.get("Content-Type").is_some_and(|value| {
            value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("multipart/form-data")
        })
    }

    /// Reads the fields up to the file.
    ///
    /// # Errors
    /// `MalformedPOSTRequest` for what is no form, and OSS's own codes for fields that are too long and for a form
    /// without a file.
    pub(crate) fn read(body: &mut Body<'_>, headers: &Headers) -> Result<Form, Refusal> {
        let content_type = headers.get("Content-Type").unwrap_or_default();
        let boundary = parameter(content_type, "boundary")
            .filter(|boundary| (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()))
            .ok_or_else(malformed)?;
        let mut form = Form { fields: Vec::new(), file_name: String::new(), file_type: None, boundary };
        let mut ahead = Ahead { body, bytes: Vec::new(), at: 0 };
        let delimiter = format!("--{}", form.boundary);
        // What stands in front of the first boundary is no part (RFC 2046, 5.1.1).
        ahead.take_through(delimiter.as_bytes())?;
        let delimiter = format!("\r\n{delimiter}");
        loop {
            let line_end = ahead.take_through(b"\r\n")?;
            if line_end.starts_with(b"--") {
                return Err(without_file());
            }
            if !line_end.iter().all(|byte| matches!(byte, b' ' | b'\t')) {
                return Err(malformed());
            }
            let part = Part::parse(&ahead.take_head()?)?;
            if part.name.eq_ignore_ascii_case("file") {
                form.file_name = part.file_name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
                form.file_type = part.content_type;
                let beyond = ahead.bytes.split_off(ahead.at);
                ahead.body.give_back(&beyond);
                return Ok(form);
            }
            let value = ahead.take_through(delimiter.as_bytes())?;
            if value.len() > FIELD_BYTES_MAX || part.name.len() > FIELD_BYTES_MAX {
                return Err(Refusal::new(400, "FieldItemTooLong", "A field of your form is too long."));
            }
            if form.fields.len() == FIELDS_MAX {
                return Err(too_much());
            }
            form.fields.push((part.name, String::from_utf8(value).map_err(|_| malformed())?));
        }
    }

    /// The first field of that name, in any case.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// What the object's type is to be: the first of these that is given.
    pub(crate) fn content_type(&self) -> Option<&str> {
        self.get("x-oss-content-type").or_else(|| self.get("Content-Type")).or(self.file_type.as_deref())
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The key, with the file's name where the form wants it.
    pub(crate) fn key(&self) -> Result<String, Refusal> {
        let message = "A form needs a field named key, in front of its file.";
        let key = self.get("key").filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| Refusal::invalid_argument("key", "", message))?;
        let key = key.replace("${filename}", &self.file_name);
        if key.is_empty() { Err(Refusal::invalid_argument("key", "", message)) } else { Ok(key) }
    }

    /// The fields that a PUT would have as header fields, under the names that it gives them.
    ///
    /// # Errors
    /// `InvalidArgument` for a value that no header field can have.
    pub(crate) fn as_headers(&self) -> Result<Headers, Refusal> {
        const CONTENT: [&str; 5] =
            ["Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Expires"];
        /// What proves who asks; it is no part of the object.
        const PROOF: [&str; 7] = [
            "x-oss-content-type",
            "x-oss-credential",
            "x-oss-date",
            "x-oss-security-token",
            "x-oss-signature",
            "x-oss-signature-version",
            "x-oss-additional-headers",
        ];
        let mut headers = Headers::default();
        let mut variables = serde_json::Map::new();
        for (name, value) in self.fields() {
            let lower = name.to_ascii_lowercase();
            if lower.starts_with("x:") {
                variables.insert(lower, value.into());
            } else if lower == "callback" || lower == "callback-var" {
                headers.add(format!("x-oss-{lower}"), value);
            } else if CONTENT.iter().any(|have| have.eq_ignore_ascii_case(name))
                || (lower.starts_with("x-oss-") && !PROOF.contains(&lower.as_str()))
            {
                headers.add(lower, value);
            }
        }
        if let Some(content_type) = self.content_type() {
            headers.add("Content-Type", content_type);
        }
        if !variables.is_empty() {
            use base64::Engine as _;
            let variables = serde_json::Value::from(variables).to_string();
            headers.set("x-oss-callback-var", base64::engine::general_purpose::STANDARD.encode(variables));
        }
        for (name, value) in headers.iter() {
            let no_token = |byte: &u8| !byte.is_ascii_alphanumeric() && !b"!#$%&'*+-.^_`|~".contains(byte);
            if value.iter().any(|byte| *byte < b' ' || *byte == 0x7f) || name.as_bytes().iter().any(no_token) {
                let message = "A field of the object has a name or a value that it cannot have.";
                return Err(Refusal::invalid_argument(name, "", message));
            }
        }
        Ok(headers)
    }
}

fn malformed() -> Refusal {
    let message = "The body of your POST request is not well-formed multipart/form-data.";
    Refusal::new(400, "MalformedPOSTRequest", message)
}

/// A POST to a bucket that is no form.
pub(crate) fn no_form() -> Refusal {
    malformed().with("Header", "Content-Type")
}

fn too_much() -> Refusal {
    let message = "The fields in front of the file are too long or too many.";
    Refusal::new(400, "MaxPOSTPreDataLengthExceededError", message).with("MaxLength", FIELDS_BYTES_MAX)
}

fn without_file() -> Refusal {
    let message = "POST requires exactly one file upload per request, in a field named file behind all others.";
    Refusal::new(400, "IncorrectNumberOfFilesInPOSTRequest", message)
}

/// What of the body was read, and how far it was looked at.
struct Ahead<'b, 'w> {
    body: &'b mut Body<'w>,
    bytes: Vec<u8>,
    at: usize,
}

impl Ahead<'_, '_> {
    /// The bytes up to `end`, and goes behind it.
    fn take_through(&mut self, end: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut from = self.at;
        loop {
            if let Some(found) = position(&self.bytes[from..], end) {
                let taken = self.bytes[self.at..from + found].to_vec();
                self.at = from + found + end.len();
                return Ok(taken);
            }
            from = self.at.max((self.bytes.len() + 1).saturating_sub(end.len()));
            if self.bytes.len() > FIELDS_BYTES_MAX {
                return Err(too_much());
            }
            let mut piece = [0; 4096];
            match self.body.read(&mut piece).map_err(unread)? {
                0 => return Err(malformed()),
                count => self.bytes.extend_from_slice(&piece[..count]),
            }
        }
    }

    /// The lines above a part, with the empty one.
    fn take_head(&mut self) -> Result<Vec<u8>, Refusal> {
        let mut head = Vec::new();
        loop {
            let line = self.take_through(b"\r\n")?;
            if line.is_empty() {
                head.extend_from_slice(b"\r\n");
                return Ok(head);
            }
            head.extend_from_slice(&line);
            head.extend_from_slice(b"\r\n");
        }
    }
}

/// Where a sequence begins that begins with a rare byte.
fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let (&first, rest) = wanted.split_first()?;
    let mut from = 0;
    while let Some(found) = bytes[from..].iter().position(|byte| *byte == first) {
        if bytes[from + found + 1..].starts_with(rest) {
            return Some(from + found);
        }
        from += found + 1;
    }
    None
}

/// What stands above a value.
struct Part {
    name: String,
    file_name: String,
    content_type: Option<String>,
}

impl Part {
    fn parse(head: &[u8]) -> Result<Part, Refusal> {
        let mut fields = [httparse::EMPTY_HEADER; 16];
        let Ok(httparse::Status::Complete((_, fields))) = httparse::parse_headers(head, &mut fields) else {
            return Err(malformed());
        };
        let get = |name: &str| {
            let field = fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(field.value).ok()
        };
        let disposition = get("Content-Disposition").ok_or_else(malformed)?;
        let kind = disposition.split(';').next().unwrap_or_default().trim();
        let name = parameter(disposition, "name").filter(|_| kind.eq_ignore_ascii_case("form-data"));
        // RFC 5987, as some libraries write it, though RFC 7578 does not want it in forms.
        let extended = parameter(disposition, "filename*").and_then(|text| {
            let (_, encoded) = text.split_once("''").filter(|(charset, _)| charset.eq_ignore_ascii_case("utf-8"))?;
            Some(percent_encoding::percent_decode_str(encoded).decode_utf8().ok()?.into_owned())
        });
        Ok(Part {
            name: unescaped(&name.ok_or_else(malformed)?),
            file_name: extended.or_else(|| Some(unescaped(&parameter(disposition, "filename")?))).unwrap_or_default(),
            content_type: get("Content-Type").map(str::to_owned),
        })
    }
}

/// The value of `name=value` or `name="value"` behind a semicolon.
fn parameter(field: &str, wanted: &str) -> Option<String> {
    let mut rest = field;
    while let Some((_, next)) = rest.split_once(';') {
        let (name, value) = next.split_once('=')?;
        let value = value.trim_start();
        let (text, after) = match value.strip_prefix('"') {
            Some(quoted) => {
                let bytes = quoted.as_bytes();
                let end = (0..bytes.len()).find(|&at| bytes[at] == b'"' && (at == 0 || bytes[at - 1] != b'\\'))?;
                (quoted[..end].replace("\\\"", "\""), &quoted[end + 1..])
            }
            None => {
                let end = value.find(';').unwrap_or(value.len());
                (value[..end].trim().to_owned(), &value[end..])
            }
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(text);
        }
        rest = after;
    }
    None
}

/// Browsers write a quote as `%22` and the ends of lines as `%0D` and `%0A`, and escape nothing else (HTML, "multipart
/// form data").
fn unescaped(text: &str) -> String {
    text.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n")
}

/// The file of a form, up to the boundary behind it.
pub(crate) struct File<'b, 'w> {
    body: &'b mut Body<'w>,
    delimiter: Vec<u8>,
    /// Read from the body; handed out up to `at`; free of the delimiter up to `clear`.
    bytes: Vec<u8>,
    at: usize,
    clear: usize,
    /// The delimiter was found.
    ended: bool,
}

impl<'b, 'w> File<'b, 'w> {
    /// The file of a form whose fields were read from this body.
    pub(crate) fn new(form: &Form, body: &'b mut Body<'w>) -> File<'b, 'w> {
        let delimiter = format!("\r\n--{}", form.boundary).into_bytes();
        File { body, delimiter, bytes: Vec::new(), at: 0, clear: 0, ended: false }
    }

    /// Whether the form went on as one behind the file; what else it has is of no interest.
    ///
    /// # Errors
    /// `MalformedPOSTRequest` when the body ended before the file did.
    pub(crate) fn finish(mut self) -> Result<(), Refusal> {
        while self.ended && self.bytes.len() < self.at + 2 {
            if self.fill().map_err(unread)? == 0 {
                return Err(malformed());
            }
        }
        let behind = self.bytes.get(self.at..self.at + 2).filter(|_| self.ended);
        if behind.is_some_and(|two| two == b"--" || matches!(two[0], b'\r' | b' ' | b'\t')) {
            Ok(())
        } else {
            Err(malformed())
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        self.bytes.drain(..self.at);
        self.clear -= self.at;
        self.at = 0;
        let have = self.bytes.len();
        self.bytes.resize(have + PIECE, 0);
        let count = self.body.read(&mut self.bytes[have..]);
        self.bytes.truncate(have + count.as_ref().copied().unwrap_or(0));
        count
    }
}

impl Read for File<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.at < self.clear {
                let count = into.len().min(self.clear - self.at);
                into[..count].copy_from_slice(&self.bytes[self.at..self.at + count]);
                self.at += count;
                return Ok(count);
            }
            if self.ended || into.is_empty() {
                return Ok(0);
            }
            match position(&self.bytes[self.at..], &self.delimiter) {
                Some(0) => {
                    self.ended = true;
                    self.at += self.delimiter.len();
                    self.clear = self.at;
                }
                Some(found) => self.clear = self.at + found,
                None => {
                    // The last bytes may be the beginning of the delimiter.
                    self.clear = self.at.max((self.bytes.len() + 1).saturating_sub(self.delimiter.len()));
                    if self.at == self.clear && self.fill()? == 0 {
                        return Ok(0); // without its end; finish() says so
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;
    use crate::oss::wire::{Length, Patience, Wire};

    /// Reads a form and its file, in reads of so many bytes.
    fn read(boundary: &str, sent: &[u8], step: usize) -> Result<(Form, Vec<u8>), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let long = Duration::from_secs(60);
        let sent = sent.to_vec();
        let length = Length::Known(sent.len() as u64);
        let sending = std::thread::spawn(move || {
            let _ = client.write_all(&sent); // the reader may have enough
            let _ = client.shutdown(Shutdown::Write);
        });
        let mut wire = Wire::new(stream, Patience { idle: long, head: long, body: long });
        let rest = crate::oss::clock::Rest::default();
        let mut body = Body::new(&mut wire, length, false, &rest);
        let mut headers = Headers::default();
        headers.add("Content-Type", format!("multipart/form-data; boundary={boundary}"));
        let outcome = Form::read(&mut body, &headers).map_err(|refusal| refusal.code).and_then(|form| {
            let mut file = File::new(&form, &mut body);
            let mut bytes = Vec::new();
            let mut piece = vec![0; step];
            loop {
                match file.read(&mut piece).unwrap() {
                    0 => break,
                    count => bytes.extend_from_slice(&piece[..count]),
                }
            }
            file.finish().map_err(|refusal| refusal.code)?;
            Ok((form, bytes))
        });
        drop(wire);
        sending.join().unwrap();
        outcome
    }

    fn form(fields: &[(&str, &str)], file: &[u8]) -> Vec<u8> {
        let mut sent = Vec::new();
        for (name, value) in fields {
            sent.extend_from_slice(
                format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").as_bytes(),
            );
        }
        let head = "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"C:\\dir\\a b.txt\"\r\n\
                    Content-Type: text/x-part\r\n\r\n";
        sent.extend_from_slice(head.as_bytes());
        sent.extend_from_slice(file);
        sent.extend_from_slice(b"\r\n--B--\r\n");
        sent
    }

    #[test]
    fn a_file_is_whole_whatever_in_it_looks_like_its_end() {
        let mut long = vec![b'x'; PIECE - 3];
        long.extend_from_slice(b"\r\n--A and \r\n-- and \r\r\n--");
        long.extend(std::iter::repeat_n(b"\r\n-", 30_000).flatten());
        for file in [&b""[..], b"abc", b"\r\n", b"\r\n--", b"--B", b"\n--B--", b"\r\n--\r\n--A", &long] {
            for step in [1, 7, 1 << 20] {
                let (form, bytes) = read("B", &form(&[("key", "k")], file), step).unwrap();
                assert!(bytes == file, "{} bytes in steps of {step}", file.len());
                assert_eq!((form.key().unwrap().as_str(), form.file_name.as_str()), ("k", "a b.txt"));
            }
        }
    }

    #[test]
    fn names_are_found_in_every_spelling() {
        let fields =
            [("KEY", "dir/${filename}"), ("x-oss-meta-A", "1"), ("X:Var", "v"), ("success_action_status", "200")];
        let (form, _) = read("\"B\"", &form(&fields, b"abc"), 10).unwrap();
        assert_eq!(form.key().unwrap(), "dir/a b.txt");
        let headers = form.as_headers().unwrap();
        assert_eq!(headers.get("x-oss-meta-a"), Some("1"));
        assert_eq!(headers.get("Content-Type"), Some("text/x-part"));
        assert!(headers.has("x-oss-callback-var") && !headers.has("success_action_status") && !headers.has("key"));
        for (disposition, name, file_name) in [
            ("form-data; name=key", "key", ""),
            ("form-data;name=\"a%22b\";filename=\"c;d=e.txt\"", "a\"b", "c;d=e.txt"),
            ("form-data; filename=\"a\\\"b\"; name=\"file\"", "file", "a\"b"),
            ("form-data; name=\"file\"; filename=\"x\"; filename*=UTF-8''%E4%B8%AD", "file", "中"),
        ] {
            let part = Part::parse(format!("Content-Disposition: {disposition}\r\n\r\n").as_bytes()).unwrap();
            assert_eq!((part.name.as_str(), part.file_name.as_str()), (name, file_name), "{disposition}");
        }
    }

    #[test]
    fn what_is_no_form_is_refused() {
        let plain = form(&[("key", "k")], b"abc");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let without_end = text(&plain).replace("\r\n--B--\r\n", "");
        let without_file =
            text(&plain).split("--B\r\nContent-Disposition: form-data; name=\"file\"").next().unwrap().to_owned();
        for (boundary, sent, code) in [
            ("", plain.clone(), "MalformedPOSTRequest"),
            ("C", plain.clone(), "MalformedPOSTRequest"),
            ("B", without_end.into_bytes(), "MalformedPOSTRequest"),
            ("B", text(&plain).replace("--B--", "--Bad--").into_bytes(), "MalformedPOSTRequest"),
            ("B", text(&plain).replace("form-data; name=\"key\"", "attachment").into_bytes(), "MalformedPOSTRequest"),
            ("B", format!("{without_file}--B--\r\n").into_bytes(), "IncorrectNumberOfFilesInPOSTRequest"),
            ("B", form(&[("key", &"k".repeat(FIELD_BYTES_MAX + 1))], b""), "FieldItemTooLong"),
            ("B", form(&[("key", &"k".repeat(2 * FIELDS_BYTES_MAX))], b""), "MaxPOSTPreDataLengthExceededError"),
            ("B", form(&vec![("key", "k"); FIELDS_MAX + 1], b""), "MaxPOSTPreDataLengthExceededError"),
        ] {
            assert_eq!(read(boundary, &sent, 10).map(|_| ()), Err(code.to_owned()));
        }
        let (form, _) = read("B", &form(&[("key", "k"), ("x-oss-meta-a", "b\r\nInjected: c")], b""), 10).unwrap();
        assert_eq!(form.as_headers().unwrap_err().code, "InvalidArgument");
    }
}

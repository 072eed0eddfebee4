//! May the page of another origin do that? The CORS rules of a bucket: how they are read, which of them fits, and what
//! is said to the browser. By OSS's documentation ("PutBucketCors", "OptionObject") the first rule counts whose origin,
//! method and, for a preflight, header fields all fit.

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use super::xml::{self, Element, Writer};
use crate::request::Headers;

/// "PutBucketCors": the document has 16 KB at most. The console takes 20 rules, an older page of the documentation 10.
const DOCUMENT_BYTES_MAX: usize = 16 << 10;
const RULES_MAX: usize = 20;
const METHODS: [&str; 5] = ["GET", "PUT", "DELETE", "POST", "HEAD"];
const AGE_MAX: u32 = 999_999_999;

/// The rules of one bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cors {
    rules: Vec<Rule>,
    /// `Vary: Origin` with every answer.
    vary: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Rule {
    origins: Vec<String>,
    methods: Vec<String>,
    headers: Vec<String>,
    expose: Vec<String>,
    max_age: Option<u32>,
}

/// What a browser asks before it lets a page ask.
struct Preflight<'a> {
    origin: &'a str,
    method: &'a str,
    /// The fields that the page wants to send.
    headers: Vec<&'a str>,
}

impl Cors {
    /// Rules that let every page do everything.
    pub(crate) fn open() -> Cors {
        let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let expose = [
            "ETag",
            "Content-MD5",
            "x-oss-hash-crc64ecma",
            "x-oss-next-append-position",
            "x-oss-object-type",
            "x-oss-request-id",
            "x-oss-server-time",
        ];
        let rule = Rule {
            origins: all(&["*"]),
            methods: all(&METHODS),
            headers: all(&["*"]),
            expose: all(&expose),
            max_age: Some(600),
        };
        Cors { rules: vec![rule], vary: false }
    }

    /// Reads the document of a PutBucketCors.
    ///
    /// # Errors
    /// `MalformedXML`, or `InvalidArgument` for the element that cannot be so.
    pub(crate) fn parse(document: &[u8]) -> Result<Cors, Refusal> {
        if document.len() > DOCUMENT_BYTES_MAX {
            return Err(Refusal::malformed_xml());
        }
        let root = xml::parse(document).filter(|root| root.name == "CORSConfiguration");
        let root = root.ok_or_else(Refusal::malformed_xml)?;
        let rules: Vec<Rule> = root.all("CORSRule").map(Rule::parse).collect::<Result<_, _>>()?;
        if rules.is_empty() {
            return Err(Refusal::malformed_xml().ec("0034-00000002"));
        }
        if rules.len() > RULES_MAX {
            return Err(Refusal::malformed_xml());
        }
        let vary = match root.text_of("ResponseVary") {
            None | Some("false" | "False" | "FALSE") => false,
            Some("true" | "True" | "TRUE") => true,
            Some(other) => return Err(Refusal::invalid_argument("ResponseVary", other, "It is true or false.")),
        };
        Ok(Cors { rules, vary })
    }

    /// The document of a GetBucketCors.
    pub(crate) fn document(&self) -> Vec<u8> {
        let mut xml = Writer::new("CORSConfiguration");
        for rule in &self.rules {
            xml.begin("CORSRule");
            for (name, values) in [
                ("AllowedOrigin", &rule.origins),
                ("AllowedMethod", &rule.methods),
                ("AllowedHeader", &rule.headers),
                ("ExposeHeader", &rule.expose),
            ] {
                values.iter().for_each(|value| xml.leaf(name, value));
            }
            if let Some(seconds) = rule.max_age {
                xml.leaf("MaxAgeSeconds", seconds);
            }
            xml.end();
        }
        xml.leaf("ResponseVary", self.vary);
        xml.finish()
    }

    /// Adds to the fields of an answer what lets the page that asked see it.
    pub(crate) fn apply(&self, method: &str, asked: &Headers, answered: &mut Headers) {
        if self.vary {
            answered.add("Vary", "Origin");
        }
        // A preflight was answered by its own rule.
        if method == "OPTIONS" {
            return;
        }
        if let Some(origin) = asked.get("Origin")
            && let Some(rule) = self.rules.iter().find(|rule| rule.fits(origin, method))
        {
            rule.allow(origin, answered);
        }
    }

    fn preflight(&self, asked: &Preflight<'_>) -> Option<Headers> {
        let rule = self.rules.iter().find(|rule| {
            rule.fits(asked.origin, asked.method)
                && asked.headers.iter().all(|name| rule.headers.iter().any(|pattern| fits_header(pattern, name)))
        })?;
        let mut answered = Headers::default();
        rule.allow(asked.origin, &mut answered);
        if !asked.headers.is_empty() {
            answered.set("Access-Control-Allow-Headers", asked.headers.join(", "));
        }
        Some(answered)
    }
}

/// The fields that answer an OPTIONS request, by the rules of its bucket.
///
/// # Errors
/// `AccessForbidden` when there are none or none fits; `InvalidRequest` for what is no preflight.
pub(crate) fn preflight(cors: Option<&Cors>, headers: &Headers) -> Result<Headers, Refusal> {
    let field = |name: &str| {
        headers
            .get(name)
            .ok_or_else(|| Refusal::bad_request(&format!("A preflight has the field {name}.")).with("Header", name))
    };
    let asked = Preflight {
        origin: field("Origin")?,
        method: field("Access-Control-Request-Method")?,
        headers: headers
            .get("Access-Control-Request-Headers")
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .collect(),
    };
    let forbidden = |message: &str| {
        Refusal::new(403, "AccessForbidden", message).with("Method", asked.method).with("Origin", asked.origin)
    };
    let cors = cors.ok_or_else(|| forbidden("CORSResponse: CORS is not enabled for this bucket."))?;
    cors.preflight(&asked).ok_or_else(|| {
        forbidden("CORSResponse: no CORS rule of this bucket allows this origin, method and these header fields.")
    })
}

impl Rule {
    fn parse(element: &Element) -> Result<Rule, Refusal> {
        let texts =
            |name: &'static str| -> Vec<String> { element.all(name).map(|one| one.text.trim().to_owned()).collect() };
        let wrong = |name: &str, value: &str, why: &str| Err(Refusal::invalid_argument(name, value, why));
        let rule = Rule {
            origins: texts("AllowedOrigin"),
            methods: texts("AllowedMethod"),
            headers: texts("AllowedHeader"),
            expose: texts("ExposeHeader"),
            max_age: None,
        };
        if rule.origins.is_empty() || rule.methods.is_empty() {
            return Err(Refusal::malformed_xml());
        }
        for (name, values) in [("AllowedOrigin", &rule.origins), ("AllowedHeader", &rule.headers)] {
            if let Some(value) = values.iter().find(|value| value.is_empty() || value.matches('*').count() > 1) {
                return wrong(name, value, "It has to be there, with one asterisk at most.");
            }
        }
        if let Some(value) = rule.expose.iter().find(|value| value.is_empty() || value.contains('*')) {
            return wrong("ExposeHeader", value, "It has to be there, and cannot have an asterisk.");
        }
        if let Some(value) = rule.methods.iter().find(|value| !METHODS.contains(&value.as_str())) {
            return wrong("AllowedMethod", value, "It is one of GET, PUT, DELETE, POST and HEAD.");
        }
        let named = rule.origins.iter().chain(&rule.headers).chain(&rule.expose);
        if named.flat_map(|value| value.bytes()).any(|byte| byte <= b' ' || byte >= 0x7f) {
            return wrong("CORSRule", "", "A value has characters that no header field can have.");
        }
        let ages = texts("MaxAgeSeconds");
        let max_age = match ages.as_slice() {
            [] => None,
            [age] => match age.parse() {
                Ok(seconds) if seconds <= AGE_MAX => Some(seconds),
                _ => return wrong("MaxAgeSeconds", age, "It is a number from 0 to 999999999."),
            },
            _ => return Err(Refusal::malformed_xml()),
        };
        Ok(Rule { max_age, ..rule })
    }

    fn fits(&self, origin: &str, method: &str) -> bool {
        self.origins.iter().any(|pattern| fits(pattern, origin)) && self.methods.iter().any(|have| have == method)
    }

    /// What is said to the page's browser.
    fn allow(&self, origin: &str, answered: &mut Headers) {
        let everyone = self.origins.iter().any(|pattern| pattern == "*");
        answered.set("Access-Control-Allow-Origin", if everyone { "*" } else { origin });
        answered.set("Access-Control-Allow-Methods", self.methods.join(", "));
        if !self.expose.is_empty() {
            answered.set("Access-Control-Expose-Headers", self.expose.join(", "));
        }
        if let Some(seconds) = self.max_age {
            answered.set("Access-Control-Max-Age", seconds.to_string());
        }
    }
}

/// Whether a text fits a pattern with at most one asterisk.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => {
            text.len() >= before.len() + after.len() && text.starts_with(before) && text.ends_with(after)
        }
    }
}

fn fits_header(pattern: &str, name: &str) -> bool {
    fits(&pattern.to_ascii_lowercase(), &name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(inside: &str) -> Result<Cors, String> {
        let document = format!("<CORSConfiguration><CORSRule>{inside}</CORSRule></CORSConfiguration>");
        Cors::parse(document.as_bytes()).map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_pattern_has_one_asterisk_anywhere() {
        for (pattern, text, fit) in [
            ("*", "http://a.test", true),
            ("http://a.test", "http://a.test", true),
            ("http://a.test", "http://a.test:80", false),
            ("http://*.a.test", "http://x.y.a.test", true),
            ("http://*.a.test", "http://a.test", false),
            ("http://*.a.test", "https://x.a.test", false),
            ("*.a.test", "http://x.a.test", true),
            ("http://*", "http://", true),
            ("aba*aba", "aba", false), // the two ends do not overlap
        ] {
            assert_eq!(fits(pattern, text), fit, "{pattern} {text}");
        }
        assert!(fits_header("X-OSS-*", "x-oss-date") && !fits_header("x-oss-*", "content-type"));
    }

    #[test]
    fn a_document_is_given_back_as_it_was_meant() {
        let full = "<AllowedOrigin>http://*.a.test</AllowedOrigin><AllowedOrigin>b</AllowedOrigin><AllowedMethod>GET\
                    </AllowedMethod><AllowedHeader>x-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>5\
                    </MaxAgeSeconds>";
        let cors = rule(full).unwrap();
        let text = String::from_utf8(cors.document()).unwrap();
        assert!(text.contains(&format!("<CORSRule>{full}</CORSRule><ResponseVary>false</ResponseVary>")), "{text}");
        assert_eq!(Cors::parse(&cors.document()), Ok(cors));
    }

    #[test]
    fn documents_that_cannot_be_are_refused() {
        let (origin, method) = ("<AllowedOrigin>*</AllowedOrigin>", "<AllowedMethod>GET</AllowedMethod>");
        for (inside, code) in [
            (String::new(), "MalformedXML"),
            (origin.to_owned(), "MalformedXML"),
            (method.to_owned(), "MalformedXML"),
            (format!("{origin}<AllowedMethod>PATCH</AllowedMethod>"), "InvalidArgument"),
            (format!("{method}<AllowedOrigin>*.*</AllowedOrigin>"), "InvalidArgument"),
            (format!("{method}<AllowedOrigin>a&#13;&#10;Set-Cookie: b</AllowedOrigin>"), "InvalidArgument"),
            (format!("{origin}{method}<AllowedHeader>**</AllowedHeader>"), "InvalidArgument"),
            (format!("{origin}{method}<ExposeHeader>*</ExposeHeader>"), "InvalidArgument"),
            (format!("{origin}{method}<MaxAgeSeconds>-1</MaxAgeSeconds>"), "InvalidArgument"),
            (
                format!("{origin}{method}<MaxAgeSeconds>1</MaxAgeSeconds><MaxAgeSeconds>2</MaxAgeSeconds>"),
                "MalformedXML",
            ),
        ] {
            assert_eq!(rule(&inside), Err(code.to_owned()), "{inside}");
        }
        let many = format!("<CORSRule>{origin}{method}</CORSRule>").repeat(RULES_MAX + 1);
        assert!(Cors::parse(format!("<CORSConfiguration>{many}</CORSConfiguration>").as_bytes()).is_err());
    }
}

//! What shall an object be given beside its bytes? And does what stands there have it?

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};

use crate::error::Error;
use crate::source::Dialect;

/// What a caller asks for an upload. The default asks for none of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Orders {
    /// The caller's own metadata, names without `x-oss-meta-` or `x-amz-meta-`.
    pub(crate) metadata: Vec<(String, String)>,
    /// `Content-Type`; without it the store says `application/octet-stream` or what the key's ending means to it.
    pub(crate) content_type: Option<String>,
    /// `Cache-Control`, `Content-Disposition`, `Content-Encoding`, `Content-Language`, `Expires`: name and value.
    pub(crate) headers: Vec<(String, String)>,
    /// Storage class in the store's words.
    pub(crate) storage_class: Option<String>,
    /// Whom OSS is to tell when the object is stored.
    pub(crate) callback: Option<Callback>,
    /// An object that is there already is not to be replaced. Not every store heeds it.
    pub(crate) forbid_overwrite: bool,
    /// The most that OSS is to take, in bits per second and request: 819,200 to 838,860,800.
    pub(crate) traffic_limit: Option<u64>,
}

/// A callback of OSS ("Callback" in its API reference).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Callback {
    /// The JSON with `callbackUrl` and `callbackBody`.
    pub(crate) callback: String,
    /// The JSON with the `x:` variables.
    pub(crate) variables: Option<String>,
}

/// Longest header that OSS takes for a callback, in bytes of base64.
const CALLBACK_LEN_MAX: usize = 5 << 10;
/// Bits per second that OSS can be held to.
const TRAFFIC: std::ops::RangeInclusive<u64> = 819_200..=838_860_800;
/// All of the caller's metadata: OSS takes 8 KB, S3 2 KB; theirs to refuse below this.
const METADATA_LEN_MAX: usize = 8 << 10;

/// Orders as they are sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Dress {
    /// What the object gets: with Put and Create.
    object: HeaderMap,
    /// What the request gets that stores it: with Put and Complete.
    storing: HeaderMap,
    /// What a request with bytes gets: with Put and SendPart.
    sending: HeaderMap,
    /// What OSS is told with Create already; S3 has no word for it there.
    creating: HeaderMap,
    /// A callback was asked for: the answer to the request that stores is the callback's own.
    pub(super) callback: bool,
    /// Overwriting was forbidden.
    pub(super) forbid_overwrite: bool,
}

impl Dress {
    /// # Errors
    /// `Usage` for what cannot be sent, or has no meaning for this store.
    pub(super) fn new(orders: &Orders, dialect: Dialect) -> Result<Self, Error> {
        let mut dress = Self { forbid_overwrite: orders.forbid_overwrite, ..Self::default() };
        let mut len = 0;
        for (name, text) in &orders.metadata {
            let prefixed = format!("{}{name}", prefix(dialect, "meta-"));
            // A value as long as its name and a colon, as stores count.
            len += prefixed.len() + text.len();
            let header = HeaderName::from_bytes(prefixed.as_bytes()).ok().filter(|_| !name.is_empty());
            let header = header.ok_or_else(|| Error::usage(format!("{name:?} is no name for metadata")))?;
            if dress.object.insert(header, value(name, text)?).is_some() {
                return Err(Error::usage(format!("metadata {name:?} is given twice")));
            }
        }
        if len > METADATA_LEN_MAX {
            return Err(Error::usage(format!("the metadata has {len} bytes, more than a store takes")));
        }
        if let Some(kind) = &orders.content_type {
            dress.object.insert(header::CONTENT_TYPE, value("the content type", kind)?);
        }
        for (name, text) in &orders.headers {
            let header = HeaderName::from_bytes(name.as_bytes()).ok().filter(|name| CONTENT.contains(name));
            let header = header.ok_or_else(|| {
                Error::usage(format!("{name:?} is not stored with an object; Cache-Control, Content-Disposition, Content-Encoding, Content-Language and Expires are"))
            })?;
            dress.object.insert(header, value(name, text)?);
        }
        if let Some(class) = &orders.storage_class {
            dress
                .object
                .insert(own(dialect, "x-oss-storage-class", "x-amz-storage-class"), value("the storage class", class)?);
        }
        match (dialect, orders.forbid_overwrite) {
            (_, false) => {}
            (Dialect::Oss, true) => {
                let name = HeaderName::from_static("x-oss-forbid-overwrite");
                dress.storing.insert(name.clone(), HeaderValue::from_static("true"));
                dress.creating.insert(name, HeaderValue::from_static("true"));
            }
            (Dialect::S3, true) => {
                dress.storing.insert(header::IF_NONE_MATCH, HeaderValue::from_static("*"));
            }
        }
        if let Some(callback) = &orders.callback {
            only_oss(dialect, "a callback")?;
            dress.callback = true;
            let callbacks =
                [("x-oss-callback", Some(&callback.callback)), ("x-oss-callback-var", callback.variables.as_ref())];
            for (name, json) in callbacks {
                let Some(json) = json else { continue };
                dress.storing.insert(HeaderName::from_static(name), callback_value(json)?);
            }
        }
        if let Some(limit) = orders.traffic_limit {
            only_oss(dialect, "a traffic limit")?;
            if !TRAFFIC.contains(&limit) {
                return Err(Error::usage(format!(
                    "OSS cannot be held to {limit} bits per second; from {} to {}",
                    TRAFFIC.start(),
                    TRAFFIC.end()
                )));
            }
            dress.sending.insert(HeaderName::from_static("x-oss-traffic-limit"), HeaderValue::from(limit));
        }
        Ok(dress)
    }

    /// The head of a Put.
    pub(super) fn for_put(&self) -> HeaderMap {
        merged([&self.object, &self.storing, &self.sending])
    }

    /// The head of a Create.
    pub(super) fn for_create(&self) -> HeaderMap {
        merged([&self.object, &self.creating, &HeaderMap::new()])
    }

    /// The head of a part.
    pub(super) fn for_part(&self) -> HeaderMap {
        self.sending.clone()
    }

    /// The head of a Complete.
    pub(super) fn for_complete(&self) -> HeaderMap {
        self.storing.clone()
    }

    /// Whether something was asked for that what stands there (its HEAD) does not have.
    pub(super) fn differs(&self, there: &HeaderMap) -> bool {
        let standard = |name: &HeaderName, asked: &HeaderValue| {
            // S3 does not name the class that everything has by itself.
            name.as_str().ends_with("-storage-class") && asked.as_bytes().eq_ignore_ascii_case(b"standard")
        };
        let stands = |(name, asked): (&HeaderName, &HeaderValue)| match there.get(name) {
            Some(value) => value.as_bytes().trim_ascii() == asked.as_bytes().trim_ascii(),
            None => standard(name, asked),
        };
        !self.object.iter().all(stands)
    }
}

/// What is stored with an object beside its type.
const CONTENT: [HeaderName; 5] = [
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::EXPIRES,
];

fn prefix(dialect: Dialect, rest: &str) -> String {
    match dialect {
        Dialect::Oss => format!("x-oss-{rest}"),
        Dialect::S3 => format!("x-amz-{rest}"),
    }
}

fn own(dialect: Dialect, oss: &'static str, s3: &'static str) -> HeaderName {
    HeaderName::from_static(if dialect == Dialect::Oss { oss } else { s3 })
}

fn merged(maps: [&HeaderMap; 3]) -> HeaderMap {
    maps.into_iter().flat_map(|map| map.iter().map(|(name, value)| (name.clone(), value.clone()))).collect()
}

/// Visible ASCII and blanks: what every store and every signature takes.
fn value(what: &str, text: &str) -> Result<HeaderValue, Error> {
    let plain = text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    let value = HeaderValue::from_str(text).ok().filter(|_| plain);
    value.ok_or_else(|| {
        Error::usage(format!("{what}: only ASCII can be sent; encode other letters, in percent or base64"))
    })
}

fn only_oss(dialect: Dialect, what: &str) -> Result<(), Error> {
    match dialect {
        Dialect::Oss => Ok(()),
        Dialect::S3 => Err(Error::usage(format!("{what} is known to OSS only"))),
    }
}

/// A callback may hold a token for the program that it calls: it is kept out of sight.
fn callback_value(json: &str) -> Result<HeaderValue, Error> {
    if serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(json).is_err() {
        return Err(Error::usage("a callback and its variables are JSON objects"));
    }
    let encoded = BASE64.encode(json);
    if encoded.len() > CALLBACK_LEN_MAX {
        return Err(Error::usage("a callback has at most 5 KB in base64"));
    }
    let mut value = HeaderValue::from_str(&encoded).map_err(|_| Error::internal("base64 is no header"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(map: &HeaderMap) -> String {
        let mut lines: Vec<String> =
            map.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines.join("\n")
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    fn everything() -> Orders {
        Orders {
            metadata: vec![pair("Author", "me"), pair("a", "")],
            content_type: Some("video/mp4".into()),
            headers: vec![pair("Cache-Control", "no-cache")],
            storage_class: Some("IA".into()),
            callback: None,
            forbid_overwrite: true,
            traffic_limit: None,
        }
    }

    #[test]
    fn each_request_gets_what_belongs_to_it() {
        let orders = Orders {
            callback: Some(Callback { callback: "{\"callbackUrl\":\"u\"}".into(), variables: Some("{}".into()) }),
            traffic_limit: Some(819_200),
            ..everything()
        };
        let dress = Dress::new(&orders, Dialect::Oss).unwrap();
        let object = "cache-control: no-cache\ncontent-type: video/mp4\n";
        let callback = "x-oss-callback-var: e30=\nx-oss-callback: eyJjYWxsYmFja1VybCI6InUifQ==\n";
        let named = "x-oss-meta-a: \nx-oss-meta-author: me\nx-oss-storage-class: IA";
        assert_eq!(
            text(&dress.for_put()),
            format!("{object}{callback}x-oss-forbid-overwrite: true\n{named}\nx-oss-traffic-limit: 819200")
        );
        assert_eq!(text(&dress.for_create()), format!("{object}x-oss-forbid-overwrite: true\n{named}"));
        assert_eq!(text(&dress.for_part()), "x-oss-traffic-limit: 819200");
        assert_eq!(text(&dress.for_complete()), format!("{callback}x-oss-forbid-overwrite: true"));
        assert!(dress.callback && !format!("{dress:?}").contains("eyJ"), "{dress:?}");

        let dress = Dress::new(&everything(), Dialect::S3).unwrap();
        let named = "x-amz-meta-a: \nx-amz-meta-author: me\nx-amz-storage-class: IA";
        assert_eq!(text(&dress.for_put()), format!("{object}if-none-match: *\n{named}"));
        assert_eq!(text(&dress.for_create()), format!("{object}{named}"));
        assert_eq!(text(&dress.for_complete()), "if-none-match: *");
        assert_eq!(text(&dress.for_part()), "");
    }

    #[test]
    fn what_stands_there_is_compared_with_what_was_asked() {
        let dress = Dress::new(&everything(), Dialect::S3).unwrap();
        let mut there = dress.for_create();
        there.insert("x-amz-meta-other", HeaderValue::from_static("not asked for"));
        assert!(!dress.differs(&there));
        for name in ["x-amz-meta-author", "x-amz-meta-a", "content-type", "cache-control", "x-amz-storage-class"] {
            let mut other = there.clone();
            other.insert(name, HeaderValue::from_static("other"));
            assert!(dress.differs(&other), "{name}");
            other.remove(name);
            assert!(dress.differs(&other), "{name}");
        }
        assert!(!Dress::default().differs(&there));
        let standard = Orders { storage_class: Some("STANDARD".into()), ..Orders::default() };
        assert!(!Dress::new(&standard, Dialect::S3).unwrap().differs(&HeaderMap::new()));
    }

    #[test]
    fn what_cannot_be_sent_is_refused_with_the_reason() {
        let base = Orders::default;
        let callback = |json: &str| Some(Callback { callback: json.into(), variables: None });
        for (orders, dialect, says) in [
            (Orders { metadata: vec![pair("a b", "c")], ..base() }, Dialect::Oss, "no name for metadata"),
            (Orders { metadata: vec![pair("", "c")], ..base() }, Dialect::Oss, "no name for metadata"),
            (Orders { metadata: vec![pair("a", "ä")], ..base() }, Dialect::Oss, "only ASCII"),
            (Orders { metadata: vec![pair("a", "x\r\ny: z")], ..base() }, Dialect::Oss, "only ASCII"),
            (Orders { metadata: vec![pair("a", "1"), pair("A", "2")], ..base() }, Dialect::Oss, "given twice"),
            (
                Orders { metadata: vec![pair("a", &"x".repeat(9000))], ..base() },
                Dialect::Oss,
                "more than a store takes",
            ),
            (Orders { content_type: Some("a\nb".into()), ..base() }, Dialect::Oss, "only ASCII"),
            (
                Orders { headers: vec![pair("Authorization", "x")], ..base() },
                Dialect::Oss,
                "is not stored with an object",
            ),
            (Orders { callback: callback("{}"), ..base() }, Dialect::S3, "known to OSS only"),
            (Orders { callback: callback("[]"), ..base() }, Dialect::Oss, "JSON objects"),
            (
                Orders { callback: callback(&format!("{{\"a\":\"{}\"}}", "x".repeat(5000))), ..base() },
                Dialect::Oss,
                "5 KB",
            ),
            (Orders { traffic_limit: Some(1), ..base() }, Dialect::Oss, "cannot be held to 1 bits"),
            (Orders { traffic_limit: Some(819_200), ..base() }, Dialect::S3, "known to OSS only"),
        ] {
            let error = Dress::new(&orders, dialect).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}

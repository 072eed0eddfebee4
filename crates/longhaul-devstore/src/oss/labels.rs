//! What can be said of an object and said anew without sending its bytes again? Its tags, and who may use it without a
//! key. By OSS's documentation neither changes its ETag or the time of its last change.

use serde::{Deserialize, Serialize};

use super::op::Op;
use super::refusal::Refusal;
use super::xml::{self, Writer};

/// "PutObjectTagging": so many tags, and so many characters.
const TAGS_MAX: usize = 10;
const KEY_CHARS_MAX: usize = 128;
const VALUE_CHARS_MAX: usize = 256;

/// The tags and the ACL of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Labels {
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub(crate) tags: Tags,
    #[serde(default)]
    pub(crate) acl: Acl,
}

/// Who may do what without a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Acl {
    /// Of an object: what its bucket says.
    #[default]
    Default,
    Private,
    PublicRead,
    PublicReadWrite,
}

impl Acl {
    /// Reads the ACL of an object; a bucket has no `default`.
    pub(crate) fn of_word(word: &str) -> Option<Acl> {
        [Acl::Default, Acl::Private, Acl::PublicRead, Acl::PublicReadWrite].into_iter().find(|acl| acl.word() == word)
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Acl::Default => "default",
            Acl::Private => "private",
            Acl::PublicRead => "public-read",
            Acl::PublicReadWrite => "public-read-write",
        }
    }

    /// Whether it lets a client without a key do that.
    pub(crate) fn grants(self, op: Op) -> bool {
        match self {
            Acl::Default | Acl::Private => false,
            Acl::PublicRead => op.reads_object(),
            Acl::PublicReadWrite => op.reads_object() || op.writes_object(),
        }
    }
}

/// Names and values in the order in which they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tags(Vec<(String, String)>);

impl Tags {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Reads the field `x-oss-tagging`: `name=value&name`, percent-encoded as in a query, where some SDKs write a space
    /// as a plus.
    ///
    /// # Errors
    /// `InvalidTag` for what is none, and beyond the bounds.
    pub(crate) fn of_field(text: &str) -> Result<Tags, Refusal> {
        let decode = |text: &str| {
            let text = text.replace('+', " ");
            percent_encoding::percent_decode_str(&text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
        };
        let mut tags = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let both = decode(name).zip(decode(value)).filter(|_| !value.contains('='));
            tags.push(both.ok_or_else(|| invalid("A tag is written name=value.", pair, "0010-00000219"))?);
        }
        Tags::checked(tags)
    }

    /// Reads the document of a PutObjectTagging.
    ///
    /// # Errors
    /// `MalformedXML`, or `InvalidTag` beyond the bounds.
    pub(crate) fn of_document(document: &[u8]) -> Result<Tags, Refusal> {
        let root = xml::parse(document).filter(|root| root.name == "Tagging").ok_or_else(Refusal::malformed_xml)?;
        let set = root.child("TagSet").ok_or_else(Refusal::malformed_xml)?;
        let tags = set.all("Tag").map(|tag| {
            let text = |name| tag.child(name).map(|element| element.text.clone());
            Ok((text("Key").ok_or_else(Refusal::malformed_xml)?, text("Value").unwrap_or_default()))
        });
        Tags::checked(tags.collect::<Result<_, Refusal>>()?)
    }

    fn checked(tags: Vec<(String, String)>) -> Result<Tags, Refusal> {
        if tags.len() > TAGS_MAX {
            return Err(invalid("An object has 10 tags at most.", &tags.len().to_string(), "0010-00000218"));
        }
        for (at, (name, value)) in tags.iter().enumerate() {
            let allowed = |c: char| c.is_ascii_alphanumeric() || " +-=._:/".contains(c);
            if name.is_empty() || !name.chars().chain(value.chars()).all(allowed) {
                let message = "A tag has a name, and letters, digits, spaces and + - = . _ : / in its name and value.";
                return Err(invalid(message, name, "0010-00000217"));
            }
            if name.len() > KEY_CHARS_MAX {
                return Err(invalid("The name of a tag has 128 characters at most.", name, "0010-00000209"));
            }
            if value.len() > VALUE_CHARS_MAX {
                return Err(invalid("The value of a tag has 256 characters at most.", value, "0010-00000217"));
            }
            if tags[..at].iter().any(|(other, _)| other == name) {
                return Err(invalid("A name is given to two tags.", name, "0010-00000217"));
            }
        }
        Ok(Tags(tags))
    }

    /// The document of a GetObjectTagging.
    pub(crate) fn document(&self) -> Vec<u8> {
        let mut xml = Writer::new("Tagging");
        xml.begin("TagSet");
        for (name, value) in &self.0 {
            xml.begin("Tag");
            xml.leaf("Key", name);
            xml.leaf("Value", value);
            xml.end();
        }
        xml.finish()
    }
}

fn invalid(message: &str, value: &str, ec: &'static str) -> Refusal {
    Refusal::new(400, "InvalidTag", message).with("ArgumentValue", value).ec(ec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_from_a_field_and_from_a_document() {
        let tags = Tags::of_field("a=1&b+c=%2B+%3D&d&e=").unwrap();
        assert_eq!(
            tags.0.iter().map(|(name, value)| format!("{name}:{value}")).collect::<Vec<_>>(),
            ["a:1", "b c:+ =", "d:", "e:"]
        );
        assert_eq!(Tags::of_document(&tags.document()), Ok(tags));
        assert!(Tags::of_field("").unwrap().is_empty());
        assert!(Tags::of_document(b"<Tagging><TagSet/></Tagging>").unwrap().is_empty());
    }

    #[test]
    fn tags_beyond_the_bounds_are_refused() {
        let many = |count: usize| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join("&");
        assert_eq!(Tags::of_field(&many(10)).unwrap().len(), 10);
        assert!(Tags::of_field(&format!("{}={}", "k".repeat(128), "v".repeat(256))).is_ok());
        for (field, ec) in [
            (many(11), "0010-00000218"),
            ("aa=bb=cc".to_owned(), "0010-00000219"),
            ("%FF=a".to_owned(), "0010-00000219"),
            ("=a".to_owned(), "0010-00000217"),
            ("a=%E4%B8%AD".to_owned(), "0010-00000217"),
            ("a%26=b".to_owned(), "0010-00000217"),
            ("a=1&a=2".to_owned(), "0010-00000217"),
            (format!("{}=v", "k".repeat(129)), "0010-00000209"),
            (format!("k={}", "v".repeat(257)), "0010-00000217"),
        ] {
            let refusal = Tags::of_field(&field).unwrap_err();
            assert_eq!((refusal.code.as_str(), refusal.ec), ("InvalidTag", ec), "{field}");
        }
        for document in ["", "<Tagging/>", "<Other><TagSet/></Other>", "<Tagging><TagSet><Tag/></TagSet></Tagging>"] {
            assert_eq!(Tags::of_document(document.as_bytes()).unwrap_err().code, "MalformedXML", "{document}");
        }
    }
}

//! What does a store's XML say?
//!
//! Answers are read whole, within a bound, into a tree of names and texts, and matched by local name whatever the
//! namespace: servers differ in it. No entities but XML's own five and numbers, no DOCTYPE: nothing can expand.

use percent_encoding::percent_decode_str;
use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::Event;

use crate::source::Dialect;

/// Deeper than any answer of the protocols.
const DEPTH_MAX: usize = 16;
/// A list has at most 1000 entries of about ten elements each.
const ELEMENTS_MAX: usize = 50_000;

/// An element with its text and what is in it, in order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// The text of the first child of that name, without blanks around it; `None` when there is none or it is empty.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        let child = self.children.iter().find(|child| child.name == name)?;
        Some(child.text.trim()).filter(|text| !text.is_empty())
    }

    /// The text of the first child of that name, every blank of it: a key.
    pub(super) fn key_of(&self, name: &str, encoding: Encoding) -> Option<String> {
        let text = &self.children.iter().find(|child| child.name == name)?.text;
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned());
        match encoding {
            Encoding::None => Some(text.clone()),
            Encoding::Percent => decoded(text),
            Encoding::Form => decoded(&text.replace('+', " ")),
        }
    }

    /// All children of that name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// How keys are encoded (`encoding-type=url` was asked for, and heeded or not).
    ///
    /// Amazon writes a blank as `+` and a plus as `%2B`; its SDKs read keys so (`unquote_plus` in botocore), and so do
    /// all that other stores are tried with. Those of OSS do not.
    pub(super) fn encoding(&self, dialect: Dialect) -> Encoding {
        match (self.text_of("EncodingType"), dialect) {
            (Some("url"), Dialect::S3) => Encoding::Form,
            (Some("url"), Dialect::Oss) => Encoding::Percent,
            _ => Encoding::None,
        }
    }

    /// Whether another page follows, if the document says so.
    pub(super) fn goes_on(&self) -> Option<bool> {
        self.text_of("IsTruncated").map(|text| text.eq_ignore_ascii_case("true"))
    }

    /// Whether another page follows.
    pub(super) fn is_truncated(&self) -> bool {
        self.goes_on() == Some(true)
    }
}

/// How a key is written in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As it is.
    None,
    /// In percent.
    Percent,
    /// In percent, and blanks as `+`.
    Form,
}

/// Reads a document; `None` when it is none, or beyond our bounds. Blanks before it, which stores send to keep a
/// connection alive while they work, do not matter.
pub(super) fn parse(bytes: &[u8]) -> Option<Element> {
    let text = std::str::from_utf8(bytes).ok()?.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut count = 0;
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                count += 1;
                if open.len() >= DEPTH_MAX || count > ELEMENTS_MAX || root.is_some() {
                    return None;
                }
                open.push(named(start.local_name().as_ref())?);
            }
            Event::Empty(start) => {
                count += 1;
                if count > ELEMENTS_MAX || root.is_some() {
                    return None;
                }
                close(named(start.local_name().as_ref())?, &mut open, &mut root);
            }
            Event::End(_) => {
                let done = open.pop()?;
                close(done, &mut open, &mut root);
            }
            Event::Text(text) => match open.last_mut() {
                Some(element) => element.text.push_str(&text.xml10_content()),
                None if text.trim().is_empty() => {}
                None => return None,
            },
            Event::GeneralRef(reference) => {
                let reference = format!("&{};", &*reference);
                open.last_mut()?.text.push_str(&unescape(&reference).ok()?);
            }
            Event::CData(data) => open.last_mut()?.text.push_str(&data.xml10_content()),
            Event::DocType(_) => return None,
            Event::Eof => return root.filter(|_| open.is_empty()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

fn named(name: impl AsRef<[u8]>) -> Option<Element> {
    Some(Element { name: std::str::from_utf8(name.as_ref()).ok()?.to_owned(), ..Element::default() })
}

fn close(done: Element, open: &mut [Element], root: &mut Option<Element>) {
    match open.last_mut() {
        Some(parent) => parent.children.push(done),
        None => *root = Some(done),
    }
}

/// Text as it stands in a document.
pub(super) fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_all_stores_read_the_same() {
        for document in [
            "<R><Part><ETag>\"A\"</ETag></Part><IsTruncated>true</IsTruncated></R>",
            "  \n\n <?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<R xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n\
             <Part>\n<ETag>&quot;A&quot;</ETag>\n</Part><IsTruncated>True</IsTruncated></R>\n",
            "<R><Part><ETag>&#34;A&#x22;</ETag></Part><IsTruncated> true </IsTruncated></R>",
            "<x:R xmlns:x=\"u\"><x:Part><x:ETag><![CDATA[\"A\"]]></x:ETag></x:Part><x:IsTruncated>true</x:IsTruncated></x:R>",
        ] {
            let root = parse(document.as_bytes()).unwrap_or_else(|| panic!("not read: {document}"));
            assert_eq!(root.name, "R");
            assert_eq!(root.all("Part").next().unwrap().text_of("ETag"), Some("\"A\""), "{document}");
            assert!(root.is_truncated());
        }
        let root = parse(b"<R><Key> a&amp;b%20 </Key><ETag></ETag><Empty/></R>").unwrap();
        assert_eq!(root.key_of("Key", Encoding::None).as_deref(), Some(" a&b%20 "));
        assert_eq!(root.key_of("Key", Encoding::Percent).as_deref(), Some(" a&b  "));
        let root = parse(b"<R><EncodingType>url</EncodingType><Key>a+b%2Bc%20d</Key></R>").unwrap();
        for (dialect, key) in [(Dialect::S3, "a b+c d"), (Dialect::Oss, "a+b+c d")] {
            assert_eq!(root.key_of("Key", root.encoding(dialect)).as_deref(), Some(key));
        }
        let root = parse(b"<R><Key>a&amp;b%20</Key><ETag></ETag><Empty/></R>").unwrap();
        assert_eq!(root.encoding(Dialect::S3), Encoding::None);
        assert_eq!((root.text_of("ETag"), root.text_of("Empty"), root.text_of("None")), (None, None, None));
    }

    #[test]
    fn what_is_no_document_is_refused() {
        let deep = "<a>".repeat(20) + &"</a>".repeat(20);
        let wide = format!("<a>{}</a>", "<b/>".repeat(ELEMENTS_MAX));
        for text in [
            "",
            "   ",
            "x",
            "{\"a\":1}",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>x",
            "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
            "<a>&x;</a>",
            &deep,
            &wide,
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse(b"<a>\xff</a>"), None);
    }

    #[test]
    fn documents_that_were_cut_or_damaged_are_read_or_refused_and_nothing_else() {
        let document = b"<?xml version=\"1.0\"?>\n<R xmlns:x=\"u\"><x:P a='1'><Key>&#34;a&amp;</Key><![CDATA[b]]></x:P><!-- c --><E/></R>";
        assert!(parse(document).is_some());
        for at in 0..document.len() {
            assert_eq!(parse(&document[..at]), None, "cut at {at}");
            for byte in [0, b'<', b'>', b'&', b';', b'"', b'!', b'/', b'x', 0x80, 0xff] {
                let mut damaged = document.to_vec();
                damaged[at] = byte;
                let _ = parse(&damaged); // must not panic; what it makes of it depends on the damage
                let _ = super::super::refusal::Said::read(400, &http::HeaderMap::new(), &damaged, None);
            }
        }
    }
}

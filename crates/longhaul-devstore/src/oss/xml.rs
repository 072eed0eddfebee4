//! How does XML look on the wire? A writer for answers, and a reader that keeps only names and texts.
//!
//! Requests are small: a list of parts, a list of keys, a set of rules. They are read whole into a tree, matched by
//! local name, in any namespace. Entities other than XML's own five are refused, so that no text can expand.

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::Event;

/// Deeper than any document of the protocol.
const DEPTH_MAX: usize = 16;
/// 10,000 parts or 1,000 keys with some elements each.
const ELEMENTS_MAX: usize = 100_000;

/// One element with its text and its children in order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// The first child of that name.
    pub(crate) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of that name, without white space around it.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }

    /// All children of that name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// Parses a document; `None` when it is no XML or beyond our bounds.
pub(crate) fn parse(bytes: &[u8]) -> Option<Element> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut elements = 0;
    loop {
        let event = reader.read_event().ok()?;
        match event {
            Event::Start(start) => {
                elements += 1;
                if open.len() >= DEPTH_MAX || elements > ELEMENTS_MAX || root.is_some() {
                    return None;
                }
                open.push(Element { name: local(start.local_name().as_ref())?, ..Element::default() });
            }
            Event::Empty(start) => {
                elements += 1;
                if elements > ELEMENTS_MAX || root.is_some() {
                    return None;
                }
                let element = Element { name: local(start.local_name().as_ref())?, ..Element::default() };
                match open.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None => root = Some(element),
                }
            }
            Event::End(_) => {
                let done = open.pop()?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(done),
                    None => root = Some(done),
                }
            }
            Event::Text(text) => match open.last_mut() {
                Some(element) => element.text.push_str(&text.xml10_content()),
                None if text.trim().is_empty() => {}
                None => return None,
            },
            Event::GeneralRef(reference) => {
                let whole = format!("&{};", &*reference);
                open.last_mut()?.text.push_str(&unescape(&whole).ok()?);
            }
            Event::CData(data) => open.last_mut()?.text.push_str(&data.xml10_content()),
            Event::DocType(_) => return None,
            Event::Eof => return if open.is_empty() { root } else { None },
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

fn local(name: impl AsRef<[u8]>) -> Option<String> {
    Some(std::str::from_utf8(name.as_ref()).ok()?.to_owned())
}

/// Writes a document from the outside in.
#[derive(Debug)]
pub(crate) struct Writer {
    text: String,
    open: Vec<&'static str>,
}

impl Writer {
    /// Begins a document with this root.
    pub(crate) fn new(root: &'static str) -> Writer {
        let mut writer = Writer { text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned(), open: Vec::new() };
        writer.begin(root);
        writer
    }

    pub(crate) fn begin(&mut self, name: &'static str) {
        self.text.push_str(&format!("<{name}>"));
        self.open.push(name);
    }

    pub(crate) fn end(&mut self) {
        if let Some(name) = self.open.pop() {
            self.text.push_str(&format!("</{name}>"));
        }
    }

    /// An element with a text.
    pub(crate) fn leaf(&mut self, name: &str, text: impl std::fmt::Display) {
        self.text.push_str(&format!("<{name}>"));
        escape_into(&mut self.text, &text.to_string());
        self.text.push_str(&format!("</{name}>"));
    }

    /// Closes what is open.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        while !self.open.is_empty() {
            self.end();
        }
        self.text.into_bytes()
    }
}

/// Control characters have no place in XML 1.0 even as references; the real store writes them so, and clients that
/// care ask for `encoding-type=url`.
fn escape_into(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() && c != '\n' && c != '\t' => out.push_str(&format!("&#{};", u32::from(c))),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_lists_of_all_sdks_read_the_same() {
        for document in [
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"A\"</ETag></Part></CompleteMultipartUpload>",
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CompleteMultipartUpload>\n<Part>\n<PartNumber>1</PartNumber>\n\
             <ETag>&quot;A&quot;</ETag>\n</Part>\n</CompleteMultipartUpload>\n",
            "<CompleteMultipartUpload><Part><ETag>&#34;A&#34;</ETag><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>",
            "<x:CompleteMultipartUpload xmlns:x=\"http://doc.oss-cn-hangzhou.aliyuncs.com\"><x:Part><x:PartNumber>1\
             </x:PartNumber><x:ETag><![CDATA[\"A\"]]></x:ETag></x:Part></x:CompleteMultipartUpload>",
        ] {
            let root = parse(document.as_bytes()).unwrap_or_else(|| panic!("not read: {document}"));
            let part = root.child("Part").unwrap();
            assert_eq!((root.name.as_str(), part.text_of("PartNumber")), ("CompleteMultipartUpload", Some("1")));
            assert_eq!(part.text_of("ETag"), Some("\"A\""), "{document}");
        }
    }

    #[test]
    fn what_is_no_document_is_refused() {
        let deep = "<a>".repeat(20) + &"</a>".repeat(20);
        for text in
            ["", "x", "<a>", "<a></b>", "<a/><b/>", "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", "<a>&x;</a>", &deep]
        {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse(b"\xff"), None);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut writer = Writer::new("Root");
        writer.begin("Inner");
        writer.leaf("Key", "a<b>&\"c\"\u{1}");
        let bytes = writer.finish();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.ends_with("<Root><Inner><Key>a&lt;b&gt;&amp;&quot;c&quot;&#1;</Key></Inner></Root>"), "{text}");
        let mut writer = Writer::new("Root");
        writer.leaf("Key", "a<b>&\"c\"");
        assert_eq!(parse(&writer.finish()).unwrap().text_of("Key"), Some("a<b>&\"c\""));
    }
}

//! Metalinks: files with their mirrors and digests, in XML (RFC 5854; version 3 of before has the same in other places).
//!
//! ```text
//! <metalink xmlns="urn:ietf:params:xml:ns:metalink">        <metalink version="3.0">
//!   <file name="a.iso">                                       <files><file name="a.iso">
//!     <size>5</size> <hash type="sha-256">…</hash>              <size>5</size>
//!     <url priority="1">https://…</url>                         <verification><hash type="sha256">…</hash></verification>
//!   </file>                                                     <resources><url preference="100">https://…</url></resources>
//! ```
//!
//! A document has no DOCTYPE here, so that no entity but XML's own five can be in it; depth, elements and texts have
//! bounds. Links that cannot be fetched (ftp, torrents) are passed over where there are others. Hashes of pieces are not
//! read.

use std::path::Path;

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

use super::{BadImport, ENTRIES_MAX, Imported, below, digest, usable};
use crate::error::Error;
use crate::event::Digest;
use crate::manager::new::NewEntry;

/// Deeper than any element of the format.
const DEPTH_MAX: usize = 16;
/// Elements of a document: 100,000 files of ten each.
const ELEMENTS_MAX: usize = 1_000_000;
/// A longer name or link is none.
const TEXT_LEN_MAX: usize = 16 << 10;
/// A link without a priority comes last: what RFC 5854 (4.2.16.1) has for the least.
const PRIORITY_LEAST: u32 = 999_999;

/// What is read of a file.
#[derive(Default)]
struct MetalinkFile {
    name: String,
    /// Priority and link.
    links: Vec<(u32, String)>,
    digests: Vec<Digest>,
    wrong: Option<String>,
}

/// An element that is open.
struct Open {
    name: String,
    /// `type` of a hash.
    kind: String,
    priority: u32,
    text: String,
}

pub(super) fn entries(bytes: &[u8], folder: &Path) -> Result<Imported, Error> {
    let files = files(bytes).map_err(|why| Error::usage(format!("this is no Metalink: {why}")))?;
    let mut imported = Imported { entries: Vec::new(), bad: Vec::new() };
    for (i, file) in files.into_iter().enumerate() {
        match entry(file, folder) {
            Ok(entry) => imported.entries.push(entry),
            Err(why) => imported.bad.push(BadImport { number: i + 1, why }),
        }
    }
    Ok(imported)
}

fn entry(mut file: MetalinkFile, folder: &Path) -> Result<NewEntry, String> {
    if let Some(wrong) = file.wrong {
        return Err(wrong);
    }
    let target = below(folder.to_owned(), &file.name)?;
    file.links.sort_by_key(|(priority, _)| *priority); // stable: of the same priority, as they stand there
    let mut entry = NewEntry::download(usable(file.links.iter().map(|(_, link)| link.as_str()))?, target);
    entry.options.checksums = file.digests;
    Ok(entry)
}

fn files(bytes: &[u8]) -> Result<Vec<MetalinkFile>, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8")?;
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Open> = Vec::new();
    let mut files: Vec<MetalinkFile> = Vec::new();
    let mut elements = 0;
    loop {
        match reader.read_event().map_err(|_| NOT_XML)? {
            Event::Start(start) => {
                elements += 1;
                if open.len() >= DEPTH_MAX || elements > ELEMENTS_MAX {
                    return Err("it is too deep, or has too many elements");
                }
                let element = element(&start)?;
                if open.is_empty() && element.name != "metalink" {
                    return Err("it begins with another element");
                }
                if element.name == "file" {
                    if files.len() == ENTRIES_MAX {
                        return Err("it has too many files");
                    }
                    files.push(MetalinkFile {
                        name: attribute(&start, "name")?.unwrap_or_default(),
                        ..Default::default()
                    });
                }
                open.push(element);
            }
            Event::Empty(start) if open.is_empty() => {
                element(&start)?;
                return Err("it is empty");
            }
            Event::End(_) => {
                let closed = open.pop().ok_or(NOT_XML)?;
                // What stands in pieces is of pieces.
                let of_file = open.iter().any(|e| e.name == "file") && !open.iter().any(|e| e.name == "pieces");
                if let Some(file) = files.last_mut().filter(|_| of_file) {
                    add(file, closed);
                }
            }
            Event::Text(text) => push(&mut open, &text.xml10_content())?,
            Event::CData(data) => push(&mut open, &data.xml10_content())?,
            Event::GeneralRef(reference) => {
                let reference = format!("&{};", &*reference);
                push(&mut open, &unescape(&reference).map_err(|_| "it has entities of its own")?)?;
            }
            Event::DocType(_) => return Err("it has a DOCTYPE"),
            Event::Eof if open.is_empty() && elements > 0 => return Ok(files),
            Event::Eof => return Err("it ends too early"),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

const NOT_XML: &str = "it is no XML";

fn add(file: &mut MetalinkFile, closed: Open) {
    let text = closed.text.trim();
    match closed.name.as_str() {
        "url" => file.links.push((closed.priority, text.to_owned())),
        "hash" => match digest(&closed.kind, text) {
            Ok(digest) => file.digests.extend(digest), // of kinds that are not known here there is nothing to compare
            Err(why) => file.wrong = Some(why),
        },
        _ => {}
    }
}

/// Text outside of the outermost element is blanks only.
fn push(open: &mut [Open], text: &str) -> Result<(), &'static str> {
    match open.last_mut() {
        Some(element) if element.text.len() + text.len() <= TEXT_LEN_MAX => element.text.push_str(text),
        Some(element) if matches!(element.name.as_str(), "url" | "hash" | "size") => {
            return Err("it has too long a text");
        }
        Some(_) => {} // a description
        None if text.trim().is_empty() => {}
        None => return Err(NOT_XML),
    }
    Ok(())
}

fn element(start: &BytesStart<'_>) -> Result<Open, &'static str> {
    let local = start.local_name();
    let local: &str = local.as_ref();
    let name = local.to_owned();
    let number = |name: &str| -> Result<Option<u32>, &'static str> {
        Ok(attribute(start, name)?.and_then(|text| text.trim().parse().ok()))
    };
    // Version 3 has a preference, of which more is better, up to 100.
    let preferred = number("preference")?.map(|preference| 101 - preference.min(100));
    let priority = number("priority")?.or(preferred).unwrap_or(PRIORITY_LEAST).min(PRIORITY_LEAST);
    let kind = attribute(start, "type")?.unwrap_or_default();
    Ok(Open { name, kind, priority, text: String::new() })
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Result<Option<String>, &'static str> {
    let Some(found) = start.try_get_attribute(name).map_err(|_| NOT_XML)? else { return Ok(None) };
    if found.value.len() > TEXT_LEN_MAX {
        return Err("it has too long a text");
    }
    Ok(Some(unescape(&found.value).map_err(|_| "it has entities of its own")?.into_owned()))
}

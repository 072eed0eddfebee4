//! Links in lines, and what aria2 writes when it saves its session.

use std::path::Path;

use super::{BadImport, ENTRIES_MAX, Imported, below, digest, usable};
use crate::manager::entry::{Existing, Gid};
use crate::manager::new::{NewEntry, Target};

/// A longer line is none of a list.
const LINE_LEN_MAX: usize = 64 << 10;
/// More options of one entry are no list.
const OPTIONS_MAX: usize = 1000;

/// A line with links, and the options below it.
struct Block<'a> {
    number: usize,
    text: &'a str,
    options: Vec<(&'a str, &'a str)>,
}

pub(super) fn entries(bytes: &[u8], folder: &Path) -> Imported {
    let mut imported = Imported { entries: Vec::new(), bad: Vec::new() };
    let mut open: Option<Block<'_>> = None;
    let take = |block: Option<Block<'_>>, imported: &mut Imported| {
        let Some(block) = block else { return };
        match entry(&block, folder) {
            Ok(entry) => imported.entries.push(entry),
            Err(why) => imported.bad.push(BadImport { number: block.number, why }),
        }
    };
    for (number, line) in bytes.split(|b| *b == b'\n').enumerate().map(|(i, line)| (i + 1, line)) {
        if imported.entries.len() + imported.bad.len() >= ENTRIES_MAX {
            imported.bad.push(BadImport { number, why: "there are too many entries; the rest is not read".to_owned() });
            return imported;
        }
        let Some(text) = text_of(line) else {
            take(open.take(), &mut imported);
            imported.bad.push(BadImport { number, why: "this is no line of a list".to_owned() });
            continue;
        };
        let trimmed = text.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        if text.starts_with([' ', '\t'])
            && let Some(option) = option(trimmed)
        {
            match &mut open {
                Some(block) if block.options.len() < OPTIONS_MAX => block.options.push(option),
                Some(_) => {}
                None => {
                    let why = format!("the option {} has no link before it", option.0);
                    imported.bad.push(BadImport { number, why });
                }
            }
            continue;
        }
        take(open.replace(Block { number, text: trimmed, options: Vec::new() }), &mut imported);
    }
    take(open, &mut imported);
    imported
}

fn text_of(line: &[u8]) -> Option<&str> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    std::str::from_utf8(line).ok().filter(|text| text.len() <= LINE_LEN_MAX && !text.contains('\0'))
}

/// `name=value`, where the name is one of aria2's kind: so a link with a `=` in it is none.
fn option(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once('=')?;
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    is_name.then_some((name, value))
}

fn entry(block: &Block<'_>, folder: &Path) -> Result<NewEntry, String> {
    let fields: Vec<&str> = block.text.split('\t').map(str::trim).collect();
    let is_link = |field: &&&str| field.contains("://") || field.starts_with("magnet:");
    let links = fields.iter().take_while(is_link).count().max(1);
    let sources = usable(fields[..links].iter().copied())?;
    let (mut name, mut dir) = (fields.get(links).copied().filter(|name| !name.is_empty()), folder.to_owned());
    let mut checksums = Vec::new();
    for text in fields.iter().skip(links + 1).filter(|text| !text.is_empty()) {
        checksums.extend(checksum(text, ':')?);
    }
    for (option, value) in &block.options {
        match *option {
            "dir" => dir = folder.join(value),
            "out" if !value.is_empty() => name = Some(*value),
            _ => {}
        }
    }
    let target = match name {
        Some(name) => below(dir, name)?,
        None => Target::Folder(dir),
    };
    let mut entry = NewEntry::download(sources, target);
    entry.options.checksums = checksums;
    for (option, value) in &block.options {
        entry = set(entry, option, value)?;
    }
    Ok(entry)
}

fn set(mut entry: NewEntry, option: &str, value: &str) -> Result<NewEntry, String> {
    let header = |entry: &mut NewEntry, name: &str, value: &str| {
        entry.secrets.headers.push((name.to_owned(), value.trim().to_owned()));
    };
    match option {
        "gid" => {
            let gid = u64::from_str_radix(value, 16).ok().filter(|gid| *gid != 0 && value.len() == 16);
            entry = entry.gid(Gid(gid.ok_or_else(|| format!("gid: {value:?} is none"))?));
        }
        "header" if value.is_empty() => {}
        "header" => match value.split_once(':') {
            Some((name, value)) if !name.trim().is_empty() => header(&mut entry, name.trim(), value),
            _ => return Err("header: it has no name".to_owned()), // the text may be secret
        },
        "referer" if value != "*" => header(&mut entry, "Referer", value),
        "user-agent" => header(&mut entry, "User-Agent", value),
        "http-user" => {
            let password = entry.secrets.auth.take().map(|(_, password)| password).unwrap_or_default();
            entry.secrets.auth = Some((value.to_owned(), password));
        }
        "http-passwd" => {
            let user = entry.secrets.auth.take().map(|(user, _)| user).unwrap_or_default();
            entry.secrets.auth = Some((user, value.to_owned()));
        }
        "checksum" => {
            let digest = checksum(value, '=')?;
            entry.options.checksums.extend(digest);
        }
        "pause" => entry = entry.hold(value == "true"),
        "max-download-limit" => entry.options.limit_rate = amount(value)?,
        "split" => {
            let count = value.parse::<u32>().map_err(|_| format!("split: {value:?} is no number"))?;
            entry.options.connections = Some(count.clamp(1, 64));
        }
        "allow-overwrite" if value == "true" => entry = entry.existing(Existing::Overwrite),
        "auto-file-renaming" if value == "true" && entry.options.existing == Existing::Ask => {
            entry = entry.existing(Existing::Rename);
        }
        "remote-time" => entry.options.remote_time = value == "true",
        "load-cookies" | "all-proxy" | "http-proxy" | "https-proxy" | "private-key" | "certificate"
            if !value.is_empty() =>
        {
            return Err(format!("{option} cannot be taken over, and without it something else might be fetched"));
        }
        _ => {}
    }
    Ok(entry)
}

/// `sha-256=HEX` as in aria2, or `sha256:HEX`. Of a kind that is not known here: an error, since somebody relied on it.
fn checksum(text: &str, between: char) -> Result<Option<crate::event::Digest>, String> {
    let (kind, hex) = text.split_once(between).ok_or_else(|| format!("{text:?} is no checksum"))?;
    match digest(kind, hex)? {
        Some(digest) => Ok(Some(digest)),
        None => Err(format!("checksums of the kind {kind:?} are not known here")),
    }
}

/// `500K`, `2M`: 1024 each, as in aria2.
fn amount(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 1 << 10),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 1 << 20),
        _ => (text, 1),
    };
    let count = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(unit));
    count.ok_or_else(|| format!("{text:?} is no rate"))
}

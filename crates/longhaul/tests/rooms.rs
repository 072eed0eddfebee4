//! Rooms import each other one way: each folder named below is read, and no chain of imports between its rooms (files
//! and folders) may lead back to where it began. A circle is told with the lines that close it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A folder whose files and folders are the rooms, and what stands before a room's name in a path from the crate's
/// root.
const FOLDERS: [(&str, &str); 5] = [
    ("longhaul-core/src", "crate::"),
    ("longhaul/src", "crate::"),
    ("longhaul-cli/src", "crate::"),
    ("longhaul-cli/src/flags", "crate::flags::"),
    ("longhaul-cli/src/commands", "crate::commands::"),
];
/// The same, but files that stand directly in the folder are one room: they know each other.
const FLOORS: [(&str, &str); 1] = [("longhaul/src/disk", "crate::disk::")];

/// From room to room, with a line that says so.
type Arrows = BTreeMap<String, BTreeMap<String, String>>;

#[test]
fn no_room_imports_what_imports_it() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folders = FOLDERS.map(|folder| (folder, false)).into_iter().chain(FLOORS.map(|folder| (folder, true)));
    for ((folder, prefix), files_are_one) in folders {
        let arrows = arrows(&crates.join(folder), prefix, files_are_one);
        assert!(arrows.values().map(BTreeMap::len).sum::<usize>() > 0, "{folder} was not read");
        if let Some(circle) = circle(&arrows) {
            panic!("{folder} has a circle of imports:\n{}", circle.join("\n"));
        }
    }
}

#[test]
fn a_circle_is_found_whatever_lies_before_it() {
    let arrows = |pairs: &[(&str, &str)]| {
        let mut all = Arrows::new();
        for (from, to) in pairs {
            all.entry((*from).into()).or_default().insert((*to).into(), format!("{from} -> {to}"));
        }
        all
    };
    assert_eq!(circle(&arrows(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    let found = circle(&arrows(&[("a", "b"), ("b", "c"), ("c", "d"), ("d", "b")])).unwrap();
    assert_eq!(found, ["b -> c", "c -> d", "d -> b"]);
    let text = "use crate::disk::{error, group::Volume};\nuse super::place::Place;\n// crate::disk::lock\n";
    assert_eq!(mentioned(text, "crate::disk::", true), ["error", "group", "place"]);
    assert_eq!(mentioned(text, "crate::disk::", false), ["error", "group"]);
}

fn arrows(folder: &Path, prefix: &str, files_are_one: bool) -> Arrows {
    let files = sources(folder);
    let name_of = |file: &Path| {
        let first = file.strip_prefix(folder).unwrap().components().next().unwrap();
        first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
    };
    let room = |file: &Path| match files_are_one && file.parent() == Some(folder) {
        true => "its own files".to_owned(),
        false => name_of(file),
    };
    let rooms: BTreeMap<String, String> = files.iter().map(|file| (name_of(file), room(file))).collect();
    let mut arrows = Arrows::new();
    for file in
        files.iter().filter(|file| !["mod.rs", "lib.rs", "main.rs"].iter().any(|top| **file == folder.join(top)))
    {
        let (from, beside) = (room(file), file.parent() == Some(folder));
        for line in product_code(&std::fs::read_to_string(file).unwrap()).lines() {
            for to in mentioned(line, prefix, beside) {
                let Some(to) = rooms.get(to).filter(|to| **to != from) else { continue };
                let said = format!("{}: {}", file.display(), line.trim());
                arrows.entry(from.clone()).or_default().entry(to.clone()).or_insert(said);
            }
        }
    }
    arrows
}

/// Rust files of the product in a folder and below it.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !["tests", "fuzzing"].contains(&name) {
            files.extend(sources(&path));
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") && name != "fuzzing.rs" {
            files.push(path);
        }
    }
    files
}

/// A file without the tests at its end.
fn product_code(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap()
}

/// The rooms that lines name behind `prefix`, or, for a file that stands beside them, behind `super::`.
fn mentioned<'a>(text: &'a str, prefix: &str, beside: bool) -> Vec<&'a str> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| {
        let own = line.split(prefix).skip(1);
        let siblings = line.split("super::").skip(1).take(if beside { usize::MAX } else { 0 });
        own.chain(siblings).flat_map(|rest| match rest.strip_prefix('{') {
            Some(list) => list.split(['}', ';']).next().unwrap().split(',').map(first_name).collect(),
            None => vec![first_name(rest)],
        })
    })
    .collect()
}

fn first_name(path: &str) -> &str {
    let path = path.trim_start();
    &path[..path.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(path.len())]
}

/// The lines of a circle, if there is one.
fn circle(arrows: &Arrows) -> Option<Vec<String>> {
    fn go<'a>(at: &'a str, arrows: &'a Arrows, path: &mut Vec<&'a str>, done: &mut BTreeSet<&'a str>) -> Option<usize> {
        if let Some(begin) = path.iter().position(|room| *room == at) {
            return Some(begin);
        }
        if !done.insert(at) {
            return None;
        }
        path.push(at);
        let found = arrows.get(at).and_then(|to| to.keys().find_map(|to| go(to, arrows, path, done)));
        if found.is_none() {
            path.pop();
        }
        found
    }
    let mut done = BTreeSet::new();
    for room in arrows.keys() {
        let mut path = Vec::new();
        if let Some(begin) = go(room, arrows, &mut path, &mut done) {
            let circle = &path[begin..];
            let next = circle.iter().skip(1).chain(&circle[..1]);
            return Some(circle.iter().zip(next).map(|(from, to)| arrows[*from][*to].clone()).collect());
        }
    }
    None
}

//! The glossary speaks of what is there: each type and room that it names is in the sources, and its words are in
//! order.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use std::path::{Path, PathBuf};

#[test]
fn every_word_of_the_glossary_is_in_the_code() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    for name in ["longhaul-core", "longhaul"] {
        read(&crates.join(name), &mut files);
    }
    let code = files.iter().map(|(_, text)| text.as_str()).collect::<String>();
    let glossary = std::fs::read_to_string(crates.join("../docs/glossary.md")).unwrap();
    let rows: Vec<Vec<&str>> = glossary.lines().filter(|l| l.starts_with("| ")).skip(1).map(cells).collect();
    assert!(rows.len() > 40, "the table was not read");
    for row in &rows {
        let [word, _, places] = row[..] else { panic!("a row has three cells: {row:?}") };
        let spans: Vec<&str> = places.split('`').skip(1).step_by(2).collect();
        assert!(!spans.is_empty(), "{word} is nowhere");
        for span in spans {
            let known = match span.contains('/') {
                true => files.iter().any(|(path, _)| path.to_str().unwrap().contains(&format!("/{span}"))),
                false => defines(&code, span),
            };
            assert!(known, "{word}: {span} is not in the sources of the core or the library");
        }
    }
    let words: Vec<String> = rows.iter().map(|row| row[0].to_lowercase()).collect();
    let mut sorted = words.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(words, sorted, "in order, each once");
}

/// Whether a type, a function or a variant of this name is defined.
fn defines(code: &str, name: &str) -> bool {
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    ["struct ", "enum ", "trait ", "type ", "fn ", "\n    "]
        .iter()
        .any(|before| code.split(&format!("{before}{name}")).skip(1).any(ends))
}

fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

fn read(folder: &Path, files: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            files.push((path, text));
        }
    }
}

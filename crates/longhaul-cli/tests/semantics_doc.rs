//! Does every promise have its test? `docs/semantics.md` makes the promises, `semantics.rs` keeps them.

use std::collections::BTreeSet;
use std::path::Path;

/// A heading as the name of a function: letters and digits in lower case, everything else one `_`.
fn snake_case(heading: &str) -> String {
    let words = heading.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("_")
}

/// The promises: headings of the third level.
fn promises(document: &str) -> BTreeSet<String> {
    document.lines().filter_map(|line| line.strip_prefix("### ")).map(snake_case).collect()
}

/// The functions that the test runner runs: `#[test]`, perhaps more attributes, then `fn NAME(`. An ignored test keeps
/// no promise.
fn tests(source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let (mut is_test, mut is_ignored) = (false, false);
    for line in source.lines().map(str::trim) {
        if line == "#[test]" {
            is_test = true;
        } else if line.starts_with("#[ignore") {
            is_ignored = true;
        } else if let Some((name, _)) = line.strip_prefix("fn ").and_then(|rest| rest.split_once('(')) {
            if std::mem::take(&mut is_test) && !is_ignored {
                found.insert(name.to_owned());
            }
            is_ignored = false;
        }
    }
    found
}

fn read(path: &str) -> std::io::Result<String> {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
}

#[test]
fn every_promise_has_its_test() {
    let promises = promises(&read("../../docs/semantics.md").expect("docs/semantics.md"));
    let tests = tests(&read("tests/semantics.rs").expect("tests/semantics.rs"));
    assert!(promises.len() >= 11, "docs/semantics.md lost promises: {promises:?}");
    let without: Vec<&String> = promises.difference(&tests).collect();
    assert!(without.is_empty(), "promises of docs/semantics.md without a test in tests/semantics.rs: {without:?}");
}

#[test]
fn headings_and_tests_are_recognised() {
    assert_eq!(snake_case("A stop within a second"), "a_stop_within_a_second");
    assert_eq!(promises("# Title\n### One, two\ntext ### no\n## Not this\n"), BTreeSet::from(["one_two".to_owned()]));
    let source =
        "#[test]\nfn kept() {}\nfn helper() {}\n#[test]\n#[ignore = \"slow\"]\nfn ignored() {}\n#[test]\nfn last() {}";
    assert_eq!(tests(source), BTreeSet::from(["kept".to_owned(), "last".to_owned()]));
}

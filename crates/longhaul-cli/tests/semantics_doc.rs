//! Does every promise have its test? `docs/semantics.md` makes the promises; `semantics.rs`, and for uploads
//! `cloud_put/semantics.rs`, keep them.

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
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if line.starts_with("#[ignore") {
            is_ignored = true;
        } else if let Some((name, _)) =
            line.trim_start_matches("async ").strip_prefix("fn ").and_then(|rest| rest.split_once('('))
        {
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
    let mut kept = tests(&read("tests/semantics.rs").expect("tests/semantics.rs"));
    kept.extend(tests(&read("tests/cloud_put/semantics.rs").expect("tests/cloud_put/semantics.rs")));
    assert!(promises.len() >= 18, "docs/semantics.md lost promises: {promises:?}");
    let without: Vec<&String> = promises.difference(&kept).collect();
    assert!(without.is_empty(), "promises of docs/semantics.md without a test of their name: {without:?}");
}

/// `[text](target)` in a line.
fn links(line: &str) -> Vec<(&str, &str)> {
    let pieces = line.split('[').skip(1).filter_map(|rest| rest.split_once("]("));
    pieces.filter_map(|(text, rest)| Some((text, rest.split_once(')')?.0))).collect()
}

#[test]
fn every_row_of_the_parity_page_is_shown_by_something_that_is_there() {
    let page = read("../../docs/parity.md").expect("docs/parity.md");
    let (apps, store) = page.split_once("\n## The store side").expect("a section about the store");
    assert!(rows(apps).len() >= 22 && !rows(store).is_empty(), "docs/parity.md lost rows");
    for row in rows(&page) {
        let shown: Vec<_> = links(row).into_iter().filter(|(_, target)| target.contains("/crates/")).collect();
        let (examples, tested): (Vec<_>, Vec<_>) =
            shown.into_iter().partition(|(_, target)| target.contains("/examples/"));
        let open = row.contains("**not yet**");
        assert!(!tested.is_empty() || open, "no test shows it: {row}");
        // What an app does is shown by an app; a store is no app.
        assert!(!examples.is_empty() || open || rows(store).contains(&row), "no example shows it: {row}");
        for (name, target) in examples {
            assert!(target.ends_with(&format!("/{name}.rs")), "{target} is no example {name}: {row}");
            read(&format!("../../docs/{target}")).unwrap_or_else(|_| panic!("{target} is not there: {row}"));
        }
        for (name, target) in tested {
            let source =
                read(&format!("../../docs/{target}")).unwrap_or_else(|_| panic!("{target} is not there: {row}"));
            assert!(tests(&source).contains(name), "{target} has no test {name}: {row}");
        }
    }
}

/// The rows of tables, heads left out.
fn rows(page: &str) -> Vec<&str> {
    page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| there")).collect()
}

#[test]
fn headings_and_tests_are_recognised() {
    assert_eq!(snake_case("A stop within a second"), "a_stop_within_a_second");
    assert_eq!(promises("# Title\n### One, two\ntext ### no\n## Not this\n"), BTreeSet::from(["one_two".to_owned()]));
    let source =
        "#[test]\nfn kept() {}\nfn helper() {}\n#[test]\n#[ignore = \"slow\"]\nfn ignored() {}\n#[test]\nfn last() {}";
    assert_eq!(tests(source), BTreeSet::from(["kept".to_owned(), "last".to_owned()]));
}

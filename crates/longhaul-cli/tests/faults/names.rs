//! What a server may call our file. Whatever it says, with `-d` the file lands inside the folder, under one name.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Mutex;

use longhaul_devstore::{Content, Fault, Object};

use crate::common::{self, Bench};

const LEN: u64 = 1000;

/// Runs `get -d` against this field; the problem, if there is one.
fn land(path: &str, field: &[u8], want: &str) -> Result<String, String> {
    let bench = Bench::new();
    bench.origin.put(path, Object::seeded(1, LEN));
    if !field.is_empty() {
        let line = [b"Content-Disposition: ", field].concat();
        bench.origin.always(path, Fault::RawHeader(line));
    }
    let decoys = ["a", "x", "etc"].map(|name| bench.root().join(name));
    for decoy in &decoys {
        fs::create_dir(decoy).unwrap();
    }
    let before = outside(&bench);
    let ran = bench.get_url(bench.origin.url(path)).into_dir(bench.folder()).run();
    if let Some(unsound) = ran.unsound() {
        return Err(format!("{unsound}\n{}", ran.report(&bench)));
    }
    if ran.code() != 0 {
        return Err(format!("it ended with {}\n{}", ran.code(), ran.report(&bench)));
    }
    if outside(&bench) != before {
        return Err(format!("something was written outside: {:?}", outside(&bench).difference(&before)));
    }
    let found = common::names(&bench.folder());
    if found != BTreeSet::from([want.to_owned()]) {
        return Err(format!("the file is {found:?} and not {want:?}"));
    }
    match Content::seeded(1, LEN).first_difference_in_file(bench.folder().join(want)) {
        Ok(None) => Ok(want.to_owned()),
        other => Err(format!("the file is wrong: {other:?}")),
    }
}

/// Everything but downloads, state and the logs of the runs.
fn outside(bench: &Bench) -> BTreeSet<std::path::PathBuf> {
    let own = [bench.folder(), bench.state(), bench.root().join("runs")];
    let all = common::tree(bench.root()).into_iter();
    all.filter(|path| !own.iter().any(|own| path != own && path.starts_with(own))).collect()
}

#[test]
fn names_that_servers_suggest() {
    let long = format!("attachment; filename=\"{}.iso\"", "n".repeat(300));
    let long_cut = format!("{}.iso", "n".repeat(250));
    let table: Vec<(&str, &[u8], &str)> = vec![
        ("/f", b"", "f"),
        ("/a/b/", b"", "download"),
        ("/", b"", "download"),
        ("/%2e%2e%2fup", b"", "up"),
        ("/..%5c..%5cup", b"", "up"),
        ("/f%00g", b"", "f_g"),
        ("/f", b"attachment; filename=\"film.mp4\"", "film.mp4"),
        ("/f", b"attachment; filename=film.mp4", "film.mp4"),
        ("/f", b"attachment; filename=\"../../x\"", "x"),
        ("/f", b"attachment; filename=\"..\\..\\x\"", "x"), // in quotes, \ escapes quotes and itself alone
        ("/f", b"attachment; filename=\"/etc/passwd\"", "passwd"),
        ("/f", b"attachment; filename=\"C:\\Windows\\x.dll\"", "x.dll"),
        ("/f", b"attachment; filename=\"..\"", "f"),
        ("/f", b"attachment; filename=\".\"", "f"),
        ("/f", b"attachment; filename=\"\"", "f"),
        ("/f", b"attachment; filename=\"  \"", "f"),
        ("/f", b"attachment; filename=\"a/\"", "f"),
        ("/f", b"attachment; filename*=UTF-8''..%2f..%2fx", "x"),
        ("/f", b"attachment; filename*=UTF-8''a%00b", "a_b"),
        ("/f", b"attachment; filename*=UTF-8''a%0ab%1b%5b31m", "a_b_[31m"),
        ("/f", b"attachment; filename*=UTF-8''%e2%82%ac.txt; filename=\"EUR.txt\"", "\u{20ac}.txt"),
        ("/f", b"attachment; filename=\"plain\"; filename*=UTF-8''star", "star"),
        ("/f", b"attachment; filename*=UTF-8''exe%e2%80%aetxt.gpj", "exe_txt.gpj"),
        ("/f", b"attachment; filename=\"caf\xe9.txt\"", "caf\u{e9}.txt"),
        ("/f", b"attachment; filename=\"a\tb\"", "a_b"),
        ("/f", b"attachment; filename=\"x.lhpart\"", "x.lhpart_"),
        ("/f", b"attachment; filename=\"x.lhlog\"", "x.lhlog_"),
        ("/f", b"attachment; filename=\"x.LHNEXT\"", "x.LHNEXT_"),
        ("/f", b"attachment; filename=\"x.lhlog.bad-1\"", "x.lhlog.bad-1_"),
        ("/f", b"attachment; filename=\"CON\"", "_CON"),
        ("/f", b"attachment; filename=\"nul.txt\"", "_nul.txt"),
        ("/f", b"attachment; filename=\".bashrc\"", "_.bashrc"),
        ("/f", b"attachment; filename=\"-rf\"", "_-rf"),
        ("/f", b"attachment; filename=\"~root\"", "_~root"),
        ("/f", b"attachment; filename=\"a:b*c?d\"", "a_b_c_d"),
        ("/f", b"attachment; filename=\"trailing. . \"", "trailing"),
        ("/f", long.as_bytes(), &long_cut),
        ("/f", b"inline", "f"),
        ("/f", b";;;=;filename", "f"),
    ];
    let problems = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for part in table.chunks(table.len().div_ceil(4)) {
            let problems = &problems;
            scope.spawn(move || {
                for (path, field, want) in part {
                    let shown = String::from_utf8_lossy(field).into_owned();
                    match land(path, field, want) {
                        Ok(name) => println!("{path:<14} {shown:<75.75} -> {name:.60}"),
                        Err(problem) => problems.lock().unwrap().push(format!("{path} {shown}: {problem}")),
                    }
                }
            });
        }
    });
    let problems = problems.into_inner().unwrap();
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

/// The name came from the reply of the first run; the second finds it in the folder, whatever the reply says then.
#[test]
fn a_suggested_name_is_kept_on_resume() {
    let bench = Bench::new();
    let size = common::SIZE;
    let named = |name: &str| Object::seeded(1, size).content_disposition(format!("attachment; filename=\"{name}\""));
    bench.origin.put("/file", named("first.bin"));
    bench.origin.script("/file", vec![Fault::Cut { after: common::HALF }]);
    bench.get().into_dir(bench.folder()).retries(0).run().expect(&bench, 10, "network, kept");
    bench.origin.put("/file", named("second.bin"));
    let ran = bench.get().into_dir(bench.folder()).run();
    ran.expect(&bench, 0, "validator, resumed");
    assert_eq!(common::names(&bench.folder()), BTreeSet::from(["first.bin".to_owned()]), "{}", ran.report(&bench));
}

//! longhaul and the vendor's SDKs on one store: what one uploads, the other reads, and neither touches what the other
//! has not finished.
//!
//! Method: `oss2` and `alibabacloud-oss-v2`, which `scripts/setup` installs, by a script for each that knows the same
//! few verbs; the store in between sees real clients on both sides.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use longhaul_devstore::Content;

use crate::common::{Ran, Running, eventually};
use crate::depot::{Depot, PART, SIZE};

/// The package, and the script that speaks for it.
const SDKS: [(&str, &str); 2] = [("oss2", "oss2_client.py"), ("alibabacloud_oss_v2", "alibabacloud_client.py")];
/// What URLs, signatures and SDKs give a meaning to.
const ODD: &str = "dir/ä +%41&=?#'\"b~";

struct Sdk<'d> {
    depot: &'d Depot,
    script: &'static str,
}

impl Sdk<'_> {
    /// What it said; it has to succeed.
    #[track_caller]
    fn does(&self, verb: &str, key: &str, file: &Path) -> String {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(tests.join("../../target/tools/python/bin/python"));
        command.arg(tests.join("tests/cloud_put/sdks").join(self.script)).args([verb, key]).arg(file);
        command.envs(self.depot.env()).env("PYTHONDONTWRITEBYTECODE", "1").env("NO_PROXY", "*");
        let output = command.output().unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        assert!(output.status.success(), "{} {verb} {key}: {}", self.script, said(&output.stderr));
        said(&output.stdout)
    }
}

/// The same with each of them, on a store of its own.
fn with_each(story: impl Fn(&Depot, &Sdk<'_>)) {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/python/lib");
    let version = std::fs::read_dir(library).ok().and_then(|mut all| Some(all.next()?.ok()?.path()));
    for (package, script) in SDKS {
        if !version.as_ref().is_some_and(|version| version.join("site-packages").join(package).exists()) {
            assert!(std::env::var_os("LONGHAUL_REQUIRE_SERVERS").is_none(), "{package} is missing: scripts/setup");
            println!("skipped: {package} not installed");
            continue;
        }
        let depot = Depot::open();
        story(&depot, &Sdk { depot: &depot, script });
    }
}

fn fetch(depot: &Depot, key: &str, target: &Path) -> Running {
    let (object, target, state) = (format!("oss://films/{key}"), target.to_str().unwrap(), depot.bench.state());
    let words = ["get", &object, "-o", target, "--proxy", "none", "--json", "--state-dir", state.to_str().unwrap()];
    depot.bench.start_reading(words.map(OsString::from).into(), &depot.env(), Stdio::null())
}

#[track_caller]
fn assert_is(content: &Content, target: &Path, depot: &Depot, ran: &Ran) {
    let difference = content.first_difference_in_file(target);
    assert!(matches!(difference, Ok(None)), "{difference:?}: {}", depot.report(ran));
}

#[test]
fn what_longhaul_uploaded_the_sdks_read_back() {
    with_each(|depot, sdk| {
        let dress = ["--meta", "colour=green", "--content-type", "text/x-test"];
        for (name, len, key) in
            [("small", 70_001, ODD), ("nothing", 0, "empty"), ("film", SIZE, "by parts"), ("film", SIZE, ODD)]
        {
            let file = depot.file(name, &Content::seeded(7, len));
            let ran = depot.put(&file, key).args(dress).run();
            depot.expect(&ran, 0, "crc64");
            sdk.does("check", key, &file);
        }
        // And one that was killed and gone on with.
        let film = depot.file("film", &Content::seeded(8, SIZE));
        depot.fault("kind=bandwidth op=UploadPart bytes_per_second=2097152");
        let running = depot.put(&film, "resumed").args(dress).start();
        let seen = eventually(|| running.acknowledged() >= 4 * PART);
        let ran = running.kill();
        assert!(seen && ran.code() == -9, "{}", depot.report(&ran));
        depot.store.clear_faults();
        let ran = depot.put(&film, "resumed").args(dress).run();
        depot.expect(&ran, 0, "crc64, resumed");
        sdk.does("check", "resumed", &film);
    });
}

#[test]
fn what_the_sdks_uploaded_longhaul_fetches_through_a_kill_as_well() {
    with_each(|depot, sdk| {
        let content = Content::seeded(9, SIZE);
        let film = depot.file("film", &content);
        for (verb, key) in [("put", ODD), ("resumable", "by parts"), ("resumable", "ä b/c?d")] {
            sdk.does(verb, key, &film);
            let target = depot.bench.root().join("back");
            depot.fault("kind=bandwidth op=GetObject bytes_per_second=1048576");
            let running = fetch(depot, key, &target);
            let seen = eventually(|| running.received() > 2 * PART);
            let ran = running.kill();
            assert!(seen && ran.code() == -9, "{}", depot.report(&ran));
            depot.store.clear_faults();
            let ran = fetch(depot, key, &target).wait();
            depot.expect(&ran, 0, "crc64, resumed");
            assert_is(&content, &target, depot, &ran);
            // It is known as the same when it is to be uploaded, whoever uploaded it.
            depot.expect(&depot.put(&film, key).run(), 0, "crc64, already");
            std::fs::remove_file(&target).unwrap();
        }
    });
}

/// An upload of theirs at the same key, half done: ours does not use its parts, does not abort it, and they can finish
/// it afterwards.
#[test]
fn what_an_sdk_has_not_finished_is_left_alone() {
    with_each(|depot, sdk| {
        let (ours, theirs) = (Content::seeded(10, SIZE), Content::seeded(11, 3 * PART));
        let (film, other) = (depot.file("film", &ours), depot.file("theirs", &theirs));
        let upload = sdk.does("half", "shared", &other);
        depot.fault("kind=status op=UploadPart status=503 code=ServiceUnavailable skip=8");
        depot.expect(&depot.put(&film, "shared").retries(0).run(), 10, "network, kept");
        depot.store.clear_faults();
        assert_eq!(depot.unfinished(), 2, "ours and theirs");
        let ran = depot.put(&film, "shared").run();
        depot.expect(&ran, 0, "crc64, resumed");
        assert_eq!(depot.unfinished(), 1, "theirs: {}", depot.report(&ran));
        let ran = depot.longhaul_online(&["clean", "--yes"]);
        assert!(ran.code() == 0 && depot.unfinished() == 1, "{}", depot.report(&ran));
        let touched = depot.store.log_since(0).into_iter().filter(|line| {
            line["target"].as_str().is_some_and(|target| target.contains(&upload))
                && line["op"] == "AbortMultipartUpload"
        });
        assert_eq!(touched.count(), 0, "{}", depot.report(&ran));
        sdk.does("rest", "shared", &other);
        let target = depot.bench.root().join("back");
        let ran = fetch(depot, "shared", &target).wait();
        depot.expect(&ran, 0, "crc64");
        assert_is(&theirs, &target, depot, &ran);
    });
}

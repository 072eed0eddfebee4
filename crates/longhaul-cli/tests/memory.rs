//! How much memory does a transfer take at its peak? Bounded, whatever the size.
//!
//! The bound is a promise about release builds: `LONGHAUL_RELEASE_BIN` names one to be measured. Without it the build
//! of the tests is measured, of which more is resident: its code is not optimised and has several times the pages.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test can do nothing else about it")]

mod real;

use std::ffi::OsString;
use std::fs::{self, File};

use longhaul_core::download::held::Slot;
use longhaul_core::download::journal::{self, Begin, Record, Source};
use longhaul_core::identity::Identity;
use longhaul_core::words::Extent;
use longhaul_devstore::{Content, Object, Origin};
use real::program::{Ended, Get};

/// So many connections, and what may be resident with them (docs/semantics.md): a mebibyte more for each beyond 16, as
/// the buffers of the HTTP layer grow with what the network delivers, and have no setting.
const PEAKS_MAX_KIB: [(&str, u64); 4] = [("1", 24 << 10), ("4", 48 << 10), ("16", 48 << 10), ("64", 96 << 10)];
const ALONE_MAX_KIB: u64 = PEAKS_MAX_KIB[0].1;

/// What may be resident more than in a release build.
fn debug_kib() -> u64 {
    if std::env::var_os("LONGHAUL_RELEASE_BIN").is_some() { 0 } else { 16 << 10 }
}

fn binary() -> OsString {
    std::env::var_os("LONGHAUL_RELEASE_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_longhaul").into())
}

/// Runs to its end, or until the condition holds; the peak is read again and again, as it only ever rises.
fn peak_of(mut get: Get, enough: impl Fn(&Get) -> bool) -> (u64, Ended) {
    let mut peak = 0;
    let mut stopped = false;
    real::until(real::program::PATIENCE, || {
        peak = get.peak_kib().unwrap_or(0).max(peak);
        stopped = enough(&get);
        stopped || !get.runs()
    });
    if stopped {
        get.kill();
    }
    (peak, get.wait())
}

#[test]
fn one_gibibyte_stays_within_the_bound_of_its_connections() {
    let origin = Origin::start();
    let object = Object::seeded(1, 1 << 30);
    origin.put("/object", object.clone());
    for (connections, max) in PEAKS_MAX_KIB {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("object");
        let more = ["-x", connections];
        let get = Get::start_as(&binary(), &origin.url("/object"), &file, &folder.path().join("state"), &more);
        let (peak, ended) = peak_of(get, |_| false);
        ended.assert_done();
        assert_eq!(fs::metadata(&file).unwrap().len(), 1 << 30);
        real::say(&format!("peak {peak} KiB over 1 GiB with -x {connections}"));
        assert!(peak > 0 && peak <= max + debug_kib(), "peak {peak} KiB with -x {connections}");
    }
}

/// As many extents as a download can have (one for each block, and for each gap one more), none of them whole: a
/// resumed transfer of 100 GiB that has to close every gap.
#[test]
fn the_largest_journal_stays_within_the_bound() {
    const LEN: u64 = 100 << 30;
    const EXTENTS: u64 = 8192 + 16;
    let origin = Origin::start();
    let object = Object::new(Content::repeated(0, LEN));
    origin.put("/object", object.clone());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("object");
    let block_len = 16 << 20;
    let extents: Vec<Extent> =
        (0..EXTENTS).map(|i| Extent { start: (i + 1) * (12 << 20), len: 16, crc: crc(16) }).collect();
    let url = origin.url("/object");
    let source = Source { id: [7; 16], url: url.clone(), name: b"object".to_vec(), ..Source::default() };
    let identity = Identity { etag: object.etag.clone(), length: Some(LEN), ..Identity::default() };
    let begin = Begin { generation: 1, slot: Slot::Main, identity, block_len, reason: None };
    let records = [Record::Source(source), Record::Begin(begin), Record::Claim { generation: 1, extents }];
    let mut bytes = journal::header().to_vec();
    journal::encode(&records, 0, &mut bytes);
    fs::write(folder.path().join("object.lhlog"), &bytes).unwrap();
    File::create(folder.path().join("object.lhpart")).unwrap().set_len(LEN).unwrap();

    let get = Get::start_as(&binary(), &url, &file, &folder.path().join("state"), &real::ALONE);
    // All of the extents were taken up, and many were met.
    let (peak, ended) = peak_of(get, |_| origin.bytes_served() > 256 << 20);
    let resumed = ended.event("resumed").unwrap();
    assert_eq!(resumed["held"], EXTENTS * 16);
    real::say(&format!("peak {peak} KiB with {EXTENTS} extents in a journal of {} KiB", bytes.len() >> 10));
    assert!(peak > 0 && peak <= ALONE_MAX_KIB + debug_kib(), "peak {peak} KiB");
}

/// As many parts as a store takes, sent over as many connections as `auto` uses; then the same again after a kill,
/// which reads the whole list of parts.
#[test]
fn ten_thousand_parts_stay_within_the_bound() {
    const PART: u64 = 100 << 10;
    const PARTS: u64 = 10_000;
    const PEAK_MAX_KIB: u64 = 48 << 10;
    let folder = tempfile::tempdir().unwrap();
    let store = longhaul_devstore::oss::Builder::new(folder.path().join("store")).bucket("films").sync(false);
    let store = store.start().unwrap();
    // Nothing but a hole: it takes no room here, and every part has to be read all the same.
    let file = folder.path().join("file");
    File::create(&file).unwrap().set_len(PARTS * PART).unwrap();
    let args = ["put", "--json", "--proxy", "none", "--part-size", "100k", "-x", "16", "--durability", "process"];
    let start = || {
        std::process::Command::new(binary())
            .args(args)
            .args(["--endpoint", store.endpoint(), "--region", store.region()])
            .args(["--state-dir".as_ref(), folder.path().join("state").as_os_str()])
            .args([file.as_os_str(), "oss://films/file".as_ref()])
            .env("OSS_ACCESS_KEY_ID", store.access_key_id())
            .env("OSS_ACCESS_KEY_SECRET", store.access_key_secret())
            .env_remove("OSS_SESSION_TOKEN")
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap()
    };
    let patience = 4 * real::program::PATIENCE;
    let parts = || store.log_since(0).iter().rev().take(2000).filter(|line| line["op"] == "UploadPart").count();
    let mut first = start();
    let mut peak = 0;
    let mut ended = None;
    assert!(real::until(patience, || {
        peak = peak_kib(first.id()).unwrap_or(0).max(peak);
        ended = first.try_wait().unwrap();
        ended.is_some() || parts() >= 1500
    }));
    assert!(ended.is_none(), "it ended before it could be killed: {ended:?}");
    first.kill().unwrap();
    first.wait().unwrap();
    let mut second = start();
    let in_time = real::until(patience, || {
        peak = peak_kib(second.id()).unwrap_or(0).max(peak);
        ended = second.try_wait().unwrap();
        ended.is_some()
    });
    if !in_time {
        second.kill().unwrap();
        second.wait().unwrap();
    }
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    real::say(&format!("peak {peak} KiB for {PARTS} parts"));
    assert!(peak > 0 && peak <= PEAK_MAX_KIB, "peak {peak} KiB for {PARTS} parts");
}

/// A list is read as it is worked off, and a file that is done leaves some thirty bytes. Then all of them again, when
/// every file is there. Half of the files have the names that their URLs say, half have other ones.
#[test]
fn a_long_list_stays_within_the_bound_also_when_all_is_there() {
    const FEW: usize = 5_000;
    const MANY: usize = 20_000;
    const PEAK_MAX_KIB: u64 = 40 << 10;
    const EACH_MAX: u64 = 200;
    let origin = Origin::start();
    let object = Object::seeded(1, 64);
    let urls: Vec<String> = (0..MANY)
        .map(|n| {
            let name = format!("/some/folder/of/files/number-{n}.bin");
            origin.put(&name, object.clone());
            format!("{}{}\n", origin.url(&name), if n % 2 == 0 { String::new() } else { format!("\tfile-{n}") })
        })
        .collect();
    let (few, many) = (peaks_of_list(&urls[..FEW]), peaks_of_list(&urls));
    for (turn, (few, many)) in few.into_iter().zip(many).enumerate() {
        real::say(&format!("peak {few} KiB for {FEW} URLs, {many} KiB for {MANY}, time {}", turn + 1));
        assert!(few > 0 && many <= PEAK_MAX_KIB + debug_kib(), "peak {many} KiB, time {}", turn + 1);
        let each = many.saturating_sub(few) * 1024 / (MANY - FEW) as u64;
        assert!(each <= EACH_MAX, "{each} bytes a URL, time {}", turn + 1);
    }
}

/// The peaks of the same list twice in one folder, the second time from stdin.
fn peaks_of_list(urls: &[String]) -> [u64; 2] {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list");
    fs::write(&path, urls.concat()).unwrap();
    let peaks = [false, true].map(|from_stdin| {
        let mut command = std::process::Command::new(binary());
        command.args(["get", "-q", "--proxy", "none", "-j", "16", "--durability", "process"]);
        command.args(["--state-dir".as_ref(), folder.path().join("state").as_os_str()]);
        command.args(["-d".as_ref(), folder.path().join("out").as_os_str(), "-i".as_ref()]);
        match from_stdin {
            true => command.arg("-").stdin(File::open(&path).unwrap()),
            false => command.arg(&path),
        };
        let mut child = command.spawn().unwrap();
        let (mut peak, mut ended) = (0, None);
        let in_time = real::until(8 * real::program::PATIENCE, || {
            peak = peak_kib(child.id()).unwrap_or(0).max(peak);
            ended = child.try_wait().unwrap();
            ended.is_some()
        });
        if !in_time {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
        peak
    });
    assert_eq!(fs::read_dir(folder.path().join("out")).unwrap().count(), urls.len());
    peaks
}

/// Peak resident memory of a process so far; `None` when it is gone.
fn peak_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

/// CRC-64/XZ of so many zeros.
fn crc(zeros: usize) -> u64 {
    const POLYNOMIAL: u64 = 0xc96c_5795_d787_0f42;
    let mut crc = u64::MAX;
    for _ in 0..zeros * 8 {
        crc = (crc >> 1) ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 };
    }
    !crc
}

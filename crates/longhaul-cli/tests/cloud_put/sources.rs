//! Files that change, grow, shrink and vanish; input without a name.

use std::fs::{self, File};
use std::io::Write as _;
use std::process::{Command, Stdio};

use longhaul_devstore::Content;
use rustix::process::Signal;

use crate::common::eventually;
use crate::depot::{Depot, MIB, PART, SIZE, age};

/// An upload that was left with eight parts stored: one after the other, or a failure would cut off those beside it.
fn left_with_eight_parts(depot: &Depot) -> (std::path::PathBuf, Content) {
    let (film, content) = depot.film();
    depot.fault("kind=status op=UploadPart status=503 code=ServiceUnavailable skip=8");
    depot.expect(&depot.put(&film, "film").until_it_fails().run(), 10, "network, kept");
    depot.store.clear_faults();
    (film, content)
}

#[test]
fn a_file_that_changed_since_is_never_mixed() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let (film, _) = left_with_eight_parts(&depot);
    let content = Content::seeded(8, SIZE);
    depot.file("film", &content);
    let ran = depot.put(&film, "film").run();
    depot.expect(&ran, 0, "crc64, resumed, restarted (source_changed)");
    depot.assert_stored("film", &content, &ran);
    depot.assert_nothing_left(&ran);
    assert_eq!(depot.count("InitiateMultipartUpload"), 2, "{}", depot.report(&ran));
}

#[test]
fn a_file_that_was_only_touched_is_gone_on_with() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let (film, content) = left_with_eight_parts(&depot);
    age(&film); // another time, the same bytes
    let ran = depot.put(&film, "film").run();
    depot.expect(&ran, 0, "crc64, resumed");
    assert_eq!(ran.event("done").unwrap()["sent"], SIZE - 8 * PART, "{}", depot.report(&ran));
    depot.assert_stored("film", &content, &ran);
}

#[test]
fn a_file_that_grows_or_shrinks_while_it_is_read_is_stored_as_one_version() {
    for len in [SIZE + 5 * PART, SIZE - 5 * PART, 100] {
        let depot = Depot::with(|builder| builder.anonymous(true));
        let (film, content) = depot.film();
        depot.fault("kind=bandwidth op=UploadPart bytes_per_second=4194304");
        let running = depot.put(&film, "film").start();
        assert!(eventually(|| depot.count("UploadPart") >= 3), "{}", running.told());
        File::options().write(true).open(&film).unwrap().set_len(len).unwrap();
        depot.store.clear_faults();
        let ran = running.wait();
        assert_eq!(ran.code(), 0, "{len}: {}", depot.report(&ran));
        let restarted = ran.event("restarted").is_some_and(|event| event["reason"] == "source_changed");
        assert!(restarted, "{}", depot.report(&ran));
        let mut expected = content.to_vec();
        expected.resize(usize::try_from(len).unwrap(), 0);
        let stored = depot.stored("film").map(|(_, body)| body);
        assert!(stored.as_deref() == Some(&expected), "{len}: {}", depot.report(&ran));
        depot.assert_nothing_left(&ran);
    }
}

#[test]
fn a_journal_is_of_one_file_and_one_destination() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let (film, content) = left_with_eight_parts(&depot);
    let other = Content::seeded(10, SIZE);
    let ran = depot.put(depot.file("other", &other), "film").run();
    depot.expect(&ran, 0, "crc64");
    depot.assert_stored("film", &other, &ran);
    let ran = depot.put(&film, "elsewhere").run();
    depot.expect(&ran, 0, "crc64");
    depot.assert_stored("elsewhere", &content, &ran);
    assert_eq!(depot.listed().len(), 1, "the first one still waits");
    let ran = depot.put(&film, "film").run();
    depot.expect(&ran, 0, "crc64, resumed");
    depot.assert_stored("film", &content, &ran);
    depot.assert_nothing_left(&ran);
}

#[test]
fn a_damaged_journal_is_set_aside_and_what_it_knew_is_told_as_lost() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let (film, content) = left_with_eight_parts(&depot);
    let journals = depot.bench.state().join("uploads");
    let journal = fs::read_dir(&journals)
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| p.extension().is_some_and(|e| e == "lhlog"));
    fs::write(journal.unwrap(), b"nonsense").unwrap();
    let ran = depot.put(&film, "film").run();
    depot.expect(&ran, 0, "crc64, restarted (journal_unusable)");
    depot.assert_stored("film", &content, &ran);
}

#[test]
fn stdin_is_stored_and_gone_on_with_when_it_says_the_same_again() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let (film, content) = depot.film();
    let cat = || Command::new("cat").arg(&film).stdout(Stdio::piped()).spawn().unwrap();
    depot.fault("kind=status op=UploadPart status=503 code=ServiceUnavailable skip=8");
    let mut first = cat();
    let ran = depot.put("-", "film").stdin(first.stdout.take().unwrap()).until_it_fails().run();
    first.wait().unwrap();
    depot.expect(&ran, 10, "network, kept");
    depot.store.clear_faults();
    let mut second = cat();
    let ran = depot.put("-", "film").stdin(second.stdout.take().unwrap()).run();
    second.wait().unwrap();
    assert_eq!(ran.code(), 0, "{}", depot.report(&ran));
    assert_eq!(ran.event("done").unwrap()["sent"], SIZE - 8 * PART, "{}", depot.report(&ran));
    depot.assert_stored("film", &content, &ran);
    depot.assert_nothing_left(&ran);
    let spooled = fs::read_dir(depot.bench.state().join("spool")).unwrap().map(|e| e.unwrap());
    assert!(spooled.map(|e| e.metadata().unwrap().len()).sum::<u64>() == 0, "what was read is removed");
    // A file as stdin, and nothing at all.
    let ran = depot.put("-", "from-file").stdin(File::open(&film).unwrap()).run();
    depot.expect(&ran, 0, "crc64");
    let ran = depot.put("-", "nothing").run();
    depot.expect(&ran, 0, "crc64");
    depot.assert_stored("nothing", &Content::seeded(1, 0), &ran);
}

/// Goal: who pipes something long sees that it arrives. Method: a pipe that is held open until it was said.
#[test]
fn input_that_takes_long_is_told_of_while_it_is_kept() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let content = Content::seeded(9, 3 * MIB);
    let (reader, mut writer) = std::io::pipe().unwrap();
    let running = depot.put("-", "film").args(["--progress", "plain"]).stdin(reader).start();
    std::io::copy(&mut content.reader(), &mut writer).unwrap();
    assert!(eventually(|| running.said().contains("3.0 MiB of the input kept")), "{}", running.said());
    assert_eq!(depot.count("PutObject"), 0);
    drop(writer);
    let ran = running.wait();
    depot.expect(&ran, 0, "crc64");
    depot.assert_stored("film", &content, &ran);
}

/// Goal: input that never ended takes no room for ever. Method: a pipe that is held open; Ctrl-C removes what was kept,
/// and after `kill -9` `clean` does.
#[test]
fn input_that_never_ended_is_removed() {
    let depot = Depot::open();
    let spool = depot.bench.state().join("spool");
    let kept = || -> u64 {
        fs::read_dir(&spool).map_or(0, |files| files.map(|file| file.unwrap().metadata().map_or(0, |m| m.len())).sum())
    };
    let reading = || {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let running = depot.put("-", "film").stdin(reader).start();
        writer.write_all(&vec![7; MIB as usize]).unwrap();
        assert!(eventually(|| kept() == MIB), "{}", running.said());
        (running, writer)
    };
    let (running, writer) = reading();
    running.signal(Signal::INT);
    let ran = running.wait();
    drop(writer);
    assert_eq!((ran.code(), kept()), (130, 0), "{}", depot.report(&ran));
    let (running, writer) = reading();
    running.kill();
    drop(writer);
    let asked = depot.longhaul(&["clean"]);
    assert!(asked.stdout.contains("1.0 MiB kept of an input"), "{}", depot.report(&asked));
    assert_eq!(kept(), MIB, "nothing is done unasked");
    let ran = depot.longhaul(&["clean", "--yes"]);
    assert_eq!((ran.code(), kept()), (0, 0), "{}", depot.report(&ran));
}

#[test]
fn a_pipe_as_a_file_is_refused_with_what_to_do() {
    let depot = Depot::open();
    let fifo = depot.bench.folder().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600), 0)
        .unwrap();
    let ran = depot.put(&fifo, "x").run();
    depot.expect(&ran, 8, "local_file");
    assert!(ran.stderr.contains("not a regular file"), "{}", ran.stderr);
    let mut unwritable = File::create(depot.bench.folder().join("gone")).unwrap();
    unwritable.write_all(b"x").unwrap();
    fs::remove_file(depot.bench.folder().join("gone")).unwrap();
    depot.expect(&depot.put(depot.bench.folder().join("gone"), "x").run(), 8, "local_file");
}

/// Goal: a file whose length is not that of its content is refused by its name, and what it has goes as a stream.
/// Method: files of the kernel that announce 0 bytes (procfs) and 4096 (sysfs) whatever they have, alone and in a
/// folder.
#[test]
#[cfg(target_os = "linux")]
fn a_file_that_has_not_what_it_announces_is_refused_with_what_to_do() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let folder = depot.bench.folder().join("folder");
    depot.file("folder/real", &Content::seeded(1, 10));
    let mut met = 0;
    for (path, announces) in [
        ("/proc/version", "announces 0 bytes and has more"),
        ("/sys/kernel/mm/transparent_hugepage/enabled", "announces 4096 bytes and has fewer"),
        ("/sys/kernel/fscaps", "announces 4096 bytes and has fewer"),
    ] {
        let Ok(content) = fs::read(path) else { continue };
        met += 1;
        for flags in [vec![], vec!["--part-md5"], vec!["--part-size", "100k"]] {
            let ran = depot.put_all([path], "made-up").args(flags).run();
            depot.expect(&ran, 8, "local_file");
            assert!(ran.stderr.contains(path) && ran.stderr.contains(announces), "{}", ran.stderr);
            assert!(ran.stderr.contains("`put -`"), "{}", ran.stderr);
        }
        assert!(depot.stored("made-up").is_none() && depot.unfinished() == 0 && depot.listed().is_empty());
        let ran = depot.put_all(["-"], "stream").stdin(File::open(path).unwrap()).run();
        depot.expect(&ran, 0, "crc64");
        assert_eq!(depot.stored("stream").unwrap().1, content, "{}", depot.report(&ran));
        std::os::unix::fs::symlink(path, folder.join(format!("link{met}"))).unwrap();
    }
    assert!(met > 0, "neither procfs nor sysfs is there");
    let ran = depot.put_all([&folder], "all/").args(["-r"]).run();
    assert_eq!((ran.code(), ran.unsound()), (8, None), "{}", depot.report(&ran));
    assert_eq!(ran.stderr.matches("announces").count(), met, "{}", ran.stderr);
    assert_eq!((depot.stored("all/real").unwrap().1.len(), depot.stored("all/link1")), (10, None), "{}", ran.stderr);
}

//! Sources that change, and sources that are none.

use std::io::{Read, Seek, SeekFrom, Write};

use longhaul::{Cancel, ErrorKind, OnChange, UploadRestart};
use longhaul_devstore::Content;

use crate::stage::{BUCKET, PART, age, end, small_parts, stage, until_settled, until_stored};

const LEN: u64 = 12 * PART;
const SLOW: &str = "kind=bandwidth bytes_per_second=400000 op=UploadPart";

/// Goal: never an object mixed from two versions. Method: the file is written anew between two starts; the old upload
/// is removed, with the reason.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_changed_between_starts_begins_anew() {
    let stage = stage();
    let file = stage.file("f", &Content::seeded(1, LEN));
    stage.fault(SLOW);
    let transfer = stage.upload(&file, "k").start().await.unwrap();
    until_stored(&transfer, 3 * PART).await;
    transfer.cancel(Cancel::Keep).await.unwrap();
    let newer = Content::seeded(2, LEN);
    stage.file("f", &newer);
    stage.server().clear_faults();
    let outcome = end(&stage.upload(&file, "k").start().await.unwrap()).await.unwrap();
    assert_eq!(outcome.totals().restarts, [UploadRestart::SourceChanged.into()]);
    assert_eq!((stage.left_in_store("k").await, stage.unfinished()), (0, 0));
    assert_eq!(stage.stored("k").unwrap(), newer.to_vec());
}

/// Goal: a source that was only touched is not sent again: its parts are read and compared. Method: another time, the
/// same bytes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_was_touched_is_compared_and_not_sent_again() {
    let stage = stage();
    let content = Content::seeded(3, LEN);
    let file = stage.file("f", &content);
    until_settled(&file).await;
    stage.fault(SLOW);
    let transfer = stage.upload(&file, "k").start().await.unwrap();
    until_stored(&transfer, 3 * PART).await;
    transfer.pause().await.unwrap();
    let stored = transfer.progress().durable;
    transfer.cancel(Cancel::Keep).await.unwrap();
    age(&file, 7200);
    stage.server().clear_faults();
    let outcome = end(&stage.upload(&file, "k").start().await.unwrap()).await.unwrap();
    let uploaded = outcome.uploaded().unwrap();
    assert!(uploaded.totals.restarts.is_empty() && uploaded.totals.moved <= LEN - stored, "{uploaded:?}");
    assert_eq!(stage.stored("k").unwrap(), content.to_vec());
}

/// Goal: a source that changes while it is sent is stored as one version. Method: bytes that were sent already are
/// overwritten, the file grows, it shrinks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_changes_under_way_is_stored_as_one_version() {
    for change in ["overwrite", "grow", "shrink", "replace"] {
        let stage = stage();
        let file = stage.file("f", &Content::seeded(4, LEN));
        let id = stage.server().fault(SLOW).unwrap();
        let transfer = stage.upload(&file, "k").start().await.unwrap();
        until_stored(&transfer, 3 * PART).await;
        let mut open = std::fs::File::options().write(true).open(&file).unwrap();
        match change {
            "overwrite" => open.write_all(b"another begin").unwrap(),
            "grow" => {
                open.seek(SeekFrom::End(0)).unwrap();
                open.write_all(b"more").unwrap();
            }
            "shrink" => open.set_len(5 * PART + 1).unwrap(),
            _ => {
                stage.file("new", &Content::seeded(5, 2 * PART));
                std::fs::rename(stage.path("new"), &file).unwrap();
            }
        }
        assert!(id > 0);
        stage.server().clear_faults();
        let outcome = end(&transfer).await.unwrap();
        assert!(outcome.totals().restarts.contains(&UploadRestart::SourceChanged.into()), "{change}");
        let now = std::fs::read(&file).unwrap();
        assert_eq!(outcome.bytes(), now.len() as u64, "{change}");
        assert_eq!(stage.stored("k").unwrap(), now, "{change}");
    }
}

/// Goal: whoever wants to hear of a change rather than begin anew does. Method: `OnChange::Stop`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_can_end_the_upload() {
    let stage = stage();
    let file = stage.file("f", &Content::seeded(6, LEN));
    stage.fault(SLOW);
    let transfer = stage.upload(&file, "k").on_change(OnChange::Stop).start().await.unwrap();
    until_stored(&transfer, 2 * PART).await;
    std::fs::File::options().append(true).open(&file).unwrap().write_all(b"more").unwrap();
    let error = end(&transfer).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
}

/// Goal: input without a name is stored, and a second run with the same input goes on. Method: a reader, twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn input_that_is_read_once_can_be_resumed_with_the_same_input() {
    let stage = stage();
    let content = Content::seeded(7, LEN);
    let destination = format!("oss://{BUCKET}/k");
    let upload = || small_parts(stage.client().upload_reader(content.reader(), None)).to(destination.clone());
    stage.fault(SLOW);
    let transfer = upload().start().await.unwrap();
    assert_eq!(upload().start().await.err().unwrap().kind(), ErrorKind::InUse);
    until_stored(&transfer, 3 * PART).await;
    transfer.pause().await.unwrap();
    let stored = transfer.progress().durable;
    transfer.cancel(Cancel::Keep).await.unwrap();
    assert_eq!(std::fs::read_dir(stage.path("state/spool")).unwrap().count(), 1, "the input is kept");
    stage.server().clear_faults();
    let outcome = end(&upload().start().await.unwrap()).await.unwrap();
    assert!(outcome.totals().moved <= LEN - stored);
    assert_eq!(std::fs::read_dir(stage.path("state/spool")).unwrap().count(), 0, "the input is gone");
    assert_eq!(stage.stored("k").unwrap(), content.to_vec());
}

/// Goal: what cannot be read a second time, or not at all, is refused at the start. Method: one of each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_file_is_refused() {
    let stage = stage();
    let start = async |path: std::path::PathBuf| stage.upload(&path, "k").start().await.err().unwrap();
    let folder = start(stage.path("")).await;
    assert_eq!(folder.kind(), ErrorKind::Usage, "{folder}");
    assert_eq!(start(stage.path("missing")).await.kind(), ErrorKind::LocalFile);
    std::os::unix::net::UnixListener::bind(stage.path("socket")).unwrap();
    let socket = start(stage.path("socket")).await;
    assert!(socket.to_string().contains("regular file"), "{socket}");
    let device = start("/dev/null".into()).await;
    assert_eq!(device.kind(), ErrorKind::LocalFile, "{device}");
    std::os::unix::fs::symlink("loop", stage.path("loop")).unwrap();
    assert_eq!(start(stage.path("loop")).await.kind(), ErrorKind::LocalFile);
    assert!(stage.log().is_empty(), "the store was not asked");
}

/// Goal: a link is followed once, at the start. Method: the file behind it is what is stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_is_followed_at_the_start() {
    let stage = stage();
    let content = Content::seeded(8, 1000);
    stage.file("real", &content);
    std::os::unix::fs::symlink("real", stage.path("link")).unwrap();
    let transfer = stage.upload(&stage.path("link"), "k").start().await.unwrap();
    assert_eq!(transfer.path().unwrap(), stage.path("real").canonicalize().unwrap());
    end(&transfer).await.unwrap();
    assert_eq!(stage.stored("k").unwrap(), content.to_vec());
}

/// Goal: input that fails leaves nothing behind. Method: a reader with an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn input_that_fails_is_no_object() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
    }
    let stage = stage();
    let builder = small_parts(stage.client().upload_reader(Broken, None)).to(format!("oss://{BUCKET}/k"));
    let error = builder.start().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::LocalFile, "{error}");
    assert_eq!(std::fs::read_dir(stage.path("state/spool")).unwrap().count(), 0);
    assert!(stage.log().is_empty());
}

/// Goal: bytes in memory are stored as a file is, none of them included, and nothing of them stays on this machine.
/// Method: below and above a part.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_in_memory_are_stored_whole() {
    for len in [0, 1000, 2 * PART + 1] {
        let stage = stage();
        let content = Content::seeded(len, len).to_vec();
        let upload = small_parts(stage.client().upload_bytes(content.clone())).to(format!("oss://{BUCKET}/k"));
        let outcome = end(&upload.start().await.unwrap()).await.unwrap();
        assert_eq!(outcome.bytes(), len);
        assert!(stage.client().kept_inputs().unwrap().is_empty());
        assert_eq!(stage.stored("k").unwrap(), content, "{len}");
    }
}

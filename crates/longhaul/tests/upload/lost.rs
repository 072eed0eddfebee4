//! Answers that are lost, and stores that forget.

use longhaul::{ErrorKind, Event, UploadRestart};
use longhaul_devstore::Content;

use crate::stage::{PART, end, record, stage};

const LEN: u64 = 6 * PART;

/// Goal: a request that was carried out is not a failure because its answer was lost, and nothing is sent twice for it.
/// Method: the answer to the request that makes the object is lost in every way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_the_last_request_is_settled() {
    for (len, op) in [(LEN, "CompleteMultipartUpload"), (1000, "PutObject")] {
        for by in ["cut", "reset", "stall"] {
            let stage = stage();
            let content = Content::seeded(1, len);
            let file = stage.file("f", &content);
            stage.fault(&format!("kind=lose-answer by={by} op={op} times=1"));
            let builder = stage.upload(&file, "k").stall(1024, std::time::Duration::from_millis(100));
            let transfer = builder.start().await.unwrap();
            let events = record(&transfer);
            let outcome = end(&transfer).await.unwrap();
            assert_eq!(outcome.bytes(), len, "{op} {by}");
            assert_eq!((stage.count(op), stage.count("InitiateMultipartUpload")), (1, usize::from(len == LEN)), "{by}");
            assert_eq!(stage.bytes_in("UploadPart") + stage.bytes_in("PutObject"), len, "{op} {by}");
            assert!(events.await.unwrap().iter().any(|e| matches!(e, Event::Settling)), "{op} {by}");
            assert_eq!(stage.unfinished(), 0);
            assert_eq!(stage.stored("k").unwrap(), content.to_vec());
        }
    }
}

/// Goal: a part whose answer was lost is there; the others go on. Method: lost answers of parts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_a_part_costs_at_most_that_part() {
    let stage = stage();
    let content = Content::seeded(2, LEN);
    let file = stage.file("f", &content);
    stage.fault("kind=lose-answer op=UploadPart times=2");
    let outcome = end(&stage.upload(&file, "k").start().await.unwrap()).await.unwrap();
    assert!(outcome.totals().moved <= LEN + 2 * PART);
    assert_eq!(stage.count("InitiateMultipartUpload"), 1);
    assert_eq!(stage.stored("k").unwrap(), content.to_vec());
}

/// Goal: an upload whose creation was not answered is remembered as perhaps ours, and not removed unasked. Method: the
/// answer to Initiate is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_without_a_known_id_stays_in_the_ledger() {
    let stage = stage();
    let content = Content::seeded(3, LEN);
    let file = stage.file("f", &content);
    stage.fault("kind=lose-answer op=InitiateMultipartUpload times=1");
    end(&stage.upload(&file, "k").start().await.unwrap()).await.unwrap();
    assert_eq!(stage.left_in_store("k").await, 1);
    let ledger = stage.client().unfinished_uploads().unwrap().uploads;
    assert_eq!((ledger.len(), ledger[0].nameless, ledger[0].running), (1, 1, false));
    let perhaps = stage.upload(&file, "k").perhaps_ours().await.unwrap();
    assert_eq!(perhaps.len(), 1);
    assert!(perhaps[0].initiated.is_some());
    stage.upload(&file, "k").abort(&perhaps[0].upload_id).await.unwrap();
    assert_eq!(stage.left_in_store("k").await, 0);
    stage.client().forget_upload(&ledger[0].id).unwrap();
    assert_eq!((stage.unfinished(), stage.client().list().unwrap().transfers.len()), (0, 0));
    assert_eq!(stage.stored("k").unwrap(), content.to_vec());
}

/// Goal: an upload that the store has forgotten is begun anew, with the reason. Method: it is removed under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_gone_is_begun_anew() {
    for op in ["UploadPart", "CompleteMultipartUpload"] {
        let stage = stage();
        let content = Content::seeded(4, LEN);
        let file = stage.file("f", &content);
        let skip = if op == "UploadPart" { 3 } else { 0 };
        stage.fault(&format!("kind=remove-upload op={op} skip={skip} times=1"));
        let transfer =
            stage.upload(&file, "k").settle_timeout(std::time::Duration::from_secs(2)).start().await.unwrap();
        let outcome = end(&transfer).await.unwrap();
        assert_eq!(outcome.totals().restarts.len(), 1, "{op}");
        assert_eq!(stage.count("InitiateMultipartUpload"), 2, "{op}");
        assert_eq!(stage.stored("k").unwrap(), content.to_vec());
    }
}

/// Goal: a part that was stored wrongly is found before the object is made. Method: a bit flips on its way in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_part_is_sent_again() {
    let stage = stage();
    let content = Content::seeded(5, LEN);
    let file = stage.file("f", &content);
    stage.fault("kind=flip-upload offset=777 op=UploadPart skip=2 times=1");
    let transfer = stage.upload(&file, "k").start().await.unwrap();
    let events = record(&transfer);
    end(&transfer).await.unwrap();
    assert!(events.await.unwrap().iter().any(|e| matches!(e, Event::WrongPart { .. } | Event::Retry { .. })));
    assert_eq!(stage.count("UploadPart"), 7);
    assert_eq!(stage.stored("k").unwrap(), content.to_vec());
}

/// Goal: an object that was stored wrongly is noticed. Method: the only request of a small one is spoiled, every time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_object_is_no_success() {
    let stage = stage();
    let file = stage.file("f", &Content::seeded(6, 1000));
    stage.fault("kind=flip-upload offset=77 op=PutObject");
    let error = end(&stage.upload(&file, "k").retries(2).start().await.unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity, "{error}");
}

/// Goal: a lost journal costs the upload and not the truth. Method: the journal is damaged between two starts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_journal_is_set_aside_with_the_reason() {
    let stage = stage();
    let content = Content::seeded(7, LEN);
    let file = stage.file("f", &content);
    stage.fault("kind=status status=403 code=AccessDenied op=UploadPart skip=3");
    end(&stage.upload(&file, "k").start().await.unwrap()).await.unwrap_err();
    let folder = stage.path("state/uploads");
    let journal = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path());
    let journal = journal.filter(|p| p.extension().is_some_and(|e| e == "lhlog")).collect::<Vec<_>>();
    std::fs::write(&journal[0], b"nonsense that is long enough for a header").unwrap();
    stage.server().clear_faults();
    let outcome = end(&stage.upload(&file, "k").start().await.unwrap()).await.unwrap();
    assert_eq!(outcome.totals().restarts, [UploadRestart::JournalUnusable.into()]);
    assert_eq!(stage.stored("k").unwrap(), content.to_vec());
}

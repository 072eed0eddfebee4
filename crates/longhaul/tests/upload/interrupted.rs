//! Uploads that stop half way and go on.

use longhaul::{Cancel, ErrorKind, Event};
use longhaul_devstore::Content;

use crate::stage::{PART, end, record, stage, until_settled, until_stored};

const LEN: u64 = 20 * PART;
const SLOW: &str = "kind=bandwidth bytes_per_second=400000 op=UploadPart";

/// Goal: what was acknowledged before a pause is not sent again by the next start, whoever that is. Method: a slow
/// store, a pause, another client; the store's log has the bytes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_start_sends_only_what_lacks() {
    let stage = stage();
    let content = Content::seeded(3, LEN);
    let file = stage.file("f", &content);
    until_settled(&file).await;
    stage.fault(SLOW);
    let transfer = stage.upload(&file, "k").start().await.unwrap();
    until_stored(&transfer, 4 * PART).await;
    transfer.pause().await.unwrap();
    let stored = transfer.progress().durable;
    assert!((4 * PART..LEN).contains(&stored));
    assert_eq!(end_of_cancel(&transfer, Cancel::Keep).await, ErrorKind::Cancelled);
    stage.server().clear_faults();
    let before = stage.last();
    let again = stage.upload(&file, "k").start().await.unwrap();
    assert_eq!(again.id(), transfer.id(), "one transfer keeps one name");
    let outcome = end(&again).await.unwrap();
    let uploaded = outcome.uploaded().unwrap();
    // A part that was on its way when it paused may have arrived as well.
    assert!(
        outcome.totals().resumed == 1
            && uploaded.totals.moved <= LEN - stored
            && uploaded.totals.moved >= LEN - stored - 2 * PART
    );
    let ops = stage.ops_since(before).await;
    assert_eq!(ops.iter().filter(|op| *op == "ListParts").count(), 1, "{ops:?}");
    assert_eq!(ops.iter().filter(|op| *op == "InitiateMultipartUpload").count(), 0, "{ops:?}");
    assert_eq!(stage.unfinished(), 0);
    assert_eq!(stage.stored("k").unwrap(), content.to_vec());
}

async fn end_of_cancel(transfer: &longhaul::Transfer, how: Cancel) -> ErrorKind {
    transfer.cancel(how).await.unwrap();
    end(transfer).await.unwrap_err().kind()
}

/// Goal: pause and resume within one handle. Method: the outcome counts what was taken up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_handle_pauses_and_goes_on() {
    let stage = stage();
    let content = Content::seeded(4, LEN);
    let file = stage.file("f", &content);
    stage.fault(SLOW);
    let transfer = stage.upload(&file, "k").start().await.unwrap();
    let events = record(&transfer);
    until_stored(&transfer, 2 * PART).await;
    transfer.pause().await.unwrap();
    transfer.pause().await.unwrap();
    stage.server().clear_faults();
    transfer.resume().await;
    let outcome = end(&transfer).await.unwrap();
    assert_eq!(outcome.totals().resumed, 1);
    let events = events.await.unwrap();
    assert!(events.iter().any(|e| matches!(e, Event::Paused { .. })));
    assert!(events.iter().any(|e| matches!(e, Event::Resumed { held, .. } if *held >= 2 * PART)));
    // Acknowledged bytes never go back without a word.
    let mut high = 0;
    for event in &events {
        match event {
            Event::Progress(p) => {
                assert!(p.durable >= high, "{high} then {}", p.durable);
                high = p.durable;
            }
            Event::Paused { .. } | Event::Restarted { .. } | Event::WrongPart { .. } => high = 0,
            _ => {}
        }
    }
    assert_eq!(stage.stored("k").unwrap(), content.to_vec());
}

/// Goal: a handle that is dropped stops in order and keeps what is there. Method: drop, then start again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_handle_stops_in_order() {
    let stage = stage();
    let file = stage.file("f", &Content::seeded(5, LEN));
    stage.fault(SLOW);
    let transfer = stage.upload(&file, "k").start().await.unwrap();
    until_stored(&transfer, 3 * PART).await;
    let mut events = transfer.events();
    drop(transfer);
    while events.next().await.is_some() {}
    stage.server().clear_faults();
    let outcome = end(&stage.upload(&file, "k").start().await.unwrap()).await.unwrap();
    assert!(outcome.totals().resumed == 1 && outcome.totals().moved <= LEN - 3 * PART);
}

/// Goal: cancelling leaves nothing behind, here or in the store. Method: discard while parts flow, and while paused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_upload_is_removed_from_the_store() {
    for paused in [false, true] {
        let stage = stage();
        let file = stage.file("f", &Content::seeded(6, LEN));
        stage.fault(SLOW);
        let transfer = stage.upload(&file, "k").start().await.unwrap();
        until_stored(&transfer, 2 * PART).await;
        if paused {
            transfer.pause().await.unwrap();
        }
        assert_eq!(end_of_cancel(&transfer, Cancel::Discard).await, ErrorKind::Cancelled);
        assert_eq!(stage.left_in_store("k").await, 0, "paused: {paused}");
        assert_eq!((stage.unfinished(), stage.client().list().unwrap().transfers.len()), (0, 0));
        assert!(file.exists());
        assert_eq!(stage.stored("k"), None);
    }
}

/// Goal: parts that are to be kept stay, and the next start goes on from them. Method: `keep_parts`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_that_are_to_be_kept_stay() {
    let stage = stage();
    let file = stage.file("f", &Content::seeded(7, LEN));
    stage.fault(SLOW);
    let transfer = stage.upload(&file, "k").keep_parts(true).start().await.unwrap();
    until_stored(&transfer, 2 * PART).await;
    assert_eq!(end_of_cancel(&transfer, Cancel::Discard).await, ErrorKind::Cancelled);
    assert_eq!(stage.left_in_store("k").await, 1);
    assert_eq!(stage.count("AbortMultipartUpload"), 0);
}

/// Goal: an error never removes parts. Method: a store that begins to refuse, then does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_keeps_what_is_stored() {
    let stage = stage();
    let file = stage.file("f", &Content::seeded(8, LEN));
    until_settled(&file).await;
    stage.fault("kind=status status=503 op=UploadPart skip=5");
    let transfer = stage.upload(&file, "k").retries(1).start().await.unwrap();
    let error = end(&transfer).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network, "{error}");
    assert!(error.to_string().contains("kept"), "{error}");
    let listed = &stage.client().list().unwrap().transfers[0];
    assert_eq!((listed.state, listed.kind), (longhaul::TransferState::Failed, longhaul::TransferKind::Upload));
    assert!(listed.held >= 4 * PART, "{}", listed.held);
    stage.server().clear_faults();
    let outcome = end(&stage.upload(&file, "k").start().await.unwrap()).await.unwrap();
    assert!(outcome.totals().resumed == 1 && outcome.totals().moved <= LEN - 4 * PART);
    assert_eq!(stage.count("AbortMultipartUpload"), 0);
}

/// Goal: connections that break, hang or are refused cost their part and no more. Method: each fault in turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_requests_are_sent_again() {
    for fault in [
        "kind=cut-upload after=50000 op=UploadPart rate=0.3 seed=1 times=8",
        "kind=cut-upload after=50000 by=cut op=UploadPart rate=0.3 seed=2 times=8",
        "kind=status status=500 op=UploadPart rate=0.3 seed=3 times=8",
        "kind=status status=503 retry_after=0 op=InitiateMultipartUpload,ListParts,HeadObject times=2",
        "kind=cut-upload after=50000 by=stall op=UploadPart times=1",
    ] {
        let stage = stage();
        let content = Content::seeded(9, LEN);
        let file = stage.file("f", &content);
        stage.fault(fault);
        let builder = stage.upload(&file, "k").stall(1024, std::time::Duration::from_secs(1));
        let outcome = end(&builder.start().await.unwrap()).await.unwrap();
        assert!(outcome.totals().retries > 0, "{fault}");
        assert_eq!(stage.stored("k").unwrap(), content.to_vec(), "{fault}");
    }
}

//! What is known of uploads that are not finished, and how they are gone on with, or ended, by their ids.

use longhaul::{Cancel, ErrorKind, TransferKind, TransferState, UploadStage};
use longhaul_devstore::Content;

use crate::stage::{PART, Stage, end, small_parts, stage, until_stored};

const LEN: u64 = 10 * PART;

/// An upload that was stopped half way; its id.
async fn stopped(stage: &Stage) -> String {
    let file = stage.file("f", &Content::seeded(1, LEN));
    stage.fault("kind=bandwidth bytes_per_second=400000 op=UploadPart");
    let transfer = stage.upload(&file, "k").start().await.unwrap();
    until_stored(&transfer, 3 * PART).await;
    let listed = stage.client().list().unwrap().transfers;
    assert_eq!((listed[0].id.as_str(), listed[0].state), (transfer.id(), TransferState::Running));
    transfer.cancel(Cancel::Keep).await.unwrap();
    stage.server().clear_faults();
    transfer.id().to_owned()
}

/// Goal: an upload goes on by its id alone. Method: a new client that knows only the state directory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_goes_on_by_its_id() {
    let stage = stage();
    let id = stopped(&stage).await;
    let listed = &stage.client().list().unwrap().transfers[0];
    assert_eq!((listed.kind, listed.state), (TransferKind::Upload, TransferState::Paused));
    assert!(listed.held >= 3 * PART && listed.total == Some(LEN));
    assert_eq!(listed.source, "oss://films/k");
    let ledger = stage.client().unfinished_uploads().unwrap().uploads;
    assert_eq!((ledger[0].id.as_str(), ledger[0].stage, ledger[0].owed), (id.as_str(), UploadStage::Sending, 0));
    assert_eq!((ledger[0].stored, ledger[0].part_len), (listed.held, Some(PART)));
    let outcome = end(&small_parts(stage.client().open_upload(&id).unwrap()).start().await.unwrap()).await.unwrap();
    assert!(outcome.totals().resumed == 1 && outcome.totals().moved <= LEN - 3 * PART);
    assert_eq!(stage.client().open_upload(&id).err().unwrap().kind(), ErrorKind::NotFound);
    assert_eq!(stage.client().list().unwrap().transfers.len(), 0);
}

/// Goal: an upload is cancelled by its id, though its source and its entry in the list are gone. Method: both removed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_is_discarded_by_its_id_without_its_source() {
    let stage = stage();
    let id = stopped(&stage).await;
    std::fs::remove_file(stage.path("f")).unwrap();
    std::fs::remove_dir_all(stage.path("state/transfers")).unwrap();
    let listed = &stage.client().list().unwrap().transfers[0];
    assert_eq!((listed.id.as_str(), listed.state), (id.as_str(), TransferState::Interrupted));
    assert!(stage.client().open_upload(&id).unwrap().discard().await.unwrap());
    assert_eq!((stage.left_in_store("k").await, stage.unfinished()), (0, 0));
}

/// Goal: an abort that the store did not take is owed, and paid later. Method: a store that refuses aborts for a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_that_failed_is_owed() {
    let stage = stage();
    let id = stopped(&stage).await;
    stage.fault("kind=status status=403 code=AccessDenied op=AbortMultipartUpload");
    let discard = async || stage.client().open_upload(&id).unwrap().retries(1).discard().await;
    assert!(!discard().await.unwrap_or(false));
    let ledger = stage.client().unfinished_uploads().unwrap().uploads;
    assert_eq!((ledger.len(), ledger[0].stage, ledger[0].owed), (1, UploadStage::GivenUp, 1));
    assert_eq!(stage.left_in_store("k").await, 1);
    stage.server().clear_faults();
    assert!(discard().await.unwrap());
    assert_eq!((stage.left_in_store("k").await, stage.unfinished()), (0, 0));
}

/// Goal: nobody takes an upload away from the process that works on it. Method: discard and forget while it runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_upload_is_left_alone() {
    let stage = stage();
    let file = stage.file("f", &Content::seeded(2, LEN));
    stage.fault("kind=bandwidth bytes_per_second=400000 op=UploadPart");
    let transfer = stage.upload(&file, "k").start().await.unwrap();
    until_stored(&transfer, PART).await;
    let client = stage.client();
    assert!(client.unfinished_uploads().unwrap().uploads[0].running);
    assert_eq!(client.open_upload(transfer.id()).unwrap().discard().await.unwrap_err().kind(), ErrorKind::InUse);
    assert_eq!(client.forget_upload(transfer.id()).unwrap_err().kind(), ErrorKind::InUse);
    stage.server().clear_faults();
    end(&transfer).await.unwrap();
}

//! An upload whose process ends, and one that is not wanted any more: the record is in the state folder all along, so a
//! later process finds it in the list, goes on with it, or removes it from the store.
//! Runs by itself: `cargo run -p longhaul --example upload_reopen`

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

mod shared;

use longhaul::{Cancel, Reopened, Transfer};

const LEN: u64 = 6 << 20;
const PART: u64 = 256 << 10;
const SILENCE: &str = "kind=stall after=0 op=UploadPart skip=6";

#[tokio::main(flavor = "current_thread")]
async fn main() -> shared::Result<()> {
    let sandbox = shared::Sandbox::new("upload-reopen")?;
    let file = sandbox.file("film.mp4", 1, LEN)?;
    // It is to be interrupted: after some parts, the store says nothing more.
    sandbox.store.fault(SILENCE)?;

    // A first process. When it ends, it says nothing to the store: no error and no end of a process removes an upload.
    let client = sandbox.client_builder().build()?;
    let upload = client.upload(&file).to("oss://films/film.mp4").part_size(PART).single_max(PART);
    let transfer = upload.start().await?;
    until_stored(&transfer, 4 * PART).await;
    let token = transfer.token().ok_or("uploads have one at once")?;
    transfer.cancel(Cancel::Keep).await?;
    drop((transfer, client));

    // A second one knows what there is, by the list or by the token that the app kept.
    let client = sandbox.client_builder().build()?;
    let unfinished = client.unfinished_uploads()?.uploads;
    for upload in &unfinished {
        println!("{}: {} of {:?} bytes stored", upload.destination, upload.stored, upload.total);
    }
    assert_eq!(unfinished.len(), 1);
    sandbox.store.clear_faults();
    let Reopened::Upload(upload) = client.open_token(&token)? else { return Err("it was an upload".into()) };
    // The length of parts belongs to the upload; the recorded one is used, whatever is said now would begin it anew.
    let outcome = upload.part_size(PART).single_max(PART).start().await?.finished().await?;
    let stored = outcome.uploaded().ok_or("it was an upload")?;
    println!(
        "resumed {} time, {} of {} bytes sent now",
        outcome.totals().resumed,
        stored.totals.moved,
        outcome.bytes()
    );
    assert!(outcome.totals().resumed == 1 && stored.totals.moved < LEN);
    assert!(client.unfinished_uploads()?.uploads.is_empty());

    // One that is not wanted any more: cancelling it removes its parts from the store, unless they are to be kept
    // (`keep_parts`, or `Cancel::Keep` as above).
    sandbox.store.fault(SILENCE)?;
    let upload = client.upload(&file).to("oss://films/other.mp4").part_size(PART).single_max(PART);
    let transfer = upload.start().await?;
    until_stored(&transfer, 2 * PART).await;
    transfer.cancel(Cancel::Discard).await?;
    assert!(client.unfinished_uploads()?.uploads.is_empty());
    println!("the other one is gone, here and in the store");
    Ok(())
}

/// Waits until so many bytes are acknowledged.
async fn until_stored(transfer: &Transfer, bytes: u64) {
    let mut events = transfer.events();
    while transfer.progress().durable < bytes && events.next().await.is_some() {}
}

//! What goes wrong in a store, and is put right without the app: a lifecycle rule that removes the parts of an upload
//! under way, a part that arrives damaged, and an answer that is lost. Runs by itself: `cargo run -p longhaul --example
//! upload_recovery`

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

mod shared;

use longhaul::{Event, UploadRestart};

const LEN: u64 = 4 << 20;
const PART: u64 = 256 << 10;

#[tokio::main(flavor = "current_thread")]
async fn main() -> shared::Result<()> {
    let sandbox = shared::Sandbox::new("upload-recovery")?;
    let file = sandbox.file("film.mp4", 3, LEN)?;
    let client = sandbox.client_builder().build()?;
    for (what, fault) in [
        ("the store forgets the upload", "kind=remove-upload op=UploadPart skip=5 times=1"),
        ("a part is damaged on its way", "kind=flip-upload offset=1000 op=UploadPart skip=3 times=1"),
        ("the last answer is lost", "kind=lose-answer op=CompleteMultipartUpload times=1"),
    ] {
        println!("{what}:");
        sandbox.store.clear_faults();
        sandbox.store.fault(fault)?;
        // CRC-64 is compared in any case; an MD5 sent ahead lets the store refuse a damaged part at once.
        let upload = client.upload(&file).to("oss://films/film.mp4").part_size(PART).single_max(PART);
        let transfer = upload.force(true).part_md5(true).start().await?;
        let mut events = transfer.events();
        let show = async {
            while let Some(event) = events.next().await {
                match event {
                    Event::Restarted { reason, discarded } => {
                        println!("  begun anew, {discarded} bytes are sent again: {}", reason.explain());
                    }
                    Event::WrongPart { number } => println!("  part {number} is sent again"),
                    Event::Settling => println!("  finding out whether the object is stored"),
                    Event::Retry { reason, .. } => println!("  {reason}; tried again"),
                    _ => {}
                }
            }
        };
        let (outcome, ()) = tokio::join!(transfer.finished(), show);
        let outcome = outcome?;
        let stored = outcome.uploaded().ok_or("it was an upload")?;
        println!(
            "  stored: {} bytes, {} sent, verified by {}",
            outcome.bytes(),
            stored.totals.moved,
            outcome.verified().name()
        );
        assert_eq!(stored.totals.restarts.contains(&UploadRestart::UploadGone.into()), fault.contains("remove-upload"));
        assert!(
            !fault.contains("lose-answer") || stored.totals.moved == LEN,
            "nothing is sent twice for a lost answer"
        );
        assert!(client.unfinished_uploads()?.uploads.is_empty());
    }
    Ok(())
}

//! Many at once.

use std::time::Duration;

use longhaul::{DigestKind, Verified};
use longhaul_devstore::Content;

use crate::stage::{BUCKET, PART, end, small_parts, stage};

/// Goal: no upload waits for a thread that another one keeps. Method: many in a program whose runtime may have one
/// thread for work that blocks.
#[test]
fn many_uploads_share_a_runtime_with_one_blocking_thread() {
    const MANY: u64 = 24;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).max_blocking_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let stage = stage();
        let client = stage.client();
        let mut transfers = Vec::new();
        for n in 0..MANY {
            let content = Content::seeded(n, 5 * PART + n);
            let file = stage.file(&format!("f{n}"), &content);
            let upload = small_parts(client.upload(&file)).stall(1, Duration::from_secs(50));
            transfers.push((content, upload.to(format!("oss://{BUCKET}/k{n}")).start().await.unwrap()));
        }
        for (n, (content, transfer)) in transfers.iter().enumerate() {
            let outcome = end(transfer).await.unwrap();
            assert_eq!(outcome.verified(), Verified::Digest(DigestKind::Crc64), "{n}");
            assert_eq!(outcome.bytes(), content.len(), "{n}");
        }
        assert_eq!(stage.count("CompleteMultipartUpload"), transfers.len());
    });
}

//! Nothing goes wrong.

use longhaul::{DigestKind, ErrorKind, Event, Verified};
use longhaul_devstore::Content;

use crate::stage::{BUCKET, PART, age, end, record, small_parts, stage, until_settled};

/// Goal: what is stored is what the file holds, and it is proven. Method: sizes around every border.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_size_is_stored_whole_and_verified() {
    for (len, parts) in [(0, 0), (1, 0), (PART, 0), (PART + 1, 2), (3 * PART, 3), (5 * PART - 1, 5)] {
        let stage = stage();
        let content = Content::seeded(len, len);
        let file = stage.file("f", &content);
        let transfer = stage.upload(&file, "a/b c.mp4").start().await.unwrap();
        let events = record(&transfer);
        let outcome = end(&transfer).await.unwrap();
        assert_eq!((outcome.bytes(), outcome.verified()), (len, Verified::Digest(DigestKind::Crc64)), "{len}");
        let uploaded = outcome.uploaded().unwrap();
        assert_eq!((uploaded.parts, uploaded.totals.moved), (parts, len), "{len}");
        assert!(!outcome.already() && uploaded.etag.is_some());
        assert_eq!(stage.bytes_in("UploadPart") + stage.bytes_in("PutObject"), len, "nothing is sent twice");
        assert_eq!(stage.unfinished(), 0);
        assert!(events.await.unwrap().iter().any(|e| matches!(e, Event::Started { total: Some(t), .. } if *t == len)));
        assert_eq!(stage.stored("a/b%20c.mp4").unwrap(), content.to_vec(), "{len}");
    }
}

/// Goal: the same command again costs one request and reads nothing. Method: the receipt of a settled source.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_again_asks_once() {
    for len in [1000, 3 * PART] {
        let stage = stage();
        let file = stage.file("f", &Content::seeded(1, len));
        until_settled(&file).await;
        end(&stage.upload(&file, "k").start().await.unwrap()).await.unwrap();
        stage.until_logged(if len == 1000 { "PutObject" } else { "CompleteMultipartUpload" }).await;
        let before = stage.last();
        let outcome = end(&stage.upload(&file, "k").start().await.unwrap()).await.unwrap();
        assert!(outcome.already(), "{len}");
        assert_eq!(stage.ops_since(before).await, ["HeadObject"]);
        // Another object there: sent again.
        stage.server().put_seeded(BUCKET, "k", 2, len).unwrap();
        let outcome = end(&stage.upload(&file, "k").start().await.unwrap()).await.unwrap();
        assert!(!outcome.already());
        assert_eq!(stage.stored("k").unwrap(), Content::seeded(1, len).to_vec());
    }
}

/// Goal: an identical object is not sent a second time by somebody who knows nothing of the first. Method: another
/// state directory; then the same with `force`, which sends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identical_object_is_recognised_by_its_digest() {
    let stage = stage();
    let file = stage.file("f", &Content::seeded(1, 3 * PART));
    stage.server().put_seeded(BUCKET, "k", 1, 3 * PART).unwrap();
    let again = || small_parts(stage.client_in("fresh").upload(&file)).to(format!("oss://{BUCKET}/k"));
    let outcome = end(&again().start().await.unwrap()).await.unwrap();
    assert!(outcome.already());
    assert_eq!(stage.bytes_in("UploadPart"), 0);
    let outcome = end(&again().force(true).start().await.unwrap()).await.unwrap();
    assert!(!outcome.already());
    assert_eq!(stage.bytes_in("UploadPart"), 3 * PART);
}

/// Goal: what was asked for the object is what it is served with. Method: the head of a GET.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_and_headers_reach_the_object() {
    for len in [10, 2 * PART + 1] {
        let stage = stage();
        let file = stage.file("f", &Content::seeded(1, len));
        let upload = || stage.upload(&file, "k").content_type("video/mp4").metadata("owner", "me");
        end(&upload().header("Cache-Control", "no-cache").part_md5(true).start().await.unwrap()).await.unwrap();
        // Other metadata is another object, though the bytes are the same.
        let outcome = end(&upload().metadata("more", "x").start().await.unwrap()).await.unwrap();
        assert!(!outcome.already(), "{len}");
    }
}

/// Goal: thousands of parts cost neither time nor requests beyond their own. Method: the store's log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_parts_are_two_thousand_requests() {
    const LEN: u64 = 2000 * (100 << 10);
    let stage = stage();
    let file = stage.path("f");
    std::fs::File::create(&file).unwrap().set_len(LEN).unwrap();
    age(&file, 3600);
    let builder = stage.upload(&file, "k").part_size(100 << 10).connections(8);
    let outcome = end(&builder.start().await.unwrap()).await.unwrap();
    assert_eq!(outcome.uploaded().unwrap().parts, 2000);
    assert_eq!(outcome.verified(), Verified::Digest(DigestKind::Crc64));
    assert_eq!((stage.count("UploadPart"), stage.count("InitiateMultipartUpload")), (2000, 1));
    assert_eq!(stage.bytes_in("UploadPart"), LEN);
}

/// Goal: a limit is kept, by parts and by objects that are sent from memory. Method: so many bytes at such a rate take
/// at least so long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_keep_to_the_rate_limit() {
    let stage = stage();
    let content = Content::seeded(1, 8 * PART);
    let file = stage.file("f", &content);
    let client = stage.client();
    let limit = 1 << 20;
    let lane = client.rate_lane(limit);
    for (n, single_max) in [PART, 16 * PART].into_iter().enumerate() {
        for whose in ["client", "lane", "own"] {
            client.set_limit_rate(if whose == "client" { limit } else { 0 });
            let begun = std::time::Instant::now();
            let builder = small_parts(client.upload(&file)).part_size(single_max).single_max(single_max).force(true);
            let builder = match whose {
                "lane" => builder.lane(lane.clone()),
                "own" => builder.limit_rate(limit),
                _ => builder,
            };
            let outcome = end(&builder.to(format!("oss://{BUCKET}/k")).start().await.unwrap()).await.unwrap();
            assert_eq!(outcome.uploaded().unwrap().parts > 0, n == 0);
            assert!(begun.elapsed().as_secs_f64() > 0.7, "{whose}: {:?}", begun.elapsed());
        }
    }
    assert_eq!(stage.stored("k").unwrap(), content.to_vec());
}

/// Goal: the map of an upload tells which parts the store has, while it runs and from its journal; and it has the name
/// that it was given. Method: a limit that lets through some of the parts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_map_of_an_upload_tells_which_parts_are_stored() {
    let stage = stage();
    let file = stage.file("f", &Content::seeded(1, 8 * PART));
    let (client, id) = (stage.client(), "0f".repeat(16));
    let builder = small_parts(client.upload(&file)).part_size(PART).single_max(PART).connections(1).id(&id);
    let transfer = builder.limit_rate(4 * PART).to(format!("oss://{BUCKET}/k")).start().await.unwrap();
    assert_eq!(transfer.id(), id);
    let mut events = transfer.events();
    while !matches!(events.next().await.unwrap(), Event::Progress(reached) if reached.durable >= 2 * PART) {}
    let map = transfer.map();
    assert_eq!((map.total, map.held.first().map(|range| range.0)), (Some(8 * PART), Some(0)), "{map:?}");
    assert!(map.held == map.durable && map.held[0].1 >= 2 * PART && map.held[0].1 % PART == 0, "{map:?}");
    assert!(map.in_flight.iter().all(|(start, end)| start % PART == 0 && end - start == PART), "{map:?}");
    transfer.set_connections(2).await.unwrap();
    let link = "https://example.com/x".parse::<longhaul::Source>().unwrap();
    assert_eq!(transfer.relink(link).await.unwrap_err().kind(), ErrorKind::Usage);
    transfer.pause().await.unwrap();
    let stored = client.map_of_upload(&id).unwrap();
    assert_eq!(stored.held.iter().map(|(start, end)| end - start).sum::<u64>(), transfer.progress().durable);
    assert_eq!((stored.total, stored.in_flight), (Some(8 * PART), vec![]));
    transfer.set_limit_rate(0);
    transfer.resume().await;
    assert_eq!(end(&transfer).await.unwrap().bytes(), 8 * PART);
}

//! What is refused, and how it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use longhaul::credentials::{BoxFuture, Credentials, Keys, Secret, Static};
use longhaul::{Client, Error, ErrorKind};
use longhaul_devstore::Content;

use crate::stage::{BUCKET, PART, end, small_parts, stage, stage_with, until_stored};

const LEN: u64 = 6 * PART;

/// Goal: the kind of an error says what can be done, its text names the object and no secret. Method: one of each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_has_its_kind() {
    let stage = stage();
    let file = stage.file("f", &Content::seeded(1, LEN));
    let upload = || small_parts(stage.client().upload(&file)).retries(1);
    let other = Keys { id: "LTAInobody".into(), secret: Secret::new("hush-secret"), token: None };
    let object = format!("oss://{BUCKET}/k");
    for (builder, kind) in [
        (upload().to("oss://no-such-bucket/k"), ErrorKind::NotFound),
        (upload().to(&object).credentials(Static::new(other)), ErrorKind::Denied),
        (upload().to(&object).credentials(Static::anonymous()), ErrorKind::Denied),
        (upload().to(&object).part_size(100), ErrorKind::Usage),
        (upload().to(&object).part_size(6 << 30), ErrorKind::Usage),
    ] {
        let error = end(&builder.start().await.unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(stage.unfinished(), 0, "nothing was begun: {error}");
        let text = format!("{error} {error:?}");
        assert!(!text.contains("hush") && !text.contains(&stage.server().access_key_secret()), "{text}");
    }
    for destination in ["oss://films", "https://films/k", "oss:///k"] {
        let error = upload().to(destination).start().await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    }
    assert_eq!(upload().start().await.err().unwrap().kind(), ErrorKind::Usage);
    let contradiction = upload().to(&object).force(true).forbid_overwrite(true);
    assert_eq!(contradiction.start().await.err().unwrap().kind(), ErrorKind::Usage);
    let stateless = Client::builder().oss(stage.settings()).build().unwrap();
    let error = stateless.upload(&file).to(&object).start().await.err().unwrap();
    assert!(error.kind() == ErrorKind::Usage && error.to_string().contains("state directory"), "{error}");
    assert_eq!(stage.unfinished(), 0, "nothing was begun");
}

/// Goal: another object at the key is not replaced when that was forbidden. Method: one in the way, and an identical
/// one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_must_not_be_overwritten_is_not() {
    for len in [1000, LEN] {
        let stage = stage();
        let file = stage.file("f", &Content::seeded(1, len));
        stage.server().put_seeded(BUCKET, "other", 2, len).unwrap();
        stage.server().put_seeded(BUCKET, "same", 1, len).unwrap();
        let builder = stage.upload(&file, "other").forbid_overwrite(true);
        let error = end(&builder.start().await.unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OtherObject, "{error}");
        assert!(error.to_string().contains("oss://films/other"), "{error}");
        let builder = stage.upload(&file, "same").forbid_overwrite(true);
        assert!(end(&builder.start().await.unwrap()).await.unwrap().already());
        assert_eq!(stage.left_in_store("other").await, 0);
        assert_eq!(stage.stored("other").unwrap(), Content::seeded(2, len).to_vec());
    }
}

/// Goal: an upload that is started twice in one program is told so, and does no harm. Method: a second start while the
/// first runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_start_is_told_that_it_is_in_use() {
    let stage = stage();
    let file = stage.file("f", &Content::seeded(1, LEN));
    stage.fault("kind=bandwidth bytes_per_second=500000 op=UploadPart");
    let first = stage.upload(&file, "k").start().await.unwrap();
    until_stored(&first, PART).await;
    let error = end(&stage.upload(&file, "k").start().await.unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse, "{error}");
    let text = error.to_string();
    assert!(text.contains("already, by another transfer of this program") && text.contains("oss://films/k"), "{text}");
    stage.server().clear_faults();
    end(&first).await.unwrap();
}

/// Keys for so many requests; then the program's own code panics.
struct Panics {
    keys: Keys,
    left: AtomicU32,
}

impl Credentials for Panics {
    fn get(&self) -> BoxFuture<'_, Result<Option<Keys>, Error>> {
        Box::pin(async {
            let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            assert!(left.is_ok(), "no more keys: planted");
            Ok(Some(self.keys.clone()))
        })
    }

    fn refused(&self, _: &Keys) {}
}

/// Goal: a panic in a request's task ends an upload or download, which says so, and the next start goes on. Method:
/// keys whose code panics under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_a_task_ends_the_transfer_and_the_next_start_goes_on() {
    let stage = stage();
    let content = Content::seeded(5, LEN);
    let file = stage.file("f", &content);
    let panics = |left| Panics { keys: stage.keys(), left: AtomicU32::new(left) };
    let upload = stage.upload(&file, "k").credentials(panics(4));
    let error = end(&upload.start().await.unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
    assert!(error.to_string().contains("no more keys: planted"), "{error}");
    end(&stage.upload(&file, "k").start().await.unwrap()).await.unwrap();

    let client = |left| Client::builder().oss(stage.settings()).oss_credentials(panics(left)).build().unwrap();
    let target = stage.path("target");
    let download = |left| client(left).download(format!("oss://{BUCKET}/k")).to(&target);
    let error = end(&download(0).start().await.unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
    end(&download(u32::MAX).start().await.unwrap()).await.unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), content.to_vec());
    assert_eq!(stage.stored("k").unwrap(), content.to_vec());
}

/// Keys that are refused once, and then replaced.
struct Renewed {
    old: Keys,
    new: Keys,
    refusals: Arc<AtomicU32>,
}

impl Credentials for Renewed {
    fn get(&self) -> BoxFuture<'_, Result<Option<Keys>, Error>> {
        let fresh = self.refusals.load(Ordering::SeqCst) > 0;
        let keys = if fresh { self.new.clone() } else { self.old.clone() };
        Box::pin(std::future::ready(Ok(Some(keys))))
    }

    fn refused(&self, keys: &Keys) {
        if *keys == self.old {
            self.refusals.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Goal: keys that expire under way are renewed, and nothing is lost. Method: a token that the store refuses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_keys_are_renewed_under_way() {
    let stage = stage();
    let content = Content::seeded(2, LEN);
    let file = stage.file("f", &content);
    let (id, secret) = stage.server().add_key(None).unwrap();
    let refusals = Arc::new(AtomicU32::new(0));
    let new = Keys { id, secret: Secret::new(secret), token: None };
    let renewed = Renewed { old: stage.keys(), new: new.clone(), refusals: refusals.clone() };
    stage.fault("kind=expire-token op=UploadPart skip=2 times=1");
    let outcome = end(&stage.upload(&file, "k").credentials(renewed).start().await.unwrap()).await.unwrap();
    assert_eq!(refusals.load(Ordering::SeqCst), 1);
    assert!(outcome.totals().restarts.is_empty());
    assert!(stage.log().iter().any(|line| line["access_key_id"] == new.id.as_str()));
    assert_eq!(stage.stored("k").unwrap(), content.to_vec());
}

/// Goal: a clock that is wrong is corrected from the store's. Method: the store's clock is two hours ahead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_skewed_clock_is_corrected() {
    let stage = stage_with(|builder| builder.clock_offset_ms(2 * 3600 * 1000));
    let content = Content::seeded(3, LEN);
    let file = stage.file("f", &content);
    end(&stage.upload(&file, "k").start().await.unwrap()).await.unwrap();
    assert_eq!(stage.stored("k").unwrap(), content.to_vec());
}

/// Goal: an object whose callback failed is stored, and that is said. Method: a callback to a port that nobody listens
/// on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_callback_is_told_and_nothing_is_sent_again() {
    for len in [1000, LEN] {
        let stage = stage();
        let content = Content::seeded(4, len);
        let file = stage.file("f", &content);
        let callback = r#"{"callbackUrl":"http://127.0.0.1:1/none","callbackBody":"x=${object}"}"#;
        let transfer = stage.upload(&file, "k").callback(callback).start().await.unwrap();
        let error = end(&transfer).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CallbackFailed, "{error}");
        assert_eq!(stage.bytes_in("UploadPart") + stage.bytes_in("PutObject"), len);
        assert_eq!(stage.unfinished(), 0);
        assert_eq!(stage.stored("k").unwrap(), content.to_vec());
    }
}

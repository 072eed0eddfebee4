//! A transfer is taken up again by its token: in another process, which another client stands for here, and after the
//! folder that the app lives in has moved.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test can do nothing else about it")]

use std::path::Path;
use std::time::Duration;

use longhaul::credentials::{Keys, Secret, Static, StoreSettings};
use longhaul::{Client, DownloadBuilder, ErrorKind, Reopened, Token, Transfer, TransferKind, UploadBuilder};
use longhaul_devstore::oss::{Builder, Server};
use longhaul_devstore::{Content, Fault, Object, Origin};

const LEN: u64 = 4 << 20;
const HALF: u64 = 2 << 20;
const PART: u64 = 128 << 10;
const SECRET: &str = "hush-hush-hush-hush-hush";
/// No wait in these tests is longer.
const DEADLINE: Duration = Duration::from_secs(60);

fn download(client: &Client, token: &Token) -> DownloadBuilder {
    match client.open_token(token).unwrap() {
        Reopened::Download(download) => *download,
        Reopened::Upload(_) => panic!("an upload"),
    }
}

fn upload(client: &Client, token: &Token) -> UploadBuilder {
    match client.open_token(token).unwrap() {
        Reopened::Upload(upload) => *upload,
        Reopened::Download(_) => panic!("a download"),
    }
}

async fn begun(transfer: &Transfer, reached: impl Fn(longhaul::Progress) -> u64, bytes: u64) {
    let mut events = transfer.events();
    let wait = async {
        while reached(transfer.progress()) < bytes {
            assert!(events.next().await.is_some(), "it ended before");
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.expect("no progress");
}

/// Goal: the token alone finds what an interrupted download has, and says nothing secret. Method: a signed link that is
/// cut, another client, a fresh link; the origin counts the bytes.
#[tokio::test]
async fn a_download_goes_on_by_its_token() {
    let folder = tempfile::tempdir().unwrap();
    let app = folder.path().join("app-1");
    std::fs::create_dir(&app).unwrap();
    let origin = Origin::start();
    let object = Object::seeded(1, LEN);
    origin.put("/a.bin", object.clone());
    origin.script("/a.bin", vec![Fault::Cut { after: HALF }]);
    let link = format!("{}?X-Amz-Signature={SECRET}&X-Amz-Credential={SECRET}", origin.url("/a.bin"));
    let transfer = Client::builder().build().unwrap().download(&link).to(app.join("a.bin")).connections(1).retries(0);
    let transfer = transfer.start().await.unwrap();
    transfer.finished().await.unwrap_err();
    let token = transfer.token().unwrap();
    assert_eq!((token.kind(), token.id().as_str()), (TransferKind::Download, transfer.id()));
    let text = token.clone().relative_to(&app).unwrap().to_string();
    drop(transfer);

    // The app was updated, and its folder has another name.
    let moved = folder.path().join("app-2");
    std::fs::rename(&app, &moved).unwrap();
    let client = Client::builder().build().unwrap();
    let read: Token = text.parse().unwrap();
    assert!(!format!("{read:?}").contains("hush"), "{read:?}");
    assert_eq!(client.open_token(&token).err().unwrap().kind(), ErrorKind::NotFound);
    let token = read.within(&moved);
    let error = download(&client, &token).start().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NeedsLink, "{error}");
    let served = origin.bytes_served();
    let transfer = download(&client, &token).url(&link).start().await.unwrap();
    assert_eq!(transfer.token().unwrap(), token, "it stays the same");
    let outcome = transfer.finished().await.unwrap();
    assert_eq!((outcome.totals().resumed, outcome.path()), (1, moved.join("a.bin").as_path()));
    assert_eq!(object.content.first_difference_in_file(outcome.path()).unwrap(), None);
    assert!(origin.bytes_served() - served <= LEN - HALF);

    // It is over: nothing is there to be opened.
    assert_eq!(client.open_token(&token).err().unwrap().kind(), ErrorKind::NotFound);
}

/// Goal: a token opens its own transfer and no other that lies where that was.
#[tokio::test]
async fn another_transfer_in_its_place_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::start();
    let client = Client::builder().build().unwrap();
    let mut tokens = Vec::new();
    for name in ["/a", "/b"] {
        origin.put(name, Object::seeded(1, LEN));
        origin.script(name, vec![Fault::Cut { after: HALF }]);
        let transfer = client.download(origin.url(name)).to(folder.path().join("f")).connections(1).retries(0);
        let transfer = transfer.start().await.unwrap();
        transfer.finished().await.unwrap_err();
        tokens.push(transfer.token().unwrap());
        if name == "/a" {
            for file in ["f.lhpart", "f.lhlog"] {
                std::fs::remove_file(folder.path().join(file)).unwrap();
            }
        }
    }
    let error = client.open_token(&tokens[0]).err().unwrap();
    assert!(error.kind() == ErrorKind::NotFound && error.to_string().contains("another transfer"), "{error}");
    let _ = download(&client, &tokens[1]);
}

fn store(folder: &Path) -> Server {
    Builder::new(folder.join("store")).bucket("films").sync(false).start().unwrap()
}

fn app(server: &Server, folder: &Path) -> Client {
    let keys = Keys { id: server.access_key_id(), secret: Secret::new(server.access_key_secret()), token: None };
    let settings = StoreSettings {
        endpoint: Some(server.endpoint().to_owned()),
        region: Some(server.region().to_owned()),
        ..StoreSettings::default()
    };
    let client = Client::builder().state_dir(folder.join("state")).oss(settings).oss_credentials(Static::new(keys));
    client.build().unwrap()
}

/// Goal: the same for an upload, whose journal is in the state folder under the name that its source had. Method:
/// folder, source and state move together; the store's log shows that the upload went on and what was sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_goes_on_by_its_token_where_its_folder_is_now() {
    let folder = tempfile::tempdir().unwrap();
    let before = folder.path().join("app-1");
    std::fs::create_dir(&before).unwrap();
    let server = store(folder.path());
    let content = Content::seeded(3, LEN);
    std::fs::write(before.join("f"), content.to_vec()).unwrap();
    server.fault("kind=bandwidth bytes_per_second=2000000 op=UploadPart").unwrap();
    let small = |builder: UploadBuilder| builder.part_size(PART).single_max(PART).connections(2);
    let transfer = small(app(&server, &before).upload(before.join("f"))).to("oss://films/k").start().await.unwrap();
    begun(&transfer, |progress| progress.durable, 4 * PART).await;
    transfer.pause().await.unwrap();
    let stored = transfer.progress().durable;
    let text = transfer.token().unwrap().relative_to(&before).unwrap().to_string();
    drop(transfer);
    server.clear_faults();

    let after = folder.path().join("app-2");
    std::fs::rename(&before, &after).unwrap();
    let client = app(&server, &after);
    let token = text.parse::<Token>().unwrap().within(&after);
    assert_eq!((token.kind(), token.path()), (TransferKind::Upload, after.join("f").as_path()));
    let transfer = small(upload(&client, &token)).start().await.unwrap();
    assert_eq!(transfer.id(), token.id());
    let outcome = tokio::time::timeout(DEADLINE, transfer.finished()).await.expect("it does not end").unwrap();
    let uploaded = outcome.uploaded().unwrap();
    assert!(uploaded.totals.moved <= LEN - stored, "{} sent, {stored} stored", uploaded.totals.moved);
    let begun = server.log_since(0).iter().filter(|line| line["op"] == "InitiateMultipartUpload").count();
    assert_eq!((begun, client.unfinished_uploads().unwrap().uploads.len()), (1, 0));
    assert_eq!(client.open_token(&token).err().unwrap().kind(), ErrorKind::NotFound);
}

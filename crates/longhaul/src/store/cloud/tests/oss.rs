//! The local OSS store keeps the contract, however it is addressed and signed for; and what only OSS does.

use std::net::SocketAddr;

use longhaul_devstore::oss::{Builder, Server};
use tempfile::TempDir;

use super::*;

struct Local {
    server: Server,
    _folder: TempDir,
}

impl Local {
    fn start() -> Self {
        Self::with(|builder| builder)
    }

    fn with(change: impl FnOnce(Builder) -> Builder) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let builder =
            Builder::new(folder.path()).sync(false).bucket("films").domain("store.test").host("dl.test", "films");
        Self { server: change(builder).start().unwrap(), _folder: folder }
    }

    fn bench(&self) -> Bench {
        self.bench_at(&format!("http://{}", self.server.address()))
    }

    /// Names of hosts that lead here.
    fn bench_at(&self, endpoint: &str) -> Bench {
        let mut options = EndpointOptions::new(Dialect::Oss);
        options.endpoint = Some(endpoint.to_owned());
        options.region = Some(self.server.region().to_owned());
        let keys = keys(&self.server.access_key_id(), &self.server.access_key_secret());
        let mut bench = Bench::new(options, keys, "films");
        let here: Vec<SocketAddr> = vec![self.server.address()];
        let hosts = ["films.store.test", "no-such-bucket-here.store.test", "dl.test"];
        let resolve = hosts.iter().map(|host| ((*host).to_owned(), here.clone())).collect();
        bench.http = HttpStore::new(&HttpOptions { resolve, ..HttpOptions::default() }).unwrap();
        bench
    }

    fn port(&self) -> u16 {
        self.server.address().port()
    }

    /// Temporary keys.
    async fn session(&self, bench: &Bench) -> Keys {
        let url = Url::parse(&format!("{}/sts", self.server.admin())).unwrap();
        let body = Outgoing::memory(Bytes::from_static(b"{\"seconds\":900}"), Handed::default());
        let headers = [(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"))];
        let headers = headers.into_iter().collect();
        let ask = Ask { method: Method::POST, url: &url, headers, body: Some(&body), fresh: false };
        let answer = bench.http.ask(ask).await.unwrap();
        let told = read_all(answer.into_body()).await.unwrap();
        let told: serde_json::Value = serde_json::from_slice(&told).unwrap();
        let text = |name: &str| told[name].as_str().unwrap_or_else(|| panic!("no {name} in {told}")).to_owned();
        Keys {
            id: text("access_key_id"),
            secret: Secret::new(text("access_key_secret")),
            token: Some(Secret::new(text("security_token"))),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_local_store_keeps_the_contract_by_path_in_version_4() {
    let local = Local::start();
    contract::holds(&local.bench()).await;
    contract::lists(&local.bench()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_local_store_keeps_the_contract_by_path_in_version_1() {
    let local = Local::start();
    let mut bench = local.bench();
    bench.options.sign_v1 = true;
    bench.options.region = None;
    contract::holds(&bench).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_local_store_keeps_the_contract_by_virtual_host() {
    let local = Local::start();
    let bench = local.bench_at(&format!("http://store.test:{}", local.port()));
    assert!(bench.object("k").url.as_str().starts_with("http://films.store.test:"));
    contract::holds(&bench).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_local_store_keeps_the_contract_by_a_custom_domain() {
    for sign_v1 in [false, true] {
        let local = Local::start();
        let mut bench = local.bench_at(&format!("http://dl.test:{}", local.port()));
        bench.options.cname = true;
        bench.options.sign_v1 = sign_v1;
        assert!(!bench.object("k").url.as_str().contains("films"));
        contract::holds(&bench).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_local_store_keeps_the_contract_with_temporary_keys() {
    for sign_v1 in [false, true] {
        let local = Local::start();
        let mut bench = local.bench();
        bench.options.sign_v1 = sign_v1;
        bench.keys = local.session(&bench).await;
        contract::holds(&bench).await;
    }
}

#[tokio::test]
async fn an_expired_token_is_replaced_and_the_upload_goes_on() {
    let local = Local::start();
    let bench = local.bench();
    let first = local.session(&bench).await;
    let changing = Changing::new(vec![first, bench.keys.clone()]);
    let object = bench.with(bench.object_name("k"), &Orders::default(), changing.clone());
    let id = object.begin().await.unwrap();
    local.server.fault("kind=expire-token op=UploadPart times=1").unwrap();
    let bytes = content(1, 10);
    let sent = object.send_part(&id, 1, 10, Promised::default(), Pieces::of(&bytes), &Handed::default()).await;
    assert_eq!(fault_of(sent), Fault::Expired);
    assert_eq!(changing.refusals(), 1);
    let part = object.send_part(&id, 1, 10, Promised::default(), Pieces::of(&bytes), &Handed::default()).await.unwrap();
    object.finish(&id, &[(1, part.etag)]).await.unwrap();
}

#[tokio::test]
async fn a_clock_that_is_refused_for_nothing_is_no_reason_to_go_on_for_ever() {
    let local = Local::start();
    let bench = local.bench();
    local.server.fault("kind=skew").unwrap();
    let refusal = bench.object("k").begin().await.unwrap_err();
    assert_eq!(refusal.fault, Fault::Denied(403));
    assert!(refusal.detail.contains("the store refuses its own time"), "{refusal:?}");
}

#[tokio::test]
async fn a_machine_whose_clock_was_never_set_and_a_store_from_tomorrow() {
    let day_ms = 24 * 3600 * 1000;
    for sign_v1 in [false, true] {
        let local = Local::with(|builder| builder.clock_offset_ms(40 * day_ms));
        let mut bench = local.bench();
        bench.options.sign_v1 = sign_v1;
        let object = bench.object("k");
        let refusal = object.begin().await.unwrap_err();
        assert_eq!(refusal.fault, Fault::Skewed, "{refusal:?}");
        object.begin().await.unwrap();
        let link = object.presign(Link::Put, 60).await.unwrap();
        assert_eq!(bench.plain(Method::PUT, &link, b"x").await.0, 200, "links are dated by the store's clock too");
    }
}

#[tokio::test]
async fn lost_answers_say_whether_it_may_have_been_done() {
    let local = Local::start();
    let bench = local.bench();
    let object = bench.object("k");
    let bytes = content(1, 300_000);
    let id = object.begin().await.unwrap();
    let maybe = |sent: Result<_, Refusal>| match fault_of(sent) {
        Fault::Net { maybe_done, .. } => maybe_done,
        other => panic!("{other:?}"),
    };
    local.server.fault("kind=lose-answer op=UploadPart times=1").unwrap();
    assert!(maybe(
        object
            .send_part(&id, 1, 300_000, Promised::default(), Pieces::of(&bytes), &Handed::default())
            .await
            .map(|_| ())
    ));
    assert_eq!(object.list_parts(&id, 0).await.unwrap().parts.len(), 1);
    local.server.fault("kind=lose-answer op=PutObject times=1").unwrap();
    assert!(maybe(object.put(bytes.clone(), Promised::default(), &Handed::default()).await.map(|_| ())));
    // Bound, so that nobody else gets it, and not listening.
    let deaf = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    deaf.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let mut nowhere = local.bench();
    nowhere.options.endpoint = Some(format!("http://{}", deaf.local_addr().unwrap().as_socket().unwrap()));
    assert!(!maybe(nowhere.object("k").put(bytes, Promised::default(), &Handed::default()).await.map(|_| ())));
    assert!(!maybe(nowhere.object("k").begin().await.map(|_| ())));
}

#[tokio::test]
async fn a_callback_answers_in_place_of_the_store_and_may_fail() {
    // Whoever is called: answers what a program of the user's would.
    let called = oddities::Origin::start(|_, _| {
        let body = "{\"mine\":true}";
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    });
    let local = Local::start();
    let bench = local.bench();
    let broken = oddities::Origin::start(|_, _| "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n".to_owned());
    for (address, works) in [(called.addr, true), (broken.addr, false)] {
        let json = format!("{{\"callbackUrl\":\"http://{address}/cb\",\"callbackBody\":\"o=${{object}}&v=${{x:v}}\"}}");
        let callback = Callback { callback: json, variables: Some("{\"x:v\":\"7\"}".into()) };
        let object = bench.dressed("called", &Orders { callback: Some(callback), ..Orders::default() });
        let bytes = content(1, 100);
        let stored = object.put(bytes.clone(), Promised::default(), &Handed::default()).await.unwrap();
        assert_eq!(stored.callback_failed.is_none(), works, "{stored:?}");
        assert_eq!(stored.object.digests, [md5_digest(&bytes), crc64(&bytes)], "the head tells of the object as ever");
        let id = object.begin().await.unwrap();
        let part =
            object.send_part(&id, 1, 100, Promised::default(), Pieces::of(&bytes), &Handed::default()).await.unwrap();
        let stored = object.finish(&id, &[(1, part.etag)]).await.unwrap();
        assert_eq!(stored.callback_failed.is_none(), works, "{stored:?}");
        assert_eq!(stored.object.digests, [crc64(&bytes)]);
        if let Some(said) = stored.callback_failed {
            assert!(said.contains("CallbackFailed") && said.contains("the object is stored"), "{said}");
        }
        assert_eq!(object.look().await.unwrap().len, Some(100));
    }
    let heard = called.heard();
    assert_eq!(heard.len(), 2);
    assert!(heard.iter().all(|(_, body)| body == "o=called&v=7"), "{heard:?}");
}

#[tokio::test]
async fn a_part_that_arrived_otherwise_shows_in_its_digest() {
    let local = Local::start();
    let bench = local.bench();
    let object = bench.object("k");
    let bytes = content(1, 1000);
    let id = object.begin().await.unwrap();
    local.server.fault("kind=flip-upload offset=500 op=UploadPart times=1").unwrap();
    let part =
        object.send_part(&id, 1, 1000, Promised::default(), Pieces::of(&bytes), &Handed::default()).await.unwrap();
    assert!(!part.digests.contains(&crc64(&bytes)) && !part.digests.contains(&md5_digest(&bytes)));
    local.server.fault("kind=flip-upload offset=500 op=UploadPart times=1").unwrap();
    let promised = Promised { md5: Some(md5(&bytes)), ..Promised::default() };
    assert_eq!(
        fault_of(object.send_part(&id, 1, 1000, promised, Pieces::of(&bytes), &Handed::default()).await),
        Fault::Corrupted
    );
}

#[tokio::test]
async fn a_list_of_more_parts_than_a_page() {
    let local = Local::start();
    let bench = local.bench();
    let object = Arc::new(bench.object("k"));
    let id = object.begin().await.unwrap();
    let numbers: Vec<u32> = (1..=1003).collect();
    for some in numbers.chunks(32) {
        let mut tasks = tokio::task::JoinSet::new();
        for &number in some {
            let (object, id) = (object.clone(), id.clone());
            tasks.spawn(async move {
                object
                    .send_part(&id, number, 1, Promised::default(), Pieces::of(&content(number, 1)), &Handed::default())
                    .await
                    .unwrap();
            });
        }
        tasks.join_all().await;
    }
    let first = object.list_parts(&id, 0).await.unwrap();
    let next = first.next.unwrap();
    let second = object.list_parts(&id, next).await.unwrap();
    assert_eq!((first.parts.len(), next, second.next), (1000, 1000, None));
    assert_eq!(second.parts.iter().map(|part| part.number).collect::<Vec<_>>(), [1001, 1002, 1003]);
    object.abort(&id).await.unwrap();
}

#[tokio::test]
async fn busy_stores_say_how_long_to_wait() {
    let local = Local::start();
    let bench = local.bench();
    local.server.fault("kind=status status=503 code=ServiceUnavailable retry_after=3 times=1").unwrap();
    let refusal = bench.object("k").begin().await.unwrap_err();
    assert_eq!(refusal.fault, Fault::Busy { status: 503, retry_after_ms: Some(3000) });
}

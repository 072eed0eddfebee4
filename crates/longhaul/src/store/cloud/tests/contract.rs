//! What every store has to do for us, whoever made it. Differences between stores that are known and harmless are named
//! where they are met; a store that does something else fails here.

use longhaul_core::identity::Validator;
use longhaul_core::upload::step::Composite;

use super::*;

/// All of it, against one store.
pub(super) async fn holds(bench: &Bench) {
    objects_come_and_go(bench).await;
    every_key_is_itself(bench).await;
    uploads_in_parts(bench).await;
    uploads_that_are_gone(bench).await;
    what_is_not_there(bench).await;
    who_may_not(bench).await;
    digests_sent_ahead(bench).await;
    dress(bench).await;
    clocks(bench).await;
    links(bench).await;
    ranges_and_conditions(bench).await;
    bodies_of_the_wrong_length(bench).await;
}

async fn objects_come_and_go(bench: &Bench) {
    for len in [0, 1, 100_000] {
        let object = bench.object("plain/object");
        let bytes = content(7, len);
        let handed = Handed::default();
        let stored = object.put(bytes.clone(), Promised::default(), &handed).await.unwrap();
        assert_eq!(stored.callback_failed, None);
        assert_eq!(handed.get(), len as u64);
        assert_vouched(&stored.object.digests, &bytes, "put");
        let stands = object.look().await.unwrap();
        assert_eq!(stands.len, Some(len as u64));
        assert!(!stands.dressed_differently);
        assert_vouched(&stands.digests, &bytes, "look");
        let whole = Fetch { ranged: false, ..from(0, None) };
        let reply = object.open(&whole).await.unwrap();
        assert_eq!((reply.facts.status, reply.said), (200, None));
        assert_eq!(read_all(reply.body).await.unwrap(), bytes);
    }
}

async fn every_key_is_itself(bench: &Bench) {
    for key in [
        "a b+c%20d&e=f?g#h",
        "ümläut/日本語/🎞",
        "double//slash//",
        "dots/../and/./more",
        "trailing/..",
        ".../....",
        "quote\"'<>&;:@$,!*()[]{}|^`~",
        "back\\slash",
        "percent%2Fslash%00",
    ] {
        let object = bench.object(key);
        let bytes = content(11, 10 + key.len());
        object
            .put(bytes.clone(), Promised::default(), &Handed::default())
            .await
            .unwrap_or_else(|r| panic!("{key}: {r:?}"));
        assert_eq!(object.look().await.unwrap().len, Some(bytes.len() as u64), "{key}");
        let listed = object.list_objects(key, None).await.unwrap();
        assert!(listed.objects.iter().any(|one| one.key == key && one.len == bytes.len() as u64), "{key}: {listed:?}");
        let reply = object.open(&from(3, None)).await.unwrap();
        assert_eq!(reply.facts.status, 206, "{key}: {:?}", reply.said);
        assert_eq!(read_all(reply.body).await.unwrap(), bytes[3..], "{key}");
    }
}

async fn uploads_in_parts(bench: &Bench) {
    let object = bench.dressed("parts/object", &Orders { content_type: Some("video/mp4".into()), ..Orders::default() });
    let parts = [content(1, bench.part_min), content(2, bench.part_min + 1), content(3, 17)];
    let whole: Vec<u8> = parts.concat();
    let id = object.begin().await.unwrap();
    assert_eq!(object.list_parts(&id, 0).await.unwrap(), PartsPage { parts: vec![], next: None });

    let uploads = object.list_uploads("parts/", None).await.unwrap();
    let ours = uploads.uploads.iter().find(|upload| upload.upload_id == id).unwrap();
    assert_eq!((ours.key.as_str(), ours.initiated_unix_s.is_some()), ("parts/object", true));

    let mut etags = Vec::new();
    // Not in order, one twice with other bytes first, one with its digests sent ahead.
    let other = content(9, parts[1].len());
    for (number, bytes, promised) in [
        (3, &parts[2], Promised::default()),
        (2, &other, Promised::default()),
        (1, &parts[0], Promised { md5: Some(md5(&parts[0])), checksum: None }),
        (2, &parts[1], Promised::default()),
    ] {
        let part = object
            .send_part(&id, number, bytes.len() as u64, promised, Pieces::of(bytes), &Handed::default())
            .await
            .unwrap();
        assert_eq!((part.number, part.len), (number, bytes.len() as u64));
        assert_vouched(&part.digests, bytes, "send_part");
        etags.retain(|(have, _)| *have != number);
        etags.push((number, part.etag));
    }
    etags.sort();

    let list = object.list_parts(&id, 0).await.unwrap();
    assert_eq!(list.next, None);
    assert_eq!(list.parts.iter().map(|part| part.number).collect::<Vec<_>>(), [1, 2, 3]);
    for (part, bytes) in list.parts.iter().zip(&parts) {
        assert_eq!(part.len, bytes.len() as u64);
        assert_vouched(&part.digests, bytes, "list_parts");
    }
    let rest = object.list_parts(&id, 2).await.unwrap();
    assert_eq!(rest.parts.iter().map(|part| part.number).collect::<Vec<_>>(), [3]);

    let stored = object.finish(&id, &etags).await.unwrap();
    assert_eq!(stored.callback_failed, None);
    let stands = object.look().await.unwrap();
    assert_eq!(stands.len, Some(whole.len() as u64));
    assert!(!stands.dressed_differently);
    let sums: Vec<u8> = parts.iter().flat_map(|part| md5(part)).collect();
    let composite = Composite { md5: md5(&sums), count: 3 };
    match bench.options.dialect {
        Dialect::Oss => {
            assert_eq!(stored.object.digests, [crc64(&whole)]);
            assert_eq!(stands.digests, [crc64(&whole)]);
        }
        Dialect::S3 => {
            // Ceph's own answer has an empty ETag: it tells nothing, which is not the same as something else.
            assert!(stored.object.composite.is_none_or(|told| told == composite), "{stored:?}");
            assert_eq!(stands.composite, Some(composite));
        }
    }
    let reply = object.open(&Fetch { ranged: false, ..from(0, None) }).await.unwrap();
    assert!(read_all(reply.body).await.unwrap() == whole);
}

async fn uploads_that_are_gone(bench: &Bench) {
    let object = bench.object("gone/object");
    let bytes = content(4, 100);
    let id = object.begin().await.unwrap();
    let part =
        object.send_part(&id, 1, 100, Promised::default(), Pieces::of(&bytes), &Handed::default()).await.unwrap();
    let wrong = [(1, "\"00000000000000000000000000000000\"".to_owned())];
    assert_eq!(fault_of(object.finish(&id, &wrong).await), Fault::InvalidPart);
    let missing = [(1, part.etag.clone()), (2, part.etag.clone())];
    assert_eq!(fault_of(object.finish(&id, &missing).await), Fault::InvalidPart);
    object.abort(&id).await.unwrap();
    let list = [(1, part.etag)];
    assert_eq!(fault_of(object.list_parts(&id, 0).await), Fault::NoSuchUpload);
    assert_eq!(fault_of(object.abort(&id).await), Fault::NoSuchUpload);
    // Ceph: 500, "This multipart completion is already in progress". Whoever asks for the list then learns better.
    let completed = fault_of(object.finish(&id, &list).await);
    let strange = bench.options.dialect == Dialect::S3 && matches!(completed, Fault::Busy { status: 500, .. });
    assert!(strange || completed == Fault::NoSuchUpload, "{completed:?}");
    let sent = object.send_part(&id, 2, 100, Promised::default(), Pieces::of(&bytes), &Handed::default()).await;
    assert_eq!(fault_of(sent), Fault::NoSuchUpload);
    assert_eq!(fault_of(object.look().await), Fault::NoSuchKey);

    // And after it was completed.
    let id = object.begin().await.unwrap();
    let part =
        object.send_part(&id, 1, 100, Promised::default(), Pieces::of(&bytes), &Handed::default()).await.unwrap();
    let list = [(1, part.etag)];
    object.finish(&id, &list).await.unwrap();
    match object.list_parts(&id, 0).await {
        // Swift lists them as if it were not; then Complete is answered as before, below.
        Ok(page) => assert_eq!((page.parts.len(), bench.options.dialect), (1, Dialect::S3), "{page:?}"),
        Err(refusal) => assert_eq!(refusal.fault, Fault::NoSuchUpload, "{refusal:?}"),
    }
    match object.finish(&id, &list).await {
        // S3 answers as before.
        Ok(again) => assert_eq!(again.callback_failed, None),
        Err(refusal) => assert_eq!(refusal.fault, Fault::NoSuchUpload, "{refusal:?}"),
    }
}

async fn what_is_not_there(bench: &Bench) {
    let object = bench.object("never/was");
    assert_eq!(fault_of(object.look().await), Fault::NoSuchKey);
    let reply = object.open(&from(0, None)).await.unwrap();
    assert_eq!(reply.facts.status, 404);
    assert!(reply.said.unwrap().contains("NoSuchKey"));

    let mut elsewhere = Bench::new(bench.options.clone(), bench.keys.clone(), "no-such-bucket-here");
    elsewhere.http = bench.http.sending(http::HeaderMap::new(), None);
    // A custom domain names its bucket itself.
    if !bench.options.cname {
        let object = elsewhere.object("k");
        assert_eq!(fault_of(object.begin().await), Fault::NoSuchBucket);
        let put = object.put(content(1, 10), Promised::default(), &Handed::default()).await;
        assert_eq!(fault_of(put), Fault::NoSuchBucket);
        assert_eq!(fault_of(object.list_objects("", None).await), Fault::NoSuchBucket);
    }
}

async fn who_may_not(bench: &Bench) {
    let name = bench.object_name("secret/object");
    for keys in [keys(&bench.keys.id, "hush-wrong-secret"), keys("nobodys-key-0001", "hush")] {
        let credentials = Changing::new(vec![keys]);
        let object = bench.with(name.clone(), &Orders::default(), credentials.clone());
        assert_eq!(fault_of(object.look().await), Fault::Denied(403));
        assert_eq!(fault_of(object.begin().await), Fault::Denied(403));
        assert_eq!(
            fault_of(object.put(content(1, 10), Promised::default(), &Handed::default()).await),
            Fault::Denied(403)
        );
        // S3 does not say why it refuses a HEAD.
        let told = if bench.options.dialect == Dialect::Oss { 3 } else { 2 };
        assert_eq!(credentials.refusals(), told, "whoever gives keys is told that they are refused");
    }
    let nobody = bench.with(name.clone(), &Orders::default(), Arc::new(Static::anonymous()));
    let refused = fault_of(nobody.begin().await);
    // What is not signed is no S3 to Swift, but a request of its own API with a bad path.
    let strange = bench.once == Once::Refused && refused == Fault::Rejected(400);
    assert!(strange || refused == Fault::Denied(403), "{refused:?}");

    // Newer keys are used for the same download.
    let object = bench.object("secret/object");
    object.put(content(1, 10), Promised::default(), &Handed::default()).await.unwrap();
    let changing = Changing::new(vec![keys(&bench.keys.id, "hush-old"), bench.keys.clone()]);
    let reply = bench.with(name, &Orders::default(), changing).open(&from(0, None)).await.unwrap();
    assert_eq!(reply.facts.status, 206);
}

async fn digests_sent_ahead(bench: &Bench) {
    let object = bench.object("ahead/object");
    let (bytes, other) = (content(5, 1000), content(6, 1000));
    let right = Promised { md5: Some(md5(&bytes)), ..Promised::default() };
    object.put(bytes.clone(), right, &Handed::default()).await.unwrap();
    let wrong = Promised { md5: Some(md5(&other)), ..Promised::default() };
    assert_eq!(fault_of(object.put(bytes.clone(), wrong.clone(), &Handed::default()).await), Fault::Corrupted);
    let id = object.begin().await.unwrap();
    assert_eq!(
        fault_of(object.send_part(&id, 1, 1000, wrong, Pieces::of(&bytes), &Handed::default()).await),
        Fault::Corrupted
    );
    assert_eq!(object.list_parts(&id, 0).await.unwrap().parts, []);
    object.abort(&id).await.unwrap();
}

async fn dress(bench: &Bench) {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let orders = Orders {
        metadata: vec![pair("Author", "somebody else"), pair("take-2", "a=b&c/d+e"), pair("spaced", "a  b   c")],
        content_type: Some("text/plain; charset=utf-8".into()),
        headers: vec![
            pair("Cache-Control", "max-age=60"),
            pair("Content-Disposition", "attachment; filename=\"x y.txt\""),
            pair("Content-Language", "eo"),
        ],
        ..Orders::default()
    };
    let naked = bench.object("dressed/object");
    naked.put(content(1, 10), Promised::default(), &Handed::default()).await.unwrap();
    let object = bench.dressed("dressed/object", &orders);
    assert!(object.look().await.unwrap().dressed_differently);
    object.put(content(1, 10), Promised::default(), &Handed::default()).await.unwrap();
    assert!(!object.look().await.unwrap().dressed_differently);
    assert!(!naked.look().await.unwrap().dressed_differently, "what nobody asked for makes no difference");

    let in_parts = bench.dressed("dressed/parts", &orders);
    let id = in_parts.begin().await.unwrap();
    let part = in_parts
        .send_part(&id, 1, 10, Promised::default(), Pieces::of(&content(1, 10)), &Handed::default())
        .await
        .unwrap();
    in_parts.finish(&id, &[(1, part.etag)]).await.unwrap();
    assert!(!in_parts.look().await.unwrap().dressed_differently);

    let once = Orders { forbid_overwrite: true, ..Orders::default() };
    let again =
        bench.dressed("dressed/object", &once).put(content(2, 9), Promised::default(), &Handed::default()).await;
    let len = match bench.once {
        Once::Heeded => (fault_of(again) == Fault::Exists).then_some(10),
        Once::Refused => (fault_of(again) == Fault::Rejected(501)).then_some(10),
        Once::Ignored => again.ok().map(|_| 9),
    };
    assert!(len.is_some(), "{:?}", bench.once);
    assert_eq!(naked.look().await.unwrap().len, len);
    let in_parts = bench.dressed("dressed/object", &once);
    match in_parts.begin().await {
        Err(refusal) => assert_eq!((refusal.fault, bench.options.dialect), (Fault::Exists, Dialect::Oss)),
        // S3 is asked with Complete. Swift listens there; Ceph and Garage do not.
        Ok(id) => {
            let part = in_parts
                .send_part(&id, 1, 10, Promised::default(), Pieces::of(&content(1, 10)), &Handed::default())
                .await
                .unwrap();
            let completed = in_parts.finish(&id, &[(1, part.etag)]).await;
            match completed {
                Ok(_) => assert!(bench.options.dialect == Dialect::S3 && bench.once != Once::Refused),
                Err(refusal) => {
                    assert_eq!((refusal.fault, bench.once), (Fault::Exists, Once::Refused), "{}", refusal.detail);
                    object.abort(&id).await.unwrap();
                }
            }
        }
    }
    let fresh = bench.dressed("dressed/once", &once);
    let put = fresh.put(content(2, 9), Promised::default(), &Handed::default()).await;
    assert_eq!(put.is_ok(), bench.once != Once::Refused, "{put:?}");
}

async fn clocks(bench: &Bench) {
    let machine = i64::try_from(crate::now_unix_ms() / 1000).unwrap();
    let bytes = content(3, 40);
    for &off in bench.skews_s {
        // As if the machine's clock were wrong: what is signed is.
        let endpoint = bench.endpoint();
        let credentials = || Arc::new(Static::new(bench.keys.clone()));
        let object = |key: &str| {
            Cloud::new(&bench.http, endpoint.clone(), bench.object_name(key), &Orders::default(), credentials())
                .unwrap()
        };
        let wrong = || assert!(matches!(endpoint.clock.told(machine + off), super::super::clock::Told::Corrected(_)));
        wrong();
        let object_a = object("clock/object");
        let refusal = object_a.put(bytes.clone(), Promised::default(), &Handed::default()).await.unwrap_err();
        assert_eq!(refusal.fault, Fault::Skewed, "{refusal:?}");
        let way = if off < 0 { "behind" } else { "ahead of" };
        assert!(refusal.detail.contains(&format!("s {way} the store's")), "{refusal:?}");
        // It was corrected for all objects there.
        object_a.put(bytes.clone(), Promised::default(), &Handed::default()).await.unwrap();
        assert_eq!(object("clock/object").look().await.unwrap().len, Some(40));
        wrong();
        assert_eq!(fault_of(object_a.look().await), Fault::Skewed);
        object_a.look().await.unwrap();
        wrong();
        let reply = object_a.open(&from(0, None)).await.unwrap();
        assert_eq!(reply.facts.status, 206, "a download is signed again by itself");
    }
}

async fn links(bench: &Bench) {
    let object = bench.object("links/a b+c.bin");
    let bytes = content(8, 3000);
    let put = object.presign(Link::Put, 60).await.unwrap();
    assert_eq!(bench.plain(Method::PUT, &put, &bytes).await.0, 200);
    let get = object.presign(Link::Get, 60).await.unwrap();
    assert_eq!(bench.plain(Method::GET, &get, b"").await, (200, bytes.to_vec()));
    let head = object.presign(Link::Head, 60).await.unwrap();
    assert_eq!(bench.plain(Method::HEAD, &head, b"").await.0, 200);
    assert_eq!(bench.plain(Method::GET, &head, b"").await.0, 403, "a link is for one method");
    let other = get.replace("links/", "other/");
    assert_eq!(bench.plain(Method::GET, &other, b"").await.0, 403, "and for one key");
    for life in [0, 604_801] {
        assert_eq!(object.presign(Link::Get, life).await.unwrap_err().kind(), crate::ErrorKind::Usage);
    }
}

/// A list of more than a page. Apart, being a thousand requests.
pub(super) async fn lists(bench: &Bench) {
    let keys: Vec<String> = (0..1001).map(|number| format!("many/{number:04}")).collect();
    for some in keys.chunks(32) {
        let mut tasks = tokio::task::JoinSet::new();
        for key in some {
            let object = bench.object(key);
            tasks
                .spawn(async move { object.put(Bytes::new(), Promised::default(), &Handed::default()).await.unwrap() });
        }
        tasks.join_all().await;
    }
    let bucket = bench.object("many/0000");
    let first = bucket.list_objects("many/", None).await.unwrap();
    let next = first.next.clone().unwrap();
    let second = bucket.list_objects("many/", Some(&next)).await.unwrap();
    assert_eq!(second.next, None);
    let listed: Vec<String> = first.objects.into_iter().chain(second.objects).map(|object| object.key).collect();
    assert_eq!(listed, keys);
    assert_eq!(bucket.list_objects("none/", None).await.unwrap(), ObjectsPage { objects: vec![], next: None });
}

async fn ranges_and_conditions(bench: &Bench) {
    let object = bench.object("ranges/object");
    let bytes = content(12, 1000);
    object.put(bytes.clone(), Promised::default(), &Handed::default()).await.unwrap();
    let etag = object.look().await.unwrap().etag.unwrap();
    let if_match = |etag: &str| Some(Validator::Etag(etag.to_owned()));
    for (fetch, status, range) in [
        (from(0, None), 206, 0..1000),
        (from(10, Some(20)), 206, 10..20),
        // Without x-oss-range-behavior OSS sends all of it.
        (from(990, Some(2000)), 206, 990..1000),
        (Fetch { condition: if_match(&etag), ..from(5, None) }, 206, 5..1000),
    ] {
        let reply = object.open(&fetch).await.unwrap();
        assert_eq!(reply.facts.status, status, "{fetch:?}");
        assert_eq!(reply.facts.identity.etag.as_deref(), Some(etag.as_str()));
        assert_eq!(read_all(reply.body).await.unwrap(), bytes[range], "{fetch:?}");
    }
    let reply = object.open(&from(1000, None)).await.unwrap();
    assert_eq!(reply.facts.status, 416);
    let changed = Fetch { condition: if_match("\"0123456789abcdef0123456789abcdef\""), ..from(5, None) };
    let reply = object.open(&changed).await.unwrap();
    assert_eq!((reply.facts.status, reply.said), (412, None));

    // Through the same door as any URL.
    let any = crate::store::Origin::Cloud(Arc::new(object));
    let reply = any.open(&from(999, None)).await.unwrap();
    assert_eq!(read_all(reply.body).await.unwrap(), bytes[999..]);
}

async fn bodies_of_the_wrong_length(bench: &Bench) {
    let object = bench.object("short/object");
    let id = object.begin().await.unwrap();
    let bytes = content(13, 200_000);
    for (len, body) in [
        (200_001, Pieces::of(&bytes)),
        (199_999, Pieces::of(&bytes)),
        (200_000, Pieces(vec![Err("the disk failed"), Ok(bytes.slice(..100_000))])),
    ] {
        let sent = object.send_part(&id, 1, len, Promised::default(), body, &Handed::default()).await.unwrap_err();
        assert!(matches!(sent.fault, Fault::Net { maybe_done: false, .. }), "{sent:?}");
    }
    assert_eq!(object.list_parts(&id, 0).await.unwrap().parts, []);
    object.abort(&id).await.unwrap();
}

/// Checksums of S3: who keeps them compares each, tells them, and makes no object that has another; who does not
/// ignores them, and says so by saying nothing.
pub(super) async fn checksums(bench: &Bench, keeps: bool) {
    let object = bench.object("summed/object");
    let parts = [content(1, bench.part_min), content(2, 17)];
    let whole: Bytes = parts.concat().into();
    let asked = object.checksum_to_ask_for();
    assert_eq!((asked, object.checksum_to_send()), (Some(DigestKind::Crc64Nvme), None));
    let created = object.create(asked).await.unwrap();
    assert_eq!(created.checksum, asked.filter(|_| keeps));
    let id = created.upload_id;
    let sum = |bytes: &Bytes| Some(crc64nvme(bytes)).filter(|_| keeps);
    let ahead = |bytes: &Bytes| Promised { checksum: sum(bytes), ..Promised::default() };
    if keeps {
        let wrong = object.send_part(&id, 2, 17, ahead(&parts[0]), Pieces::of(&parts[1]), &Handed::default()).await;
        assert_eq!(fault_of(wrong), Fault::Corrupted);
    }
    let mut completed = Vec::new();
    for (number, bytes) in (1..).zip(&parts) {
        let part = object
            .send_part(&id, number, bytes.len() as u64, ahead(bytes), Pieces::of(bytes), &Handed::default())
            .await
            .unwrap();
        assert_eq!(part.digests.contains(&crc64nvme(bytes)), keeps, "{part:?}");
        completed.push(CompletedPart { number, etag: part.etag, checksum: sum(bytes) });
    }
    for (part, bytes) in object.list_parts(&id, 0).await.unwrap().parts.iter().zip(&parts) {
        assert_eq!(part.digests.contains(&crc64nvme(bytes)), keeps, "{part:?}");
    }
    if keeps {
        let wrong = object.complete(&id, &completed, sum(&parts[0]).as_ref()).await;
        assert_eq!(fault_of(wrong), Fault::Corrupted);
        assert_eq!(object.list_parts(&id, 0).await.unwrap().parts.len(), 2, "nothing is lost by that");
    }
    let stored = object.complete(&id, &completed, sum(&whole).as_ref()).await.unwrap();
    assert!(!keeps || stored.object.digests.contains(&crc64nvme(&whole)), "{stored:?}");
    assert_eq!(object.look().await.unwrap().digests.contains(&crc64nvme(&whole)), keeps);
    for fetch in [from(0, None), Fetch { ranged: false, ..from(0, None) }] {
        let reply = object.open(&fetch).await.unwrap();
        assert_eq!(reply.facts.identity.digests.contains(&crc64nvme(&whole)), keeps, "{fetch:?}");
        assert!(read_all(reply.body).await.unwrap() == whole);
    }

    // What was learned counts for one request as well.
    assert_eq!(object.checksum_to_send(), asked.filter(|_| keeps));
    if keeps {
        let bytes = content(3, 1000);
        let stored = object.put(bytes.clone(), ahead(&bytes), &Handed::default()).await.unwrap();
        assert!(stored.object.digests.contains(&crc64nvme(&bytes)), "{stored:?}");
        let wrong = object.put(bytes.clone(), ahead(&parts[0]), &Handed::default()).await;
        assert_eq!(fault_of(wrong), Fault::Corrupted);
        assert!(object.look().await.unwrap().digests.contains(&crc64nvme(&bytes)));
        assert_eq!(object.checksum_to_send(), asked);
    }
}

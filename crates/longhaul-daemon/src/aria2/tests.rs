//! The calls that `tests/aria2/record.py` made of aria2, made of this: the same answers, but for those that are listed.

use std::path::Path;
use std::sync::Arc;

use longhaul::Client;
use serde_json::{Value, json};

use super::methods::{Asker, Rpc};
use super::notify;
use super::wire::{self, Answer, Asked};
use crate::app::{App, Place};
use crate::guard::{Caller, Guard, Hosts, Origins, Roots, Via};
use crate::tokens::{Scopes, Tokens};

struct World {
    _state: tempfile::TempDir,
    downloads: tempfile::TempDir,
    rpc: Rpc,
    token: String,
}

async fn world() -> World {
    let (state, downloads) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let client = Client::builder().state_dir(state.path()).build().unwrap();
    let manager = client.manager().open().await.unwrap();
    let tokens = Tokens::of(state.path());
    tokens.ensure_default().unwrap();
    let token = tokens.default_token().unwrap();
    let roots = Roots::new([downloads.path().to_owned()]);
    let guard = Guard::new(tokens, Hosts::default(), Origins::default(), roots, "cookie".to_owned());
    let place = Place { address: None, socket: None, state_dir: state.path().to_owned() };
    let app = Arc::new(App::new(client, manager, Arc::new(guard), place));
    let (notifications, _) = tokio::sync::broadcast::channel(notify::BEHIND_MAX);
    World { _state: state, downloads, rpc: Rpc::new(app, notifications), token }
}

impl World {
    fn asker(&self, scopes: Scopes) -> Asker {
        Asker::new(Caller { via: Via::Loopback, scopes })
    }

    /// As one who may do all.
    async fn call(&self, method: &str, params: Value) -> Answer {
        self.ask(&mut self.asker(Scopes::ALL), method, params).await
    }

    async fn ask(&self, asker: &mut Asker, method: &str, params: Value) -> Answer {
        let name = if method.contains('.') { method.to_owned() } else { format!("aria2.{method}") };
        let body = json!({ "id": "x", "method": name, "params": params }).to_string();
        let Asked::One(Ok(call)) = wire::read(body.as_bytes()) else { panic!("{body}") };
        Answer { id: "x".into(), result: self.rpc.call(asker, call).await }
    }

    fn folder(&self) -> &Path {
        self.downloads.path()
    }
}

const FIRST: &str = "00000000000000a1";
const SECOND: &str = "00000000000000a2";
const LINK: &str = "http://127.0.0.1:9/a.bin";

/// Where longhaul answers otherwise, and why. `docs/aria2.md` says the same to users.
fn differs(method: &str) -> Option<&'static str> {
    match method {
        "system.listNotifications" => Some("there is no onBtDownloadComplete without BitTorrent"),
        _ => None,
    }
}

#[tokio::test]
async fn calls_are_answered_as_aria2_answers_them() {
    let recorded: Value = serde_json::from_str(include_str!("../../tests/aria2/wire.json")).unwrap();
    let world = world().await;
    for gid in [FIRST, SECOND] {
        let options = json!({ "gid": gid, "pause": "true", "out": format!("{gid}.bin") });
        let answer = world.call("addUri", json!([[LINK], options])).await;
        assert_eq!(answer.result, Ok(gid.into()));
    }
    let folder = world.folder().to_str().unwrap().to_owned();
    let (mut wrong, cases) = (Vec::new(), recorded["calls"].as_array().unwrap());
    assert!(cases.len() >= 150, "{}", cases.len());
    for case in cases {
        let method = case["method"].as_str().unwrap();
        let answer = world.call(method, case["params"].clone()).await;
        let said: Value = serde_json::from_str(&answer.text().replace(&folder, "DIR")).unwrap();
        let same = u64::from(answer.status()) == case["status"].as_u64().unwrap()
            && said.get("result") == case.get("result")
            && said.get("error") == case.get("error");
        if same != differs(method).is_none() {
            wrong.push(format!("{case}\n    {} {said}", answer.status()));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[tokio::test]
async fn without_a_token_only_the_names_are_told() {
    let world = world().await;
    let mut stranger = world.asker(Scopes::default());
    for method in ["getVersion", "tellStatus", "addUri", "shutdown", "nonsense"] {
        let answer = world.ask(&mut stranger, method, json!([FIRST])).await;
        assert_eq!(answer.text(), r#"{"id":"x","jsonrpc":"2.0","error":{"code":1,"message":"Unauthorized"}}"#);
    }
    assert!(world.ask(&mut stranger, "system.listMethods", json!([])).await.result.is_ok());
    let token = format!("token:{}", world.token);
    assert!(world.ask(&mut stranger, "getVersion", json!([token])).await.result.is_ok());
    let calls = json!([[
        { "methodName": "aria2.getVersion", "params": [token] },
        { "methodName": "aria2.getVersion", "params": ["token:wrong"] },
        { "methodName": "aria2.getVersion" },
    ]]);
    let answer = world.ask(&mut world.asker(Scopes::default()), "system.multicall", calls).await.result.unwrap();
    let refused = json!({ "code": 1, "message": "Unauthorized" });
    assert!(answer[0].is_array());
    assert_eq!((&answer[1], &answer[2]), (&refused, &refused));
}

#[tokio::test]
async fn a_token_is_good_for_its_scopes_only() {
    let world = world().await;
    let signed = format!("{LINK}?signature=secret&expires=9");
    world.call("addUri", json!([[signed], { "gid": FIRST, "pause": "true", "out": "x" }])).await.result.unwrap();
    let mut reader = world.asker(Scopes { read: true, ..Scopes::default() });
    assert!(world.ask(&mut reader, "addUri", json!([[LINK]])).await.result.is_err());
    assert!(world.ask(&mut reader, "remove", json!([FIRST])).await.result.is_err());
    let uris = world.ask(&mut reader, "getUris", json!([FIRST])).await.text();
    assert!(!uris.contains("=secret"), "{uris}");
    let uris = world.call("getUris", json!([FIRST])).await.text();
    assert!(uris.contains("signature=secret"), "{uris}");
    let mut adder = world.asker(Scopes { add: true, ..Scopes::default() });
    let added = world.ask(&mut adder, "addUri", json!([["http://127.0.0.1:9/b"], { "pause": "true" }])).await;
    assert!(added.result.is_ok(), "{added:?}");
    assert!(world.ask(&mut adder, "tellStatus", json!([FIRST])).await.result.is_err());
}

#[tokio::test]
async fn nothing_is_written_outside_of_the_roots() {
    let world = world().await;
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), world.folder().join("link")).unwrap();
    for options in [
        json!({ "dir": outside.path() }),
        json!({ "dir": "/etc" }),
        json!({ "dir": "../x" }),
        json!({ "dir": "link" }),
        json!({ "out": "../x" }),
        json!({ "out": "/etc/cron.d/x" }),
        json!({ "out": ".bashrc" }),
        json!({ "out": "link/x" }),
        json!({ "dir": ".ssh", "out": "authorized_keys" }),
    ] {
        let answer = world.call("addUri", json!([[LINK], options])).await;
        assert!(answer.result.is_err(), "{options}: {answer:?}");
    }
    for options in [json!({ "dir": "/etc" }), json!({ "dir": "link" }), json!({ "save-session": "/tmp/x" })] {
        assert!(world.call("changeGlobalOption", json!([options])).await.result.is_err(), "{options}");
    }
    assert_eq!(world.call("tellWaiting", json!([0, 10])).await.result, Ok(json!([])));
}

#[tokio::test]
async fn what_cannot_be_fetched_is_refused_at_once() {
    let world = world().await;
    for link in ["magnet:?xt=urn:btih:7fb1b254fdbdd8863d686c7fa61b3b0b671551b1", "ftp://h/x", "sftp://h/x"] {
        let fault = world.call("addUri", json!([[link]])).await.result.unwrap_err();
        assert!(fault.message.contains("cannot be fetched"), "{fault:?}");
    }
    let fault = world.call("addTorrent", json!(["ZA=="])).await.result.unwrap_err();
    assert_eq!(fault.message, "BitTorrent is not supported");
}

#[tokio::test]
async fn options_come_back_without_their_secrets() {
    let world = world().await;
    let options = json!({
        "gid": FIRST, "pause": "true", "out": "sub/x.bin", "header": ["Cookie: sid=secret"], "http-passwd": "secret",
        "http-user": "me", "all-proxy": "http://u:secret@127.0.0.1:9", "max-download-limit": "1K", "split": "3",
    });
    world.call("addUri", json!([[LINK], options])).await.result.unwrap();
    let shown = world.call("getOption", json!([FIRST])).await.result.unwrap();
    assert!(!shown.to_string().contains("secret"), "{shown}");
    assert_eq!(
        (&shown["out"], &shown["max-download-limit"], &shown["split"]),
        (&"sub/x.bin".into(), &"1024".into(), &"3".into())
    );
    let again = world.call("changeOption", json!([FIRST, shown])).await;
    assert_eq!(again.result, Ok("OK".into()));
    let moved = world.call("changeOption", json!([FIRST, { "out": "other" }])).await;
    assert!(moved.result.is_err());
}

#[tokio::test]
async fn the_session_is_written_where_no_other_file_is() {
    let world = world().await;
    world
        .call("addUri", json!([[format!("{LINK}?token=secret")], { "gid": FIRST, "pause": "true" }]))
        .await
        .result
        .unwrap();
    assert_eq!(world.call("saveSession", json!([])).await.result, Ok("OK".into()));
    let named = |name: &str| json!([{ "save-session": name }]);
    world.call("changeGlobalOption", named("session.txt")).await.result.unwrap();
    for _ in 0..2 {
        assert_eq!(world.call("saveSession", json!([])).await.result, Ok("OK".into()));
    }
    let text = std::fs::read_to_string(world.folder().join("session.txt")).unwrap();
    assert!(text.contains(&format!("\n gid={FIRST}\n pause=true\n")) && !text.contains("=secret"), "{text}");
    std::fs::write(world.folder().join("letter.txt"), "dear").unwrap();
    world.call("changeGlobalOption", named("letter.txt")).await.result.unwrap();
    assert!(world.call("saveSession", json!([])).await.result.is_err());
    assert_eq!(std::fs::read_to_string(world.folder().join("letter.txt")).unwrap(), "dear");
}

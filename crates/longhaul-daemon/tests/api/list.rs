//! The list over the API: every route, and what is promised of it.

use serde_json::{Value, json};

use crate::common::{ANSWERED, Bench};
use crate::schema::DOCUMENT;

/// Goal: every route is answered, as `docs/openapi.json` has it. Method: each is asked once for what it is there for;
/// every answer is held against the document, and in the end none may be left.
#[tokio::test]
async fn every_route_answers_as_described() {
    let bench = Bench::new().await;
    let (a, b) = (bench.added("a").await, bench.added("b").await);
    let entry = |id: &str, rest: &str| format!("/api/v1/entries/{id}{rest}");
    for path in [
        "info",
        "stats",
        "healthz",
        "folders",
        "settings",
        "lanes/main",
        "entries?limit=1",
        "entries?state=held,done&q=A",
    ] {
        let reply = bench.ask("GET", &format!("/api/v1/{path}"), None).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
    }
    let metrics = bench.ask("GET", "/metrics", None).await;
    assert!(metrics.text.contains("longhaul_entries{state=\"held\",lane=\"main\"} 2"), "{}", metrics.text);
    assert!(!metrics.text.contains("127.0.0.1"), "no URL is in it");
    assert_eq!(bench.ask("GET", "/api/v1/metrics", None).await.status, 200);
    for rest in ["", "/explain", "/map", "/map?buckets=10", "/events"] {
        let reply = bench.ask("GET", &entry(&a, rest), None).await;
        assert_eq!(reply.status, 200, "{rest}: {reply:?}");
    }
    let unknown = entry(&"0".repeat(32), "");
    assert_eq!(bench.ask("GET", &unknown, None).await.status, 404);
    assert_eq!(bench.ask("GET", &entry("xyz", ""), None).await.status, 404);
    let changed = bench
        .ask(
            "PATCH",
            &entry(&a, ""),
            Some(&json!({"options": {"limit_rate": 1000, "connections": 3}, "place": "bottom"})),
        )
        .await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(
        (&changed.json()["limit_rate"], &changed.json()["options"]["connections"], &changed.json()["position"]),
        (&json!(1000), &json!(3), &json!(1))
    );
    for (action, body) in [
        ("release", json!({})),
        ("hold", json!({})),
        ("move", json!({"place": {"before": b}})),
        ("link", json!({"source": "http://127.0.0.1:9/other?sig=1"})),
        ("cancel", json!({"discard": true})),
        ("retry", json!({})),
    ] {
        let reply = bench.ask("POST", &entry(&a, &format!("/{action}")), Some(&body)).await;
        assert_eq!(reply.status, 200, "{action}: {reply:?}");
    }
    for (action, body, status) in [
        ("verify", json!({}), 409),
        ("decide", json!({"answer": "perhaps"}), 400),
        ("link", json!({}), 400),
        ("move", json!({}), 400),
        ("explode", json!({}), 404),
    ] {
        let reply = bench.ask("POST", &entry(&b, &format!("/{action}")), Some(&body)).await;
        assert_eq!(reply.status, status, "{action}: {reply:?}");
    }
    let batch =
        bench.ask("POST", "/api/v1/batch", Some(&json!({"ids": [a, b, "f".repeat(32)], "action": "hold"}))).await;
    assert_eq!(batch.status, 200, "{batch:?}");
    assert_eq!(batch.json()["results"][2]["status"], 404);
    let batch =
        bench.ask("POST", "/api/v1/batch", Some(&json!({"filter": {"state": "held"}, "action": "release"}))).await;
    assert_eq!(batch.json()["results"].as_array().unwrap().len(), 2, "{batch:?}");
    let settings =
        bench.ask("PUT", "/api/v1/settings", Some(&json!({"most": 7, "limit_rate": 5000, "connections": 8}))).await;
    assert_eq!((settings.status, &settings.json()["most"]), (200, &json!(7)), "{settings:?}");
    let settings = bench.ask("PUT", "/api/v1/settings", Some(&json!({"connections": null}))).await.json();
    assert_eq!((&settings["connections"], &settings["most"]), (&Value::Null, &json!(7)));
    assert_eq!(bench.ask("PUT", "/api/v1/lanes/night", Some(&json!({"most": 1}))).await.status, 200);
    assert_eq!(bench.ask("GET", "/api/v1/lanes/night", None).await.json()["most"], 1);
    assert_eq!(bench.ask("DELETE", "/api/v1/lanes/night", None).await.status, 200);
    assert_eq!(bench.ask("GET", "/api/v1/lanes/night", None).await.status, 404);
    let code = bench.ask("POST", "/api/v1/codes", None).await.json()["code"].clone();
    assert_eq!(bench.ask("POST", "/api/v1/login", Some(&json!({"code": code}))).await.status, 200);
    let refused = bench.ask("POST", "/api/v1/probe", Some(&json!({"source": "http://127.0.0.1:9/"}))).await;
    assert_eq!(refused.status, 502, "{refused:?}");
    assert_eq!(bench.ask("DELETE", &entry(&a, "?files=all"), None).await.status, 200);
    assert_eq!(bench.ask("DELETE", &entry(&a, ""), None).await.status, 404);
    assert_eq!(bench.ask("POST", "/api/v1/shutdown", None).await.status, 202);
    let asked = ANSWERED.lock().unwrap();
    for (path, operations) in DOCUMENT["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            let was_asked = asked.iter().any(|(by, at, _)| by == method && at == path);
            assert!(was_asked || path.ends_with("/events"), "{method} {path} was never asked");
        }
    }
}

#[tokio::test]
async fn a_list_comes_in_pages() {
    let bench = Bench::new().await;
    let entries: Vec<Value> = (0..25)
        .map(|i| json!({"source": format!("http://127.0.0.1:9/{i}"), "name": format!("{i:02}.bin"), "hold": true}))
        .collect();
    let reply = bench.ask("POST", "/api/v1/entries", Some(&json!(entries))).await;
    assert_eq!(reply.json()["results"].as_array().unwrap().len(), 25);
    let mut names = Vec::new();
    let mut after = String::new();
    for _ in 0..3 {
        let page = bench.ask("GET", &format!("/api/v1/entries?limit=10&sort=-name{after}"), None).await.json();
        names.extend(page["entries"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()));
        assert_eq!(page["total"], 25);
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let expected: Vec<String> = (0..25).rev().map(|i| format!("{i:02}.bin")).collect();
    assert_eq!(names, expected);
    assert_eq!(bench.ask("GET", "/api/v1/entries?limit=1001", None).await.status, 400);
    assert_eq!(bench.ask("GET", "/api/v1/entries?sort=colour", None).await.status, 400);
    assert_eq!(bench.ask("GET", &format!("/api/v1/entries?after={}", "0".repeat(32)), None).await.status, 410);
}

/// Goal: a client whose answer was lost asks again and adds nothing twice, of another daemon over the same list too.
#[tokio::test]
async fn the_same_key_adds_once() {
    let bench = Bench::new().await;
    let wanted = json!([
        {"source": "http://127.0.0.1:9/a", "name": "a", "hold": true},
        {"source": "http://127.0.0.1:9/b", "name": "b", "hold": true},
    ]);
    let key = ["Idempotency-Key: one"];
    let first = bench.ask_with("POST", "/api/v1/entries", &key, Some(&wanted)).await;
    assert_eq!(first.status, 201, "{first:?}");
    let second = bench.ask_with("POST", "/api/v1/entries", &key, Some(&wanted)).await;
    assert_eq!(second.status, 200, "{second:?}");
    let ids =
        |reply: &Value| reply["results"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&first.json()), ids(&second.json()));
    assert_eq!(second.json()["results"][0]["added"], false);
    let home = bench.stop().await;
    let bench = Bench::over(home, |builder| builder).await;
    let third = bench.ask_with("POST", "/api/v1/entries", &key, Some(&wanted)).await;
    assert_eq!(ids(&first.json()), ids(&third.json()));
    assert_eq!(bench.manager.counts().held, 2);
    let other = bench
        .ask_with(
            "POST",
            "/api/v1/entries",
            &["Idempotency-Key: two"],
            Some(&json!({"source": "http://127.0.0.1:9/c", "name": "c"})),
        )
        .await;
    assert_eq!(other.status, 201);
}

#[tokio::test]
async fn who_changes_what_another_changed_is_told() {
    let bench = Bench::new().await;
    let id = bench.added("a").await;
    let path = format!("/api/v1/entries/{id}");
    let rev = bench.ask("GET", &path, None).await.json()["rev"].as_u64().unwrap();
    let change = json!({"options": {"limit_rate": 1}});
    let good = bench.ask_with("PATCH", &path, &[&format!("If-Match: {rev}")], Some(&change)).await;
    assert_eq!(good.status, 200, "{good:?}");
    let late = bench.ask_with("PATCH", &path, &[&format!("If-Match: {rev}")], Some(&change)).await;
    assert_eq!(late.status, 409, "{late:?}");
    assert_eq!(late.json()["entry"]["rev"], good.json()["rev"]);
    assert_eq!(bench.ask_with("PATCH", &path, &["If-Match: x"], Some(&change)).await.status, 400);
    let odd = bench.ask("POST", &format!("{path}/forget"), Some(&json!({}))).await;
    assert_eq!(odd.status, 409, "it is not over: {odd:?}");
    assert_eq!(odd.json()["entry"]["id"], json!(id));
}

/// Goal: the list and its order are what they were after a restart.
#[tokio::test]
async fn a_restart_keeps_list_and_order() {
    let bench = Bench::new().await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "d"] {
        ids.push(bench.added(name).await);
    }
    let moved = bench.ask("POST", &format!("/api/v1/entries/{}/move", ids[3]), Some(&json!({"place": "top"}))).await;
    assert_eq!(moved.json()["position"], 0, "{moved:?}");
    let home = bench.stop().await;
    let bench = Bench::over(home, |builder| builder).await;
    let listed = bench.ask("GET", "/api/v1/entries", None).await.json();
    let listed: Vec<&str> =
        listed["entries"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(listed, [&ids[3], &ids[0], &ids[1], &ids[2]]);
}

/// Goal: no secret of a caller is told again. Method: planted ones, looked for in every answer and file.
#[tokio::test]
async fn secrets_are_told_nowhere() {
    const SECRET: &str = "PLANTED-SECRET-73";
    let bench = Bench::new().await;
    let entry = json!({
        "source": format!("http://127.0.0.1:9/a?sig={SECRET}"), "name": "a", "hold": true,
        "headers": {"Cookie": format!("session={SECRET}")}, "auth": {"user": "u", "password": SECRET},
    });
    let added = bench.add(entry).await;
    let id = added["id"].as_str().unwrap();
    let mut told = added.to_string();
    for path in [
        "entries".to_owned(),
        format!("entries/{id}"),
        format!("entries/{id}/explain"),
        format!("entries/{id}/events"),
        "metrics".into(),
    ] {
        told += &bench.ask("GET", &format!("/api/v1/{path}"), None).await.text;
    }
    assert!(!told.contains(SECRET), "{told}");
    let home = bench.stop().await;
    let mut folders = vec![home.path().to_owned()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                files += 1;
                assert!(!bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()), "{}", path.display());
            }
        }
    }
    assert!(files > 1);
}

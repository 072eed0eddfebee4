//! A store with one bucket, a bench, and a user who knows both from the environment.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use longhaul_devstore::Content;
use longhaul_devstore::oss::{Builder, Server};
use serde_json::Value;

use crate::common::{Bench, Get, Ran, SIZE};

/// See the module.
pub(crate) struct Shop {
    pub(crate) bench: Bench,
    pub(crate) store: Server,
    _folder: tempfile::TempDir,
}

impl Shop {
    pub(crate) fn open() -> Shop {
        Shop::with(|builder| builder)
    }

    pub(crate) fn with(settings: impl FnOnce(Builder) -> Builder) -> Shop {
        let folder = tempfile::tempdir().unwrap();
        let store = settings(Builder::new(folder.path()).bucket("films").sync(false)).start().unwrap();
        let bench = Bench::new();
        std::fs::create_dir(bench.root().join("home")).unwrap();
        Shop { bench, store, _folder: folder }
    }

    /// The usual object; what it holds.
    pub(crate) fn film(&self, key: &str, seed: u64) -> Content {
        self.store.put_seeded("films", key, seed, SIZE).unwrap();
        Content::seeded(seed, SIZE)
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.bench.root().join("home")
    }

    /// A user's environment: an empty home, no metadata service, the store, the owner's keys.
    pub(crate) fn env(&self) -> Vec<(String, String)> {
        let mut env = self.without_keys();
        env.extend([
            ("OSS_ACCESS_KEY_ID".to_owned(), self.store.access_key_id()),
            ("OSS_ACCESS_KEY_SECRET".to_owned(), self.store.access_key_secret()),
        ]);
        env
    }

    /// The same for somebody who has no keys.
    pub(crate) fn without_keys(&self) -> Vec<(String, String)> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        vec![
            pair("HOME", self.home().to_str().unwrap()),
            pair("OSS_ENDPOINT", self.store.endpoint()),
            pair("OSS_REGION", self.store.region()),
            pair("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true"),
            pair("AWS_EC2_METADATA_DISABLED", "true"),
        ]
    }

    /// `longhaul get oss://films/KEY` to the usual target.
    pub(crate) fn get(&self, key: &str) -> Get<'_> {
        self.get_as(key, &self.env())
    }

    pub(crate) fn get_as(&self, key: &str, env: &[(String, String)]) -> Get<'_> {
        self.bench.get_url(format!("oss://films/{key}")).envs(env)
    }

    /// Any other command of that user.
    pub(crate) fn longhaul(&self, args: &[&str]) -> Ran {
        self.bench.longhaul_with(&self.env(), args)
    }

    /// Temporary keys, as variables. With a policy, they may do only that.
    pub(crate) fn temporary_keys(&self, seconds: u64, policy: Option<Value>) -> Vec<(String, String)> {
        let answer = self.admin("/sts", &serde_json::json!({ "seconds": seconds, "policy": policy }));
        let text = |name: &str| answer[name].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        let mut env = self.without_keys();
        env.extend([
            ("OSS_ACCESS_KEY_ID".to_owned(), text("access_key_id")),
            ("OSS_ACCESS_KEY_SECRET".to_owned(), text("access_key_secret")),
            ("OSS_SESSION_TOKEN".to_owned(), text("security_token")),
        ]);
        env
    }

    /// Ends all temporary keys.
    pub(crate) fn expire_keys(&self) {
        self.admin("/sts/expire", &serde_json::json!({}));
    }

    fn admin(&self, path: &str, body: &Value) -> Value {
        let address = self.store.admin().trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(address).unwrap();
        let body = body.to_string();
        let length = body.len();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(body).unwrap_or(Value::Null)
    }

    /// The requests that are over, in words: `GetObject films/a 206 bytes=5-`.
    pub(crate) fn log(&self) -> Vec<String> {
        let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let words = |line: Value| {
            format!(
                "{} {}/{} {} {}{}",
                text(&line, "op"),
                text(&line, "bucket"),
                text(&line, "key"),
                line["status"],
                text(&line, "code"),
                text(&line, "range")
            )
        };
        self.store.log_since(0).into_iter().map(words).collect()
    }

    /// It ended so and no other way.
    #[track_caller]
    pub(crate) fn expect(&self, ran: &Ran, code: i32, verdict: &str) {
        let report = || format!("{}\n{}", ran.report(&self.bench), self.log().join("\n"));
        assert_eq!(ran.unsound(), None, "{}", report());
        assert_eq!((ran.code(), ran.verdict().as_str()), (code, verdict), "{}", report());
    }

    /// No file and no output holds a secret of the store's keys.
    #[track_caller]
    pub(crate) fn assert_no_secret(&self, ran: &Ran, env: &[(String, String)]) {
        let secrets = env.iter().filter(|(name, _)| name.contains("SECRET") || name.contains("TOKEN"));
        for (name, secret) in secrets {
            assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{name} was told");
            for path in crate::common::tree(self.bench.root()) {
                if let Ok(bytes) = std::fs::read(&path) {
                    let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                    assert!(!found, "{name} is in {}", path.display());
                }
            }
        }
    }
}

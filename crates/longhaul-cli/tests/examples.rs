//! The examples of the help, run as they stand there. Goal: whoever pastes one gets what is beside it. Method: they are
//! read out of `longhaul COMMAND -h` and `--help`; names of hosts, ids and digests are replaced as [`Stage::mapped`]
//! says, and a shell runs them one after the other, against an origin and a store on loopback. Each has to end with 0.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

#[allow(unused_imports, reason = "each suite uses a part")]
mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Bench, SIZE};
use longhaul_devstore::oss::{Builder, Server};
use longhaul_devstore::{Content, Fault, Object};
use sha2::{Digest as _, Sha256};

/// Examples that are not run, by what they have in them: S3 is not what the local store speaks, and a store with a
/// folder of its own serves until it is stopped (`tests/serve.rs` runs those).
const NOT_RUN: [&str; 4] = ["s3://", "serve store", "--ready-file", "--fault"];

/// Programs that an example uses, with what stands in for them where they are not installed.
const STAND_INS: [(&str, &str); 2] = [("jq", "#!/bin/sh\ncat\n"), ("unzip", "#!/bin/sh\nexit 0\n")];

struct Stage {
    bench: Bench,
    store: Server,
    here: PathBuf,
    digest: String,
    _folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let builder = Builder::new(folder.path()).bucket("films").bucket("bucket").sync(false);
        let store = builder.start().unwrap();
        for key in ["a.mp4", "2024/b.mp4", "2024/c.txt"] {
            store.put_seeded("films", key, 1, SIZE).unwrap();
        }
        let bench = Bench::new();
        for path in ["/disk.iso", "/private.tar"] {
            bench.origin.put(path, Object::seeded(1, SIZE));
        }
        bench.origin.put("/data.zip", Object::new(Content::bytes(zip())));
        let digest: String =
            Sha256::digest(Content::seeded(1, SIZE).to_vec()).iter().map(|b| format!("{b:02x}")).collect();
        let here = bench.root().join("here");
        for folder in ["here", "bin", "home/.zfunc", "home/.config/fish/completions"] {
            fs::create_dir_all(bench.root().join(folder)).unwrap();
        }
        fs::create_dir_all(bench.root().join("home/.local/share/bash-completion/completions")).unwrap();
        let bin = bench.root().join("bin");
        std::os::unix::fs::symlink(assert_cmd::cargo::cargo_bin!("longhaul"), bin.join("longhaul")).unwrap();
        for (name, script) in STAND_INS {
            if !Command::new("sh").args(["-c", &format!("command -v {name} >/dev/null")]).status().unwrap().success() {
                executable(&bin.join(name), script);
            }
        }
        Stage { bench, store, here, digest, _folder: folder }
    }

    /// Names in an example, and what they are here.
    fn mapped(&self, example: &str) -> String {
        let id = |example: &str| if example.contains("3f9a") { self.id() } else { String::new() };
        example
            .replace("https://example.com", self.bench.origin.url("").trim_end_matches('/'))
            .replace("sha256:9f86d081…", &format!("sha256:{}", self.digest))
            .replace("3f9a", &id(example))
            .replace("pytest", "true")
            .replace("cargo test", "true")
    }

    /// What has to be there before the examples of a command.
    fn prepare(&self, verb: &str) {
        let url = |path: &str| self.bench.origin.url(path);
        let write = |name: &str, text: &str| fs::write(self.here.join(name), text).unwrap();
        match verb {
            "get" => {
                write("urls.txt", &format!("{}\n{}\n", url("/disk.iso"), url("/private.tar")));
                write("auth.txt", "Authorization: Bearer abc\n");
            }
            "put" => {
                for name in ["disk.iso", "a.iso", "b.iso"] {
                    write(name, name);
                }
                fs::create_dir_all(self.here.join("photos")).unwrap();
                write("photos/one.jpg", "one");
                write("photos/two.tmp", "two");
            }
            "verify" => self.run_well(&format!("longhaul get -q {}", url("/disk.iso"))),
            "list" | "show" | "cancel" => self.begin(),
            "serve" => {
                fs::create_dir_all(self.here.join("testdata")).unwrap();
                write("testdata/one", "one");
            }
            _ => {}
        }
    }

    /// Downloads that were cut: disk.iso, and another one.
    fn begin(&self) {
        for (path, file) in [("/disk.iso", "disk.iso"), ("/private.tar", "other.iso")] {
            if self.here.join(file).exists() || self.here.join(format!("{file}.lhpart")).exists() {
                continue;
            }
            self.bench.origin.script(path, vec![Fault::Cut { after: SIZE / 2 }]);
            let (status, said) =
                self.run(&format!("longhaul get -q --retries 0 -x 1 -o {file} {}", self.bench.origin.url(path)));
            assert_eq!(status, Some(10), "{said}");
            self.bench.origin.script(path, Vec::new());
        }
    }

    /// The id of the second of them.
    fn id(&self) -> String {
        self.begin();
        let (_, said) = self.run("longhaul list --json");
        let of = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok();
        let mut lines = said.lines().filter_map(of);
        let other = lines.find(|line| line["path"].as_str().is_some_and(|path| path.ends_with("other.iso")));
        other.unwrap_or_else(|| panic!("{said}"))["id"].as_str().unwrap().to_owned()
    }

    fn run_well(&self, line: &str) {
        let (status, said) = self.run(line);
        assert_eq!(status, Some(0), "{line}\n{said}");
    }

    /// The exit code of the last program in a line of a shell, and what was said.
    fn run(&self, line: &str) -> (Option<i32>, String) {
        let path = |name: &str| self.bench.root().join(name);
        let programs = format!("{}:{}", path("bin").display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("timeout");
        shell
            .args(["120", "bash", "-o", "pipefail", "-c", line])
            .current_dir(&self.here)
            .stdin(std::process::Stdio::null());
        for name in
            ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SSL_CERT_FILE"]
        {
            shell.env_remove(name);
        }
        shell
            .env("PATH", programs)
            .env("HOME", path("home"))
            .env("LONGHAUL_STATE_DIR", self.bench.state())
            .env("OSS_ENDPOINT", self.store.endpoint())
            .env("OSS_REGION", self.store.region())
            .env("OSS_ACCESS_KEY_ID", self.store.access_key_id())
            .env("OSS_ACCESS_KEY_SECRET", self.store.access_key_secret());
        let output = shell.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    }
}

fn executable(path: &Path, script: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// An archive with an empty file `a`, stored: APPNOTE.TXT, 4.3.7, 4.3.12, 4.3.16.
fn zip() -> Vec<u8> {
    let local = [&b"PK\x03\x04\x0a\0"[..], &[0; 20], &[1, 0, 0, 0], b"a"].concat();
    let central = [&b"PK\x01\x02\x0a\0\x0a\0"[..], &[0; 20], &[1, 0], &[0; 16], b"a"].concat();
    let (start, len) = (u32::try_from(local.len()).unwrap(), u32::try_from(central.len()).unwrap());
    let end = [&b"PK\x05\x06\0\0\0\0\x01\0\x01\0"[..], &len.to_le_bytes(), &start.to_le_bytes(), &[0, 0]].concat();
    [local, central, end].concat()
}

/// The lines below "Examples:" that a shell would run, without the words beside them.
fn examples(help: &str) -> Vec<String> {
    let below = help.lines().skip_while(|line| *line != "Examples:").skip(1);
    let below = below.take_while(|line| line.is_empty() || line.starts_with("  "));
    let is_command =
        |line: &&str| ["longhaul ", "curl ", "tar "].iter().any(|word| line.trim_start().starts_with(word));
    below.filter(is_command).map(|line| line.trim().split("   ").next().unwrap().to_owned()).collect()
}

fn help(verb: &str, flag: &str) -> String {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("longhaul"));
    let output = command.args([verb, flag]).env("COLUMNS", "100").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// How many examples of a command were run.
fn run_examples_of(verb: &str) -> usize {
    let mut count = 0;
    for flag in ["--help", "-h"] {
        let stage = Stage::new();
        stage.prepare(verb);
        for example in examples(&help(verb, flag)) {
            if NOT_RUN.iter().any(|not_run| example.contains(not_run)) {
                continue;
            }
            let line = stage.mapped(&example);
            let (status, said) = stage.run(&line);
            assert_eq!(status, Some(0), "{example}\n{line}\n{said}");
            count += 1;
        }
    }
    count
}

#[test]
fn the_examples_of_get_run() {
    assert!(run_examples_of("get") >= 14);
}

#[test]
fn the_examples_of_put_run() {
    assert!(run_examples_of("put") >= 9);
}

#[test]
fn the_examples_of_the_other_commands_run() {
    for (verb, least) in [
        ("list", 4),
        ("show", 4),
        ("cancel", 6),
        ("clean", 4),
        ("probe", 6),
        ("presign", 5),
        ("verify", 2),
        ("serve", 2),
        ("completions", 6),
        ("help", 6),
    ] {
        let count = run_examples_of(verb);
        assert!(count >= least, "{verb}: {count}");
    }
}

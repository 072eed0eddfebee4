//! Words against their meaning: the goal is that every flag does what its help says, the method is a table.

use std::time::Duration;

use clap::Parser as _;
use longhaul::{Connections, IpFamily, ProxyChoice};

use super::*;
use crate::flags::running::ProgressStyle;
use crate::flags::{Invocation, Words, invocation};

const URL: &str = "https://example.com/a.bin";

fn parse(args: &[&str]) -> Result<Invocation, Failure> {
    let args = ["longhaul", "--state-dir", "/state"].into_iter().chain(args.iter().copied());
    invocation(Words::try_parse_from(args).map_err(|e| Failure::usage(e.to_string()))?)
}

fn get(args: &[&str]) -> Result<GetOptions, Failure> {
    let args: Vec<&str> = ["get"].into_iter().chain(args.iter().copied()).collect();
    match parse(&args)? {
        Invocation::Get(get) => Ok(*get),
        _ => panic!("not a get"),
    }
}

fn refused(args: &[&str]) -> String {
    let failure = get(args).err().unwrap();
    assert_eq!(failure.exit, Exit::Usage, "{args:?}");
    failure.message
}

fn each(urls: &[&str]) -> Vec<longhaul::Source> {
    urls.iter().map(|url| url.parse().unwrap()).collect()
}

/// What stands on the command line.
fn given(get: &GetOptions) -> &[longhaul::Source] {
    match &get.sources {
        Sources::Each(given, _) => given,
        Sources::Below(_) => panic!("prefixes"),
    }
}

#[test]
fn defaults_are_those_of_the_design() {
    let get = get(&[URL]).unwrap();
    assert_eq!(given(&get), each(&[URL]));
    assert_eq!(get.place, SaveAs::Folder(".".into()));
    assert_eq!((get.running.retries, get.running.min_rate, get.running.jobs, get.running.limit_rate), (10, 1024, 4, 0));
    assert_eq!(get.running.connections, Connections::Auto);
    assert_eq!(
        (get.running.stall_timeout, get.network.connect_timeout),
        (Duration::from_secs(30), Duration::from_secs(10))
    );
    assert_eq!((get.durability, get.on_change), (Durability::Power, OnChange::Restart));
    assert_eq!((get.running.progress, get.network.ip_family), (ProgressStyle::Auto, IpFamily::Any));
    assert!(matches!(get.network.proxy, ProxyChoice::Environment));
    assert_eq!(get.state, StateChoice::Chosen("/state".into()));
    let flags = [get.overwrite, get.remote_time, get.no_lock, get.require_verified, get.running.json];
    assert_eq!(flags, [false; 5]);
}

#[test]
fn each_flag_means_what_it_says() {
    type Means = fn(GetOptions) -> bool;
    let table: &[(&[&str], Means)] = &[
        (&["-o", "x"], |g| g.place == SaveAs::File("x".into())),
        (&["--output=./-"], |g| g.place == SaveAs::File("./-".into())),
        (&["-d", "/"], |g| g.place == SaveAs::Folder("/".into())),
        (&["-d", "/", "-o", "x"], |g| g.place == SaveAs::File("/x".into())),
        (&["-d", "no/such"], |g| g.place == SaveAs::Folder("no/such".into())),
        (&["-o", "no/such/x"], |g| g.place == SaveAs::File("no/such/x".into())),
        (&["--overwrite"], |g| g.overwrite),
        (&["--keep-awake"], |g| g.beside.keep_awake && g.beside.exec.is_none()),
        (&["--exec", "unzip \"$1\""], |g| g.beside.exec.as_deref() == Some("unzip \"$1\"".as_ref())),
        (&[], |g| g.conditions == ConditionOptions::default()),
        (&["--if-match", "a"], |g| g.conditions != ConditionOptions::default()),
        (&["-z", "2026-01-31T12:00:00Z"], |g| g.conditions != ConditionOptions::default()),
        (&["-R"], |g| g.remote_time),
        (&["--durability", "process"], |g| g.durability == Durability::Process),
        (&["--no-lock"], |g| g.no_lock),
        (&["--checksum", "da39a3ee5e6b4b0d3255bfef95601890afd80709"], |g| g.checksums[0].kind().name() == "sha1"),
        (&["--checksum", "crc32c:00000001", "--checksum", "crc64:0000000000000002"], |g| g.checksums.len() == 2),
        (&["--checksum", "d41d8cd98f00b204e9800998ecf8427e"], |g| g.checksums[0].kind().name() == "md5"),
        (&["--checksums", "https://h/SUMS"], |g| matches!(&g.checksum_files[..], [ChecksumFile::At(_)])),
        (&["--checksum", "@oss://sums/SUMS"], |g| matches!(&g.checksum_files[..], [ChecksumFile::At(_)])),
        (&["--ignore-source-digest"], |g| g.ignore_source_digest),
        (&["--require-verified"], |g| g.require_verified),
        (&["--require-length"], |g| g.require_length),
        (&["--on-change", "stop"], |g| g.on_change == OnChange::Stop),
        (&["-H", "A: 1", "-H", "B: 2"], |g| g.headers == [("A".into(), "1".into()), ("B".into(), "2".into())]),
        (&["-u", "me:pass:word"], |g| g.user == Some(("me".into(), "pass:word".into()))),
        (&["-A", "curl/8"], |g| g.network.user_agent.as_deref() == Some("curl/8")),
        (&["-k"], |g| g.network.insecure),
        (&["-4"], |g| g.network.ip_family == IpFamily::V4),
        (&["-6"], |g| g.network.ip_family == IpFamily::V6),
        (&["--noproxy", "a,b"], |g| g.network.no_proxy.as_deref() == Some("a,b")),
        (&["--proxy", "none"], |g| matches!(g.network.proxy, ProxyChoice::Direct)),
        (&["--proxy", "socks5://h:1"], |g| matches!(g.network.proxy, ProxyChoice::Url(u) if u == "socks5://h:1")),
        (&["-j", "64"], |g| g.running.jobs == 64),
        (&["-x", "16"], |g| g.running.connections == Connections::Fixed(16)),
        (&["--connections=auto"], |g| g.running.connections == Connections::Auto),
        (&["--limit-rate", "8M"], |g| g.running.limit_rate == 8 << 20),
        (&["--retries", "0"], |g| g.running.retries == 0),
        (&["--stall-timeout", "0.5"], |g| g.running.stall_timeout == Duration::from_millis(500)),
        (&["--min-rate", "1M"], |g| g.running.min_rate == 1 << 20),
        (&["--connect-timeout", "3"], |g| g.network.connect_timeout == Duration::from_secs(3)),
        (&["--progress", "bar"], |g| g.running.progress == ProgressStyle::Bar),
        (&["--json"], |g| g.running.json && g.running.progress == ProgressStyle::None),
        (&["--json", "--progress", "plain"], |g| g.running.json && g.running.progress == ProgressStyle::Plain),
        (&["-q"], |g| g.running.quiet && g.running.progress == ProgressStyle::None),
        (&["-v"], |g| g.running.progress == ProgressStyle::Plain),
        (&["https://example.com/b"], |g| g.sources.len() == 2),
    ];
    for (args, means) in table {
        let mut with_url = args.to_vec();
        with_url.push(URL);
        let get = get(&with_url).unwrap_or_else(|f| panic!("{args:?}: {}", f.message));
        assert!(means(get), "{args:?}");
    }
}

#[test]
fn contradictions_and_slips_are_refused_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    let sha = format!("sha256:{}", "0".repeat(64));
    let table: &[(&[&str], &str)] = &[
        (&[], "required"),
        (&[URL, URL, "-o", "x"], "use -d"),
        (&[URL, "-o", folder], "use -d"),
        (&[URL, "-o", "x/"], "use -d"),
        (&[URL, "-o", ""], "--output"),
        (&[URL, "-d", ""], "--dir"),
        (&[URL, "-o", ".."], "-d"),
        (&[URL, URL, "-o", "-"], "use -d"),
        (&[URL, "-o", "-", "-d", "x"], "writes no file"),
        (&[URL, "-o", "-", "--json"], "both write to stdout"),
        (&[URL, "-o", "-", "--exec", "x"], "use a pipe"),
        (&[URL, URL, "--checksum", &sha], "one file"),
        (&[URL, "--checksum", "sha256:00"], "64 hexadecimal"),
        (&[URL, "--checksum", "sha224:00"], "no such checksum"),
        (&[URL, "--checksum", "Cargo.toml"], "--checksums Cargo.toml"),
        (&[URL, "--checksums", "Cargo.toml"], "no line in it that is a checksum"),
        (&[URL, "--checksums", "/no/such/file"], "cannot read /no/such/file"),
        (&[URL, "--retries", "-1"], "-1"),
        (&[URL, "-j", "0"], "1..=256"),
        (&[URL, "-j", "257"], "1..=256"),
        (&[URL, "-x", "65"], "from 1 to 64"),
        (&[URL, "--limit-rate", "0"], "leave it out"),
        (&[URL, "--stall-timeout", "0"], "--stall-timeout"),
        (&[URL, "--min-rate", "fast"], "--min-rate"),
        (&[URL, "--connect-timeout", "5m"], "--connect-timeout"),
        (&[URL, "-4", "-6"], "cannot be used with"),
        (&[URL, "-u", "me"], "USER:PASSWORD"),
        (&[URL, "-u", "a:b", "-H", "authorization: c"], "contradict"),
        (&[URL, "-H", "Range: bytes=0-"], "set by longhaul itself"),
        (&[URL, "-H", "If-None-Match: a"], "--if-none-match"),
        (&[URL, URL, "--if-match", "a"], "about one object"),
        (&[URL, "-z", "yesterday"], "--if-modified-since"),
        (&[URL, "--if-unmodified-since", ""], "--if-unmodified-since"),
        (&[URL, "--exec", ""], "--exec"),
        (&[URL, "--ca-cert", "/no/such/file"], "cannot read /no/such/file"),
        (&[URL, "--header-file", "/no/such/file"], "cannot read /no/such/file"),
        (&["-i", "/no/such/file"], "cannot read /no/such/file"),
        (&[URL, "--durability", "hope"], "power, process"),
        (&[URL, "-A", "a\nb"], "--user-agent"),
        (&["oss://bucket"], "with --recursive"),
        (&["oss://bucket/a", "s3://bucket/a", "--endpoint", "http://h"], "about one store"),
        (&["oss://bucket/", "-r", "-o", "x"], "use -d"),
        (&["oss://bucket/", "-r", "--checksum", &sha], "--recursive fetches many"),
        (&["oss://bucket/", "-r", "--include", "[a"], "--include"),
        (&["oss://bucket/a", "--include", "a"], "--recursive"),
        (&[URL, "-r"], "stores that list their objects"),
        (&["oss://bucket/a", "oss://bucket/b", "--version-id", "v"], "about one object"),
        (&[URL, "--range", "5"], "--range: the range cannot be used: a piece is FIRST-LAST"),
        (&[URL, "--range", "9-8"], "ends before it begins"),
        (&["oss://bucket/", "-r", "--range", "-9"], "--recursive"),
        (&["oss://bucket/a", "--cname"], "--endpoint"),
        (&["oss://bucket/a", "--signature-version", "v2"], "v1, v4"),
        (&["example.com"], "https://example.com"),
    ];
    for (args, says) in table {
        let message = refused(args);
        assert!(message.contains(says), "{args:?}: {message}");
    }
}

#[test]
fn a_file_where_a_folder_would_have_to_be_created_is_a_local_problem() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let file = file.path().to_str().unwrap();
    let below = format!("{file}/no/such");
    let named = format!("{below}/x");
    for args in [&[URL, "-d", file][..], &[URL, "-d", &below], &[URL, "-o", &named]] {
        let failure = get(args).err().unwrap();
        assert_eq!(failure.exit, Exit::LocalFile, "{args:?}");
        assert!(failure.message.contains(&format!("{file} is a file")), "{}", failure.message);
    }
}

#[test]
fn no_message_repeats_a_secret() {
    let proxied = ["--proxy", "http://u:hunter2@h:1"];
    for args in [
        &["-u", "hunter2"][..],
        &["-H", "hunter2"],
        &["-H", "X\u{1}: hunter2"],
        &["https://me:hunter2@h/a b"],
        &["ftp://me:hunter2@h/a?token=hunter2"],
        &[&proxied[..], &["--retries", "x"]].concat(),
    ] {
        let mut args = args.to_vec();
        args.push(URL);
        let message = refused(&args);
        assert!(!message.contains("hunter2"), "{args:?}: {message}");
    }
}

#[test]
fn lists_and_header_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let (urls, headers) = (folder.path().join("urls"), folder.path().join("headers"));
    std::fs::write(&urls, "# list\nhttps://example.com/b\n\nhttps://example.com/c\n").unwrap();
    std::fs::write(&headers, "Authorization: Bearer abc\n# no\nX-A: 1\n").unwrap();
    let got = get(&["-i", urls.to_str().unwrap(), "--header-file", headers.to_str().unwrap(), URL]).unwrap();
    assert_eq!((given(&got), got.sources.files()), (&each(&[URL])[..], 3));
    assert_eq!(got.headers[0], ("Authorization".into(), "Bearer abc".into()));
    assert_eq!(got.headers.len(), 2);
    std::fs::write(&urls, "# nothing\n").unwrap();
    assert!(refused(&["-i", urls.to_str().unwrap()]).contains("no URL in it"));
}

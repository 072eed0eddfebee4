//! Words against their meaning, as in `get_tests`.

use clap::Parser as _;
use longhaul::Connections;

use super::*;
use crate::exit::Exit;
use crate::flags::running::ProgressStyle;
use crate::flags::{Invocation, Words, invocation};

const DEST: &str = "oss://films/a.iso";

fn put(args: &[&str]) -> Result<PutOptions, Failure> {
    let args = ["longhaul", "--state-dir", "/state", "put"].into_iter().chain(args.iter().copied());
    match invocation(Words::try_parse_from(args).map_err(|e| Failure::usage(e.to_string()))?)? {
        Invocation::Put(put) => Ok(*put),
        _ => panic!("not a put"),
    }
}

#[track_caller]
fn refused(args: &[&str], says: &str) {
    let failure = put(args).err().unwrap();
    assert_eq!(failure.exit, Exit::Usage, "{args:?}");
    assert!(failure.message.contains(says), "{args:?}: {}", failure.message);
}

#[test]
fn defaults_are_those_of_the_design() {
    let put = put(&["a.iso", DEST]).unwrap();
    assert_eq!(put.inputs, [Input::Path("a.iso".into())]);
    assert_eq!((put.dest.to_string().as_str(), put.state), (DEST, StateChoice::Chosen("/state".into())));
    assert_eq!(
        (put.running.retries, put.running.min_rate, put.running.jobs, put.running.limit_rate, put.part_size),
        (10, 1024, 4, 0, None)
    );
    assert_eq!((put.running.connections, put.durability), (Connections::Auto, Durability::Power));
    let flags = [
        put.recursive,
        put.force,
        put.no_overwrite,
        put.part_md5,
        put.keep_parts,
        put.running.json,
        put.follow_symlinks,
    ];
    assert_eq!(flags, [false; 7]);
}

#[test]
fn each_flag_means_what_it_says() {
    type Means = fn(PutOptions) -> bool;
    let table: &[(&[&str], Means)] = &[
        (&["-", DEST], |p| p.inputs == [Input::Stdin]),
        (&["./-", "b", "s3://films"], |p| p.inputs.len() == 2 && p.dest.is_folder()),
        (&["-r", "a", DEST, "--include", "*.x", "--exclude", "b/*"], |p| {
            p.recursive && p.globs.take("a.x") && !p.globs.take("b/a.x")
        }),
        (&["-r", "a", DEST, "--follow-symlinks"], |p| p.follow_symlinks),
        (&["a", DEST, "--force"], |p| p.force),
        (&["a", DEST, "--no-overwrite"], |p| p.no_overwrite),
        (&["a", DEST, "--meta", "A=1", "--meta", "b=2"], |p| {
            p.metadata == [("a".into(), "1".into()), ("b".into(), "2".into())]
        }),
        (&["a", DEST, "--content-type", "text/plain; charset=utf-8"], |p| {
            p.content_type.as_deref() == Some("text/plain; charset=utf-8")
        }),
        (&["a", DEST, "--storage-class", "IA"], |p| p.storage_class.as_deref() == Some("IA")),
        (&["a", DEST, "--callback", r#"{"callbackUrl":"u","callbackBody":"b"}"#, "--callback-var", "x=1"], |p| {
            p.callback.is_some() && p.callback_variables.as_deref() == Some(r#"{"x:x":"1"}"#)
        }),
        (&["a", DEST, "--part-size", "100k"], |p| p.part_size == Some(100 << 10)),
        (&["a", DEST, "--part-size", "5G"], |p| p.part_size == Some(5 << 30)),
        (&["a", DEST, "--part-md5"], |p| p.part_md5),
        (&["a", DEST, "--keep-parts"], |p| p.keep_parts),
        (&["a", DEST, "--keep-awake"], |p| p.beside.keep_awake),
        (&["a", DEST, "--exec", "x"], |p| p.beside.exec.as_deref() == Some("x".as_ref())),
        (&["a", DEST, "--durability", "process"], |p| p.durability == Durability::Process),
        (&["a", DEST, "-j", "7", "-x", "3"], |p| p.running.jobs == 7 && p.running.connections == Connections::Fixed(3)),
        (&["a", DEST, "--limit-rate", "1M"], |p| p.running.limit_rate == 1 << 20),
        (&["a", DEST, "--traffic-limit", "100M"], |p| p.traffic_limit == Some(100 << 20)),
        (&["a", DEST, "--retries", "0", "--min-rate", "0"], |p| p.running.retries == 0 && p.running.min_rate == 0),
        (&["a", DEST, "--settle-timeout", "9"], |p| p.settle_timeout == Duration::from_secs(9)),
        (&["a", DEST, "--stall-timeout", "1.5"], |p| p.running.stall_timeout == Duration::from_millis(1500)),
        (&["a", DEST, "--json"], |p| p.running.json && p.running.progress == ProgressStyle::None),
        (&["a", DEST, "-q", "--progress", "plain"], |p| p.running.quiet && p.running.progress == ProgressStyle::Plain),
    ];
    for (args, means) in table {
        assert!(means(put(args).unwrap()), "{args:?}");
    }
}

#[test]
fn contradictions_and_slips_are_refused() {
    refused(&["a.iso"], "DEST");
    refused(&["a", "b"], "no place to upload to");
    refused(&["a", "https://h/x"], "oss://BUCKET/KEY");
    refused(&["a", "b", DEST], "oss://films/a.iso/");
    refused(&["-", "oss://films/"], "stdin has no name");
    refused(&["-r", "-", DEST], "stdin is none");
    refused(&["oss://films/b", DEST], "copying");
    refused(&["a", DEST, "--include", "x"], "--recursive");
    refused(&["a", DEST, "--force", "--no-overwrite"], "--no-overwrite");
    refused(&["a", DEST, "--meta", "x"], "NAME=VALUE");
    refused(&["a", DEST, "--meta", "x=1", "--meta", "X=2"], "twice");
    refused(&["a", DEST, "--content-type", "a\nb"], "--content-type");
    refused(&["a", DEST, "--callback", "{"], "no JSON");
    refused(&["a", DEST, "--callback", "{}"], "callbackUrl is missing");
    refused(&["a", DEST, "--callback", "@/no/such"], "cannot read");
    refused(&["a", DEST, "--callback-var", "x=1"], "--callback");
    refused(&["a", "s3://films/a", "--callback", r#"{"callbackUrl":"u","callbackBody":"b"}"#], "OSS only");
    refused(&["a", "s3://films/a", "--traffic-limit", "1M"], "OSS only");
    refused(&["a", DEST, "--traffic-limit", "1k"], "100k to 100M");
    refused(&["a", DEST, "--part-size", "99k"], "100 KiB to 5 GiB in OSS");
    refused(&["a", DEST, "--part-size", "5.1G"], "100 KiB to 5 GiB in OSS");
    refused(&["a", "s3://films/a", "--part-size", "4M"], "5 MiB to 5 GiB in S3");
}

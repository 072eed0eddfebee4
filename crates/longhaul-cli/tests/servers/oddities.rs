//! What each server makes of ranges, conditions and compression, and what comes out of it: server × oddity → outcome.
//! `cargo test --test servers oddities -- --nocapture` prints the table.
//!
//! Every case is two runs with something between them. The first is cut in the middle; then the object is replaced, or
//! asked for at another location; the second has to come to an end by itself. An outcome is the exit code, the words of
//! the last event, and what the file is then. `MIXED` is what nobody can see without a digest, and not promised: a
//! server that shows the same strong ETag for other bytes (docs/semantics.md).

use std::fs;
use std::io::Read as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use longhaul_devstore::{Content, Fault};

use crate::common::{Bench, Ran};
use crate::daemon::{Daemon, Kind, SERVERS};
use crate::wire::{Deed, Wire};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 4 * MIB + 123;
/// Heads included.
const CUT_AT: u64 = 2 * MIB + 77_777;
const DAY: Duration = Duration::from_secs(86_400);
const SECOND: Duration = Duration::from_secs(1);
/// More than a head, less than a block.
const HEADS: u64 = 8 << 10;

/// What lies there, when it was changed, and at which location it is asked for.
#[derive(Clone)]
struct Shown {
    content: Content,
    later_by: Duration,
    location: &'static str,
    /// It is put there anew.
    anew: bool,
}

/// One line of the table.
struct Oddity {
    name: &'static str,
    first: Shown,
    /// `None`: there is one run only, of what is shown first.
    then: Option<Shown>,
    /// The digest of what is shown in the end is given.
    digest: bool,
    /// In the order of [`SERVERS`].
    outcomes: [&'static str; 4],
}

/// Compressible at first, random then: gzip makes it shorter, but not small.
fn old() -> Content {
    Content::repeated(b'a', MIB).then(&Content::seeded(1, SIZE - MIB))
}

fn new() -> Content {
    Content::repeated(b'b', MIB).then(&Content::seeded(2, SIZE - MIB))
}

fn at(location: &'static str) -> Shown {
    Shown { content: old(), later_by: Duration::ZERO, location, anew: false }
}

fn replaced(location: &'static str, content: Content, later_by: Duration) -> Option<Shown> {
    Some(Shown { content, later_by, location, anew: true })
}

fn cut(name: &'static str, first: Shown, then: Option<Shown>, outcomes: [&'static str; 4]) -> Oddity {
    Oddity { name, first, then, digest: false, outcomes }
}

fn digested(name: &'static str, first: Shown, then: Option<Shown>, outcomes: [&'static str; 4]) -> Oddity {
    Oddity { name, first, then, digest: true, outcomes }
}

/// Taken up where it was cut.
const RESUMED: &str = "0 validator, resumed: right, by the rest alone";
/// The held bytes came once more, were compared, and count.
const COMPARED: &str = "0 validator, resumed: right";
/// The change was seen: one version, the new one.
const CHANGED: &str = "0 validator, resumed, restarted (changed): right";
const CHANGED_TO_EMPTY: &str = "0 validator, resumed, restarted (changed): right, by the rest alone";
const CHANGED_TO_GZIP: &str = "0 validator, resumed, restarted (changed): right, as gzip";
/// The same strong validator for other bytes, none of which came twice.
const MIXED: &str = "0 validator, resumed: MIXED, by the rest alone";
/// The same, but all bytes came again.
const LIED: &str = "0 length only, resumed, restarted (validator_lied): right";
/// The same, and a digest.
const DIGEST: &str = "0 sha256, resumed, restarted (digest_mismatch): right";
/// What is held is of another encoding: replies that agree about that are believed in the end.
const ENCODED: &str = "0 validator, resumed, restarted (encoded), retried: right";
const ENCODED_AS_GZIP: &str = "0 validator, resumed, restarted (encoded), retried: right, as gzip";
const PUBLISHED: &str = "0 validator: right";
const PACKED: &str = "0 validator: right, as gzip";
const COMPARED_GZIP: &str = "0 validator, resumed: right, as gzip";

#[test]
#[rustfmt::skip] // a line for each case
fn oddities_of_servers() {
    let zero = Duration::ZERO;
    let (longer, shorter, tiny) = (Content::seeded(3, SIZE + MIB), Content::seeded(4, 3 * MIB), Content::seeded(5, MIB));
    let empty = Content::empty;
    let younger = |location| Shown { later_by: DAY / 2, ..at(location) };
    // Outcomes: nginx, Apache, lighttpd, Caddy.
    run(&[
        cut("nothing is odd", at("plain"), Some(at("plain")), [RESUMED; 4]),
        cut("no ETag, an old date", at("dated"), Some(at("dated")), [RESUMED; 4]),
        cut("no ranges", at("rangeless"), Some(at("rangeless")), [COMPARED; 4]),
        cut("gzip for those who accept it", at("zipping"), Some(at("zipping")), [RESUMED; 4]),
        cut("stored gzip", at("labelled"), Some(at("labelled")), [RESUMED, RESUMED, COMPARED, COMPARED]),
        cut("gzip labelled from then on", at("plain"), Some(at("labelled")), [ENCODED; 4]),
        cut("gzip forced, one run", at("forcing"), None, [PACKED; 4]),
        cut("gzip forced", at("forcing"), Some(at("forcing")), [COMPARED_GZIP; 4]),
        cut("gzip forced from then on", at("zipping"), Some(at("forcing")), [ENCODED_AS_GZIP, CHANGED_TO_GZIP, CHANGED_TO_GZIP, ENCODED_AS_GZIP]),
        cut("gzip forced until then", at("forcing"), Some(at("zipping")), [ENCODED, CHANGED, CHANGED, ENCODED]),
        cut("another object, a day younger", at("plain"), replaced("plain", new(), DAY / 2), [CHANGED; 4]),
        cut("another object, an older one", younger("plain"), replaced("plain", new(), zero), [CHANGED; 4]),
        cut("another object, longer", at("plain"), replaced("plain", longer.clone(), DAY / 2), [CHANGED; 4]),
        cut("another object, shorter", at("plain"), replaced("plain", shorter, DAY / 2), [CHANGED; 4]),
        cut("another object, shorter than what is held", at("plain"), replaced("plain", tiny.clone(), DAY / 2), [CHANGED; 4]),
        cut("another object, empty", at("plain"), replaced("plain", empty(), DAY / 2), [CHANGED_TO_EMPTY; 4]),
        cut("another object, a second younger", at("plain"), replaced("plain", new(), SECOND), [CHANGED; 4]),
        cut("another object, half a second younger", at("plain"), replaced("plain", new(), SECOND / 2), [MIXED, CHANGED, CHANGED, MIXED]),
        cut("another object, same size and time", at("plain"), replaced("plain", new(), zero), [MIXED, MIXED, CHANGED, MIXED]),
        digested("the same, and its digest is given", at("plain"), replaced("plain", new(), zero), [DIGEST, DIGEST, "0 sha256, resumed, restarted (changed): right", DIGEST]),
        cut("no ETag, another object, a second younger", at("dated"), replaced("dated", new(), SECOND), [CHANGED; 4]),
        cut("no ETag, another object, an older one", younger("dated"), replaced("dated", new(), zero), [CHANGED; 4]),
        cut("no ETag, another object, same size and time", at("dated"), replaced("dated", new(), zero), [MIXED; 4]),
        cut("no ETag, another object, longer, same time", at("dated"), replaced("dated", longer, zero), [CHANGED; 4]),
        cut("no ETag, another object, tiny, same time", at("dated"), replaced("dated", tiny, zero), [CHANGED; 4]),
        cut("no ranges, another object, same size and time", at("rangeless"), replaced("rangeless", new(), zero), [LIED, LIED, CHANGED, LIED]),
        cut("empty", Shown { content: empty(), ..at("plain") }, None, [PUBLISHED; 4]),
        cut("empty, no ranges", Shown { content: empty(), ..at("rangeless") }, None, [PUBLISHED; 4]),
    ]);
}

fn run(table: &[Oddity]) {
    let columns: Vec<Option<Vec<String>>> = std::thread::scope(|scope| {
        let column = |kind: Kind| {
            let server = Daemon::start(kind)?;
            Some(table.iter().enumerate().map(|(index, oddity)| one(&server, index, oddity)).collect())
        };
        let running = SERVERS.map(|kind| scope.spawn(move || column(kind)));
        running.map(|thread| thread.join().unwrap()).into()
    });
    let mut wrong = Vec::new();
    for (index, oddity) in table.iter().enumerate() {
        println!("{}", oddity.name);
        for ((kind, column), wanted) in SERVERS.iter().zip(&columns).zip(oddity.outcomes) {
            let Some(outcome) = column.as_ref().map(|column| &column[index]) else { continue };
            println!("    {:<10} {outcome}", kind.name());
            if outcome != wanted {
                wrong.push(format!("{}, {}: {outcome}\n    and not {wanted}", oddity.name, kind.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The outcome in words.
fn one(server: &Daemon, index: usize, oddity: &Oddity) -> String {
    // Whole seconds, as some file systems have them and all dates of HTTP.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let before = UNIX_EPOCH + Duration::from_secs(now.as_secs()) - DAY;
    let name = format!("object-{index}");
    let (bench, wire) = (Bench::new(), Wire::to(server.port));
    // The source is one URL, which leads to the location of the day.
    let lead = |shown: &Shown| {
        let location = format!("http://127.0.0.1:{}/{}/{name}", wire.port(), shown.location);
        bench.origin.always("/file", Fault::redirect(302, location));
    };
    let put = |shown: &Shown| server.put(&name, &shown.content, before + shown.later_by);

    lead(&oddity.first);
    put(&oddity.first);
    let mut held = 0;
    let last = match &oddity.then {
        None => &oddity.first,
        Some(then) => {
            wire.plan([(CUT_AT, Deed::Reset)]);
            let first = bench.get().arg("-x").arg("1").retries(0).run();
            first.expect(&bench, 10, "network, kept");
            held = first.held();
            lead(then);
            if then.anew {
                put(then);
            }
            then
        }
    };
    let passed = wire.passed();
    let mut get = bench.get().arg("-x").arg("1").retries(2); // so that what is held is what came before the cut
    if oddity.digest {
        get = get.arg("--checksum").arg(format!("sha256:{}", last.content.sha256()));
    }
    let ran = get.run();
    let rest = held > 0 && wire.passed() - passed < last.content.len().saturating_sub(held) + HEADS;
    let rest = if rest { ", by the rest alone" } else { "" };
    format!("{} {}: {}{rest}", ran.code(), ran.verdict(), file(&bench, &ran, oddity, held))
}

/// What lies at the target.
fn file(bench: &Bench, ran: &Ran, oddity: &Oddity, held: u64) -> &'static str {
    assert_eq!(ran.unsound(), None, "{}: {}", oddity.name, ran.report(bench));
    let Ok(bytes) = fs::read(bench.file()) else { return "no file" };
    let is = |content: &Content, bytes: &[u8]| content.first_difference(bytes).unwrap().is_none();
    let old = &oddity.first.content;
    let new = oddity.then.as_ref().map_or(old, |then| &then.content);
    let mut unpacked = Vec::new();
    let mut member = flate2::bufread::GzDecoder::new(&bytes[..]);
    let packed = member.read_to_end(&mut unpacked).is_ok() && member.into_inner().is_empty();
    match () {
        () if is(new, &bytes) => "right",
        () if packed && is(new, &unpacked) => "right, as gzip",
        () if is(old, &bytes) => "old",
        () if is(&old.switched_at(held, new), &bytes) => "MIXED",
        () => "WRONG",
    }
}

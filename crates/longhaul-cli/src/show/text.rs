//! Sentences: sizes, times, what happened, how it ended.

use std::time::Duration;

use longhaul::{Event, RestartReason, Verified};

use crate::printable;

use super::{Direction, Now, ShownObject, ShownOutcome, Sum};

/// Bytes for people, in powers of 1024: `1.2 GiB`, `512 B`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut value = count as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 1023.95 {
            break;
        }
        (value, unit) = (value / 1024.0, next);
    }
    if unit == "B" { format!("{count} B") } else { format!("{value:.1} {unit}") }
}

/// A range as it was typed, as much of it as fits in a line.
pub(crate) fn cut(range: &str) -> String {
    const LEN_MAX: usize = 60;
    match range.get(..LEN_MAX) {
        Some(head) if range.len() > LEN_MAX => {
            format!("{}, …", head.rsplit_once(',').map_or(head, |(pieces, _)| pieces))
        }
        _ => range.to_owned(),
    }
}

/// `512.0 MiB of 1.2 GiB`, or only what is there.
pub(crate) fn share(held: u64, total: Option<u64>) -> String {
    match total {
        Some(total) => format!("{} of {}", bytes(held), bytes(total)),
        None => bytes(held),
    }
}

/// Input that has no name is uploaded once it has ended, since only then it can be sent again.
pub(crate) fn reading(read: u64) -> String {
    format!("{} of the input kept; it is uploaded when it has ended", bytes(read))
}

/// `7.0 s`, `42 s`, `2 m 05 s`, `3 h 07 m`, `4 d 02 h`.
pub(crate) fn time(time: Duration) -> String {
    if time < Duration::from_secs(10) { format!("{:.1} s", time.as_secs_f64()) } else { whole(time.as_secs()) }
}

/// Whole seconds, in the same words.
pub(crate) fn whole(s: u64) -> String {
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} m {:02} s", s / 60, s % 60),
        3600..86_400 => format!("{} h {:02} m", s / 3600, s / 60 % 60),
        _ => format!("{} d {:02} h", s / 86_400, s / 3600 % 24),
    }
}

/// How long the rest takes at this rate; `None` when that cannot be told.
pub(crate) fn eta(received: u64, total: Option<u64>, rate: u64) -> Option<String> {
    let rest = total?.checked_sub(received)?;
    (rate > 0).then(|| whole(rest.div_ceil(rate)))
}

/// What was verified, in the words of events: they do not change.
pub(crate) fn verified(verified: Verified) -> &'static str {
    verified.name()
}

/// The same for people: what was compared, and what was not.
pub(crate) fn proof(verified: Verified, way: Direction) -> String {
    match (verified, way) {
        // It finds accidents, and not who meant to deceive.
        (Verified::Digest(kind), _) if kind.is_weak() => return format!("checksum ok: {} (weak)", kind.name()),
        (Verified::Digest(kind), _) => return format!("checksum ok: {}", kind.name()),
        (Verified::Composite, _) => "checksum ok: md5 of the parts",
        (Verified::Parts, _) => "checksum ok for each part; of the whole, the length",
        (Verified::Validator, _) => "complete (same version throughout; no checksum compared)",
        (Verified::Samples, _) => {
            "likely right (another program's bytes, of which samples were compared; no checksum compared)"
        }
        (Verified::Length, Direction::Down) => "complete by its length (no checksum compared)",
        (Verified::Length, Direction::Up) => "stored by its length (the store tells no checksum)",
        (Verified::Answer, _) => "stored by the store's word (it could not be looked at)",
        (Verified::Nothing, _) => "not checked (neither length nor checksum told)",
        (other, _) => other.name(),
    }
    .to_owned()
}

/// `once`, `twice`, `3 times`.
pub(crate) fn times(count: u32) -> String {
    match count {
        1 => "once".into(),
        2 => "twice".into(),
        n => format!("{n} times"),
    }
}

/// The news in an event that people should see between progress; `None` for progress itself.
pub(crate) fn news(event: &Event, way: Direction) -> Option<String> {
    sentence(event, way).map(|text| printable::one_line(&text).into_owned())
}

fn sentence(event: &Event, way: Direction) -> Option<String> {
    Some(match event {
        // A small file goes in one request: a crash loses too little to be worth a word.
        Event::Started { .. } if way == Direction::Up => return None,
        Event::Started { resumable: false, .. } => {
            "it has to come in one piece: when it is interrupted, it starts over".into()
        }
        Event::Resumed { held, total } => format!("going on from {}", share(*held, *total)),
        Event::Adopted { held, total, samples: 0, .. } => {
            format!("going on from another program's file: {}; a checksum decides at the end", share(*held, *total))
        }
        Event::Adopted { held, total, samples, .. } => {
            format!("going on from another program's file: {}; {samples} blocks are compared", share(*held, *total))
        }
        Event::Retry { failures, delay, reason } => {
            let when = if delay.as_millis() < 100 { "at once".into() } else { format!("in {}", time(*delay)) };
            format!("{reason}; trying again {when} (failure {failures} in a row)")
        }
        Event::Limited { connections: 1, reason } => {
            format!("{reason}, to a second connection: going on with one")
        }
        Event::Limited { connections, reason } => {
            format!("{reason}, to one more connection: going on with {connections}")
        }
        Event::Restarted { reason, discarded: 0 } => format!("starting over: {}", reason.explain()),
        Event::Restarted { reason: reason @ RestartReason::Upload(_), discarded } => {
            format!("starting over, {} have to be sent again: {}", bytes(*discarded), reason.explain())
        }
        Event::Restarted { reason, discarded } => {
            format!("starting over, {} discarded: {}", bytes(*discarded), reason.explain())
        }
        Event::WrongPart { number } => format!("part {number} in the store is not what was read, and is sent again"),
        Event::Settling => "the store's last answer was lost; finding out whether the object is stored".into(),
        Event::Aborted { clean: true } => "an unfinished upload of it was removed from the store".into(),
        Event::Aborted { clean: false } => {
            "warning: an unfinished upload of it could not be removed from the store; `longhaul clean` tries again"
                .into()
        }
        Event::Damaged { ranges } => {
            let sum = ranges.iter().map(|(start, end)| end.saturating_sub(*start)).sum();
            format!("{} of the partial file do not match their checksums and are fetched again", bytes(sum))
        }
        Event::Returned { held } => {
            format!("the version held before is back: {} of it are used", bytes(*held))
        }
        Event::Warning(text) => format!("warning: {text}"),
        Event::NeedsLink => "the link is not accepted any more; waiting for a new one".into(),
        _ => return None,
    })
}

/// Whether an event changes what the user gets, and so is told even where no progress is.
pub(crate) fn is_warning(event: &Event) -> bool {
    may_fall(event) || matches!(event, Event::Returned { .. } | Event::Warning(_) | Event::Aborted { clean: false })
}

/// Whether the bytes that are through may be fewer after an event.
pub(super) fn may_fall(event: &Event) -> bool {
    matches!(event, Event::Restarted { .. } | Event::Damaged { .. } | Event::WrongPart { .. })
}

/// The last line of a transfer that ended well.
pub(crate) fn summary(outcome: &ShownOutcome) -> String {
    let path = printable::here(&outcome.path);
    let way = if outcome.stored.is_some() { Direction::Up } else { Direction::Down };
    let proof = proof(outcome.verified, way);
    if outcome.not_modified {
        return format!("{path}: not modified; nothing was fetched");
    }
    if outcome.already {
        let size = bytes(outcome.bytes);
        return match &outcome.stored {
            None => format!("{path}: there already, {size}; {proof}"),
            Some(stored) => format!("{path}: there already as {}, {size}; {proof}", stored.destination),
        };
    }
    let mut line = format!("{path}: {} in {}", bytes(outcome.bytes), time(outcome.elapsed));
    let seconds = outcome.elapsed.as_secs_f64();
    if outcome.moved > 0 && seconds > 0.0 {
        line += &format!(" ({}/s)", bytes((outcome.moved as f64 / seconds) as u64));
    }
    let again = match &outcome.stored {
        None => "fetched",
        Some(ShownObject { destination, parts, .. }) => {
            line += &format!(" to {destination}");
            if *parts > 0 {
                line += &format!(", {parts} {}", if *parts == 1 { "part" } else { "parts" });
            }
            "sent"
        }
    };
    line += &format!("; {proof}");
    let kept = outcome.bytes.saturating_sub(outcome.moved);
    if outcome.resumed > 0 && kept > 0 {
        line += &format!("; resumed {}, {} not {again} again", times(outcome.resumed), bytes(kept));
    }
    if outcome.restarts > 0 {
        let count = u32::try_from(outcome.restarts).unwrap_or(u32::MAX);
        line += &format!("; started over {}", times(count));
    }
    if outcome.retries > 0 {
        line += &format!("; {} {}", outcome.retries, if outcome.retries == 1 { "retry" } else { "retries" });
    }
    line
}

/// How several are getting on: `12 of 3000 done, 1 failed, 4 at work: 1.2 GiB, 35.0 MiB/s, about 5 m 10 s left`.
pub(super) fn running(sum: &Sum, at_work: impl Iterator<Item = Now>) -> String {
    let (mut count, mut received, mut rate, mut rest) = (0_usize, sum.bytes, 0_u64, Some(0_u64));
    let mut lengths = sum.lengths;
    for now in at_work {
        count += 1;
        received = received.saturating_add(now.through);
        rate = rate.saturating_add(now.rate);
        rest = rest.zip(now.total).map(|(rest, total)| rest.saturating_add(total.saturating_sub(now.through)));
        if let Some(total) = now.total {
            lengths = (lengths.0.saturating_add(total), lengths.1 + 1);
        }
    }
    let mut line = format!(
        "{} done{}, {count} at work: {}, {}/s",
        share_done(sum),
        ended(sum, ", "),
        bytes(received),
        bytes(rate)
    );
    let waiting = sum.count.saturating_sub(sum.done + sum.failed + sum.stopped + count);
    // Those that wait are taken to be as long as the others.
    let mean = u64::try_from(lengths.1).ok().and_then(|known| lengths.0.checked_div(known));
    let rest = match waiting {
        0 => rest,
        _ => rest.zip(mean).map(|(rest, mean)| rest.saturating_add(mean.saturating_mul(waiting as u64))),
    };
    // How many there are is not known while a store lists them.
    if let (Some(rest), 1.., 1..) = (rest, rate, sum.count) {
        let about = if waiting > 0 { "about " } else { "" };
        line += &format!(", {about}{} left", whole(rest.div_ceil(rate)));
    }
    line
}

/// `, 1 failed, 2 stopped`, as far as there are such.
fn ended(sum: &Sum, before: &str) -> String {
    let kinds = [(sum.failed, "failed"), (sum.stopped, "stopped")];
    let told = kinds.into_iter().filter(|(count, _)| *count > 0);
    told.map(|(count, word)| format!("{before}{count} {word}")).collect()
}

/// `3 of 9`, or `3` where the whole is not known.
fn share_done(sum: &Sum) -> String {
    if sum.count == 0 { sum.done.to_string() } else { format!("{} of {}", sum.done, sum.count) }
}

/// The last line of several.
pub(super) fn sum(sum: &Sum) -> String {
    let mut line = format!("{} done, {}", share_done(sum), bytes(sum.bytes));
    if sum.already > 0 {
        let there = if sum.way == Direction::Down { "complete" } else { "there" };
        line += &format!(" ({} {there} already)", sum.already);
    }
    line += &format!("; {} {}", bytes(sum.moved), if sum.way == Direction::Down { "fetched" } else { "sent" });
    line + &ended(sum, "; ")
}

/// At most so many characters: what is longer is cut in its middle.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let rest = most.saturating_sub(1);
    let (head, tail) = (rest / 2, rest - rest / 2);
    let head: String = text.chars().take(head).collect();
    let tail: String = text.chars().skip(count - tail).collect();
    format!("{head}…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_range_is_cut_between_its_pieces() {
        assert_eq!(cut("0-99,200-"), "0-99,200-");
        let long = cut(&vec!["100-199"; 1000].join(","));
        assert_eq!(long, "100-199,100-199,100-199,100-199,100-199,100-199,100-199, …");
    }
    use longhaul::{DigestKind, Restart, UploadRestart};

    #[test]
    fn sizes_and_times_read_well() {
        let sizes = [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (1 << 30, "1.0 GiB")];
        for (count, text) in sizes {
            assert_eq!(bytes(count), text);
        }
        assert_eq!(bytes((1 << 20) - 1), "1.0 MiB");
        assert_eq!(bytes(u64::MAX), "16.0 EiB");
        let times = [(3, "3.0 s"), (59, "59 s"), (61, "1 m 01 s"), (3661, "1 h 01 m"), (90_000, "1 d 01 h")];
        for (seconds, text) in times {
            assert_eq!(time(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn an_eta_is_given_only_when_there_is_one() {
        assert_eq!(eta(0, None, 1), None);
        assert_eq!(eta(0, Some(100), 0), None);
        assert_eq!(eta(200, Some(100), 1), None);
        assert_eq!(eta(0, Some(100), 1).as_deref(), Some("1 m 40 s"));
    }

    #[test]
    fn every_restart_is_told_with_its_reason() {
        for reason in Restart::ALL {
            let text = news(&Event::Restarted { reason: reason.into(), discarded: 2048 }, Direction::Down).unwrap();
            assert!(text.contains(reason.explain()) && text.contains("2.0 KiB"), "{text}");
        }
        for reason in UploadRestart::ALL {
            let event = Event::Restarted { reason: reason.into(), discarded: 2048 };
            let text = news(&event, Direction::Up).unwrap();
            assert!(text.contains(reason.explain()) && text.contains("2.0 KiB") && may_fall(&event), "{text}");
        }
    }

    #[test]
    fn a_summary_says_what_was_verified_and_what_was_saved() {
        let outcome = ShownOutcome {
            path: "/d/a".into(),
            bytes: 3 << 20,
            verified: Verified::Validator,
            resumed: 1,
            restarts: 0,
            retries: 2,
            moved: 1 << 20,
            already: false,
            not_modified: false,
            elapsed: Duration::from_secs(2),
            stored: None,
            facts: longhaul::json::Fields::new(),
        };
        let text = "/d/a: 3.0 MiB in 2.0 s (512.0 KiB/s); complete (same version throughout; no checksum compared); resumed once, 2.0 MiB not fetched again; 2 retries";
        assert_eq!(summary(&outcome), text);
        let already = ShownOutcome { already: true, verified: Verified::Nothing, ..outcome.clone() };
        assert_eq!(summary(&already), "/d/a: there already, 3.0 MiB; not checked (neither length nor checksum told)");
        let same = ShownOutcome { not_modified: true, ..outcome.clone() };
        assert_eq!(summary(&same), "/d/a: not modified; nothing was fetched");
        let destination = "oss://b/k".to_owned();
        let stored = Some(ShownObject { destination, etag: None, version: None, parts: 3 });
        let up = ShownOutcome { stored, verified: Verified::Digest(DigestKind::Crc64), retries: 0, ..outcome };
        let text = "/d/a: 3.0 MiB in 2.0 s (512.0 KiB/s) to oss://b/k, 3 parts; checksum ok: crc64; resumed once, 2.0 MiB not sent again";
        assert_eq!(summary(&up), text);
        let up = ShownOutcome { already: true, ..up };
        assert_eq!(summary(&up), "/d/a: there already as oss://b/k, 3.0 MiB; checksum ok: crc64");
    }

    #[test]
    fn several_downloads_are_summed_up() {
        let all = Sum {
            way: Direction::Down,
            count: 9,
            done: 3,
            failed: 1,
            stopped: 0,
            lengths: (2048, 1),
            bytes: 2048,
            already: 2,
            moved: 1024,
        };
        let now = [(1024, 512), (0, 0)].map(|(through, rate)| Now { through, total: None, rate });
        assert_eq!(running(&all, now.into_iter()), "3 of 9 done, 1 failed, 2 at work: 3.0 KiB, 512 B/s");
        let now = now.map(|now| Now { total: Some(2048), ..now });
        let text = "3 of 9 done, 1 failed, 2 at work: 3.0 KiB, 512 B/s, about 18 s left";
        assert_eq!(running(&all, now.into_iter()), text);
        let last = Sum { count: 6, ..all.clone() };
        let text = "3 of 6 done, 1 failed, 2 at work: 3.0 KiB, 512 B/s, 6 s left";
        assert_eq!(running(&last, now.into_iter()), text);
        let stopped = Sum { stopped: 2, failed: 0, already: 0, ..all.clone() };
        assert_eq!(sum(&stopped), "3 of 9 done, 2.0 KiB; 1.0 KiB fetched; 2 stopped");
        assert_eq!(sum(&all), "3 of 9 done, 2.0 KiB (2 complete already); 1.0 KiB fetched; 1 failed");
        let open = Sum { count: 0, failed: 0, already: 0, ..all.clone() };
        assert_eq!(sum(&open), "3 done, 2.0 KiB; 1.0 KiB fetched");
        let all = Sum { failed: 0, already: 0, ..all };
        assert_eq!(sum(&all), "3 of 9 done, 2.0 KiB; 1.0 KiB fetched");
        let all = Sum { way: Direction::Up, already: 1, ..all };
        assert_eq!(sum(&all), "3 of 9 done, 2.0 KiB (1 there already); 1.0 KiB sent");
    }

    #[test]
    fn paths_can_be_pasted() {
        assert_eq!(printable::shell("a/b.iso"), "a/b.iso");
        assert_eq!(printable::shell("it's here"), r"'it'\''s here'");
        assert_eq!(printable::shell(""), "''");
    }

    #[test]
    fn people_are_told_what_was_compared_and_what_was_not() {
        let digest = Verified::Digest(DigestKind::Sha256);
        let rest = [Verified::Composite, Verified::Parts, Verified::Validator, Verified::Length, Verified::Answer];
        for verified in [digest, Verified::Nothing].into_iter().chain(rest) {
            for way in [Direction::Down, Direction::Up] {
                let text = proof(verified, way);
                // Success of a check is told of a check alone.
                let compared = matches!(verified, Verified::Digest(_) | Verified::Composite | Verified::Parts);
                assert_eq!(text.starts_with("checksum ok"), compared, "{text}");
                assert!(!text.contains("validator") && !text.contains("verified"), "{text}");
            }
        }
        assert_eq!(proof(digest, Direction::Down), "checksum ok: sha256");
    }

    #[test]
    fn what_was_verified_has_one_word_each() {
        assert_eq!(verified(Verified::Digest(DigestKind::Sha256)), "sha256");
        assert_eq!(verified(Verified::Length), "length only");
    }
}

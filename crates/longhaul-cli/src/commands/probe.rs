//! `longhaul probe URL`: can this be resumed?

use serde::Serialize;

use super::{Object, json_lines, runtime, settings};
use crate::exit::{Exit, Failure};
use crate::flags::probe::ProbeOptions;
use crate::out;
use crate::printable;
use crate::show::text;

pub(crate) fn run(probe: &ProbeOptions) -> Result<Exit, Failure> {
    let client = settings(&probe.network, &probe.store).build()?;
    let runtime = runtime()?;
    let mut question = client.probe(&probe.source);
    if let Some(id) = &probe.version_id {
        question = question.version_id(id);
    }
    for (name, value) in &probe.headers {
        question = question.header(name, value);
    }
    if let Some((user, password)) = &probe.user {
        question = question.basic_auth(user, password);
    }
    let answer = runtime.block_on(question.run());
    runtime.shutdown_background();
    let answer = ProbeAnswer::from(&answer?);
    if probe.json {
        json_lines(&[answer])?;
    } else {
        out::stdout(&printable::plain(&answer.sentences()))?;
    }
    Ok(Exit::Done)
}

/// Clocks that differ by less are taken for equal: signed links allow for minutes.
const SKEW_TOLD_S: u64 = 5;

/// What came out, as `--json` shows it.
#[derive(Debug, Serialize)]
struct ProbeAnswer {
    url: String,
    final_url: String,
    status: u16,
    resumable: bool,
    why: String,
    ranges: bool,
    conditions: Option<bool>,
    clock_skew_s: Option<i64>,
    name: String,
    object: Object,
    problems: Vec<String>,
}

impl From<&longhaul::Probe> for ProbeAnswer {
    fn from(probe: &longhaul::Probe) -> Self {
        Self {
            url: probe.source.clone(),
            final_url: probe.final_url.clone(),
            status: probe.status,
            resumable: probe.resumable,
            why: probe.why.clone(),
            ranges: probe.honours_ranges,
            conditions: probe.honours_conditions,
            clock_skew_s: probe.clock_skew_s,
            name: probe.suggested_name.clone(),
            object: Object::of(&probe.object, false),
            problems: probe.problems.clone(),
        }
    }
}

impl ProbeAnswer {
    fn sentences(&self) -> String {
        let yes = |b: bool| if b { "yes" } else { "no" };
        let mut lines = String::new();
        let mut line = |name: &str, value: &str| lines += &format!("{name:<11} {value}\n");
        line("resumable", &format!("{}: {}", yes(self.resumable), self.why));
        line("source", &self.url);
        if self.final_url.as_str() != self.url.split('?').next().unwrap_or_default() {
            line("answered by", &self.final_url);
        }
        line("object", &self.object.sentence());
        line("saved as", &self.name);
        line("ranges", yes(self.ranges));
        line(
            "conditions",
            match self.conditions {
                Some(true) => "supported: the server notices a changed object",
                Some(false) => "ignored: longhaul notices a changed object, reply by reply",
                None => "not known: there is nothing to ask with, or the replies do not tell",
            },
        );
        if let Some(skew) = self.clock_skew_s.filter(|skew| skew.unsigned_abs() >= SKEW_TOLD_S) {
            let ours = if skew > 0 { "behind" } else { "ahead of" };
            let off = text::whole(skew.unsigned_abs());
            line("clock", &format!("this machine's is {off} {ours} the server's; signed links may be refused"));
        }
        for problem in &self.problems {
            line("note", problem);
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_answer() {
        let answer = ProbeAnswer {
            url: "https://h/a?x=1".into(),
            final_url: "https://h/a".into(),
            status: 206,
            resumable: false,
            why: "the server ignores ranges".into(),
            ranges: false,
            conditions: None,
            clock_skew_s: Some(-90),
            name: "a".into(),
            object: Object {
                length: Some(1 << 20),
                validator: Some("etag"),
                strong: false,
                version: None,
                etag: Some("W/\"1\"".into()),
                last_modified_ms: None,
                encoding: None,
                digests: vec![],
            },
            problems: vec!["slow".into()],
        };
        let text = answer.sentences();
        assert!(text.starts_with("resumable   no: the server ignores ranges\n"), "{text}");
        assert!(text.contains("1.0 MiB, ETag W/\"1\" (weak"), "{text}");
        assert!(text.contains("1 m 30 s ahead of the server's"), "{text}");
        assert!(text.ends_with("note        slow\n") && !text.contains("answered by"), "{text}");
    }
}

//! What goes wrong, for which requests, how often? Rules, given by flags and by the admin endpoint, in the same words.
//!
//! A rule names operations and keys, lets some requests pass, and then strikes so many times or at a rate. Whether the
//! n-th request that fits a rule is struck follows from the rule's seed and n alone: the same run has the same faults.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::op::Op;
use super::policy::fits;
use super::target::Resource;

/// More than any test needs.
const RULES_MAX: usize = 1000;

/// One rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rule {
    /// Operations by name, separated by commas; `*` is any.
    #[serde(default = "any")]
    pub(crate) op: String,
    /// With `*` and `?`.
    #[serde(default = "any")]
    pub(crate) bucket: String,
    #[serde(default = "any")]
    pub(crate) key: String,
    /// So many requests that fit pass first.
    #[serde(default)]
    pub(crate) skip: u64,
    /// Then it strikes so many times; for ever without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) times: Option<u64>,
    /// Of the requests that fit, this share is struck: 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<f64>,
    #[serde(default)]
    pub(crate) seed: u64,
    #[serde(flatten)]
    pub(crate) fault: Fault,
}

fn any() -> String {
    "*".to_owned()
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ending {
    /// FIN.
    Cut,
    /// RST.
    Reset,
    /// Silence on an open connection.
    Stall,
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Fault {
    /// The request waits for so long before it is looked at.
    Latency { ms: u64 },
    /// The work is done; the answer comes so much later.
    SlowAnswer { ms: u64 },
    /// Bodies in both directions.
    Bandwidth { bytes_per_second: u64 },
    /// After so many bytes of the answer's body, by FIN.
    Cut {
        #[serde(default)]
        after: u64,
    },
    /// The same by RST.
    Reset {
        #[serde(default)]
        after: u64,
    },
    /// The same by silence.
    Stall {
        #[serde(default)]
        after: u64,
    },
    /// The answer's body in drops.
    Trickle { bytes: u64, ms: u64 },
    /// After so many bytes of the request's body.
    CutUpload {
        #[serde(default)]
        after: u64,
        #[serde(default = "by_reset")]
        by: Ending,
    },
    /// Another status, with OSS's error document.
    Status {
        status: u16,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        /// Seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
    /// The work is done, and the answer is not sent.
    LoseAnswer {
        #[serde(default = "by_cut")]
        by: Ending,
    },
    /// The lowest bit of this byte of the object is flipped on its way out.
    Flip { offset: u64 },
    /// The same on its way in: it is stored so.
    FlipUpload { offset: u64 },
    /// `x-oss-hash-crc64ecma` of the answer is another.
    WrongCrc,
    /// `ETag` of the answer is another.
    WrongEtag,
    /// The object is replaced by another of this size (its own by default): before the answer, or after so many bytes
    /// of its body, for the requests that follow.
    Replace {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
    },
    /// Range is not looked at.
    IgnoreRange,
    /// As if the link had expired.
    ExpireLink,
    /// As if the token had expired.
    ExpireToken,
    /// As if the clocks were too far apart.
    Skew,
    /// The upload is aborted before the request is looked at.
    RemoveUpload,
}

/// A kind of fault, for those who write rules.
#[derive(Debug, Serialize)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Fields that a rule of this kind has to have, and those that it may have, beside those of every rule.
    pub(crate) needs: &'static [&'static str],
    pub(crate) may: &'static [&'static str],
    /// What happens, in words.
    pub(crate) does: &'static str,
}

const fn kind(
    name: &'static str,
    needs: &'static [&'static str],
    may: &'static [&'static str],
    does: &'static str,
) -> Kind {
    Kind { name, needs, may, does }
}

/// Every kind there is.
pub(crate) const KINDS: [Kind; 20] = [
    kind("latency", &["ms"], &[], "wait before the work is done"),
    kind("slow-answer", &["ms"], &[], "do the work, answer later"),
    kind("bandwidth", &["bytes_per_second"], &[], "slow bodies down, in both directions"),
    kind("trickle", &["bytes", "ms"], &[], "send the answer's body in drops, so many bytes at a time"),
    kind("cut", &[], &["after"], "close the connection after so many bytes of the answer's body"),
    kind("reset", &[], &["after"], "reset the connection after so many bytes of the answer's body"),
    kind("stall", &[], &["after"], "fall silent after so many bytes of the answer's body"),
    kind("cut-upload", &[], &["after", "by"], "end the connection after so many bytes of the request's body"),
    kind("lose-answer", &[], &["by"], "do the work, and end the connection without an answer"),
    kind("status", &["status"], &["code", "retry_after"], "answer with this status"),
    kind("flip", &["offset"], &[], "flip one bit of the object on its way out"),
    kind("flip-upload", &["offset"], &[], "flip one bit of the object on its way in"),
    kind("wrong-crc", &[], &[], "answer with a wrong CRC-64"),
    kind("wrong-etag", &[], &[], "answer with a wrong ETag"),
    kind("replace", &[], &["after", "size"], "put another object in its place"),
    kind("ignore-range", &[], &[], "answer with the whole object"),
    kind("expire-link", &[], &[], "say that the link has expired"),
    kind("expire-token", &[], &[], "say that the token has expired"),
    kind("skew", &[], &[], "say that the clocks are too far apart"),
    kind("remove-upload", &[], &[], "abort the multipart upload before the request"),
];

fn by_reset() -> Ending {
    Ending::Reset
}

fn by_cut() -> Ending {
    Ending::Cut
}

impl Fault {
    /// Its word in rules and logs.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Fault::Latency { .. } => "latency",
            Fault::SlowAnswer { .. } => "slow-answer",
            Fault::Bandwidth { .. } => "bandwidth",
            Fault::Cut { .. } => "cut",
            Fault::Reset { .. } => "reset",
            Fault::Stall { .. } => "stall",
            Fault::Trickle { .. } => "trickle",
            Fault::CutUpload { .. } => "cut-upload",
            Fault::Status { .. } => "status",
            Fault::LoseAnswer { .. } => "lose-answer",
            Fault::Flip { .. } => "flip",
            Fault::FlipUpload { .. } => "flip-upload",
            Fault::WrongCrc => "wrong-crc",
            Fault::WrongEtag => "wrong-etag",
            Fault::Replace { .. } => "replace",
            Fault::IgnoreRange => "ignore-range",
            Fault::ExpireLink => "expire-link",
            Fault::ExpireToken => "expire-token",
            Fault::Skew => "skew",
            Fault::RemoveUpload => "remove-upload",
        }
    }
}

impl Rule {
    /// Reads `kind=cut after=1000 op=GetObject times=2`: the fields of the JSON, in words.
    ///
    /// # Errors
    /// In words, naming what is wrong.
    pub(crate) fn from_words(text: &str) -> Result<Rule, String> {
        let mut fields = serde_json::Map::new();
        for word in text.split_whitespace() {
            let (name, value) = word.split_once('=').ok_or_else(|| format!("\"{word}\" is not NAME=VALUE"))?;
            // Numbers where a number is meant; text where it is not.
            let texts = ["op", "bucket", "key", "kind", "code", "by"];
            let value = match serde_json::from_str::<serde_json::Number>(value) {
                Ok(number) if !texts.contains(&name) => serde_json::Value::from(number),
                _ => serde_json::Value::from(value),
            };
            if fields.insert(name.to_owned(), value).is_some() {
                return Err(format!("{name} is given twice"));
            }
        }
        Rule::from_json(serde_json::Value::Object(fields))
    }

    /// Reads a rule, and refuses what would never strike or would strike something else than meant.
    pub(crate) fn from_json(value: serde_json::Value) -> Result<Rule, String> {
        const OF_ALL: [&str; 8] = ["op", "bucket", "key", "skip", "times", "rate", "seed", "kind"];
        let given: Vec<String> = value.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default();
        let rule: Rule = serde_json::from_value(value).map_err(|error| error.to_string())?;
        if let Some(wrong) = rule.op.split(',').find(|name| *name != "*" && Op::named(name.trim()).is_none()) {
            return Err(format!("there is no operation {wrong}"));
        }
        if rule.rate.is_some_and(|rate| !(0.0..=1.0).contains(&rate)) {
            return Err("rate is a share between 0 and 1".to_owned());
        }
        if let Fault::Status { status, .. } = rule.fault
            && !(200..=599).contains(&status)
        {
            return Err("status is a number from 200 to 599".to_owned());
        }
        let kind = KINDS.iter().find(|kind| kind.name == rule.fault.kind());
        let own = |name: &str| kind.is_some_and(|kind| kind.needs.contains(&name) || kind.may.contains(&name));
        match given.iter().find(|name| !OF_ALL.contains(&name.as_str()) && !own(name)) {
            Some(wrong) => Err(format!("a fault of kind {} has no field {wrong}", rule.fault.kind())),
            None => Ok(rule),
        }
    }

    fn fits(&self, op: Op, resource: &Resource) -> bool {
        self.op.split(',').any(|name| name == "*" || name.trim() == op.name())
            && fits(&self.bucket, &resource.bucket)
            && fits(&self.key, &resource.key)
    }

    /// Whether the n-th request that fits is struck, all earlier strikes known.
    fn strikes(&self, n: u64, struck: u64) -> bool {
        n >= self.skip
            && self.times.is_none_or(|times| struck < times)
            && self.rate.is_none_or(|rate| share(self.seed, n) < rate)
    }
}

/// A number from 0 to 1 that looks random and is not (SplitMix64).
fn share(seed: u64, n: u64) -> f64 {
    let mut z = seed.wrapping_add((n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// A rule and how it fared.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Active {
    pub(crate) id: u64,
    #[serde(flatten)]
    pub(crate) rule: Rule,
    /// Requests that fitted.
    pub(crate) seen: u64,
    /// Requests that were struck.
    pub(crate) struck: u64,
    /// Switched off, it neither strikes nor counts.
    pub(crate) on: bool,
}

/// All rules of a store.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<(u64, Vec<Active>)>);

impl Faults {
    /// Adds a rule behind the others; its id.
    ///
    /// # Errors
    /// In words, when there are too many: every request is held against each.
    pub(crate) fn add(&self, rule: Rule) -> Result<u64, String> {
        let mut all = self.lock();
        if all.1.len() >= RULES_MAX {
            return Err(format!("there are {RULES_MAX} faults already; remove some"));
        }
        all.0 += 1;
        let id = all.0;
        all.1.push(Active { id, rule, seen: 0, struck: 0, on: true });
        Ok(id)
    }

    /// Removes one rule, or all; how many there were.
    pub(crate) fn remove(&self, id: Option<u64>) -> usize {
        let mut all = self.lock();
        let before = all.1.len();
        all.1.retain(|active| id.is_some_and(|id| active.id != id));
        before - all.1.len()
    }

    /// Switches one rule on or off; whether there is one of that id.
    pub(crate) fn switch(&self, id: u64, on: bool) -> bool {
        let mut all = self.lock();
        let found = all.1.iter_mut().find(|active| active.id == id);
        found.is_some_and(|active| {
            active.on = on;
            true
        })
    }

    pub(crate) fn list(&self) -> Vec<Active> {
        self.lock().1.clone()
    }

    /// What happens to this request: every rule that strikes, in order.
    pub(crate) fn strike(&self, op: Op, resource: &Resource) -> Vec<Fault> {
        let mut faults = Vec::new();
        for active in self.lock().1.iter_mut().filter(|active| active.on && active.rule.fits(op, resource)) {
            let n = active.seen;
            active.seen += 1;
            if active.rule.strikes(n, active.struck) {
                active.struck += 1;
                faults.push(active.rule.fault.clone());
            }
        }
        faults
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Vec<Active>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn struck(rule: &str, requests: usize) -> String {
        let faults = Faults::default();
        faults.add(Rule::from_words(rule).unwrap()).unwrap();
        let resource = Resource { bucket: "b".into(), key: "k".into() };
        let strike = |_| if faults.strike(Op::UploadPart, &resource).is_empty() { '.' } else { 'x' };
        (0..requests).map(strike).collect()
    }

    #[test]
    fn rules_strike_when_they_say() {
        for (rule, expected) in [
            ("kind=wrong-crc", "xxxxxx"),
            ("kind=wrong-crc times=2", "xx...."),
            ("kind=wrong-crc skip=1 times=2", ".xx..."),
            ("kind=wrong-crc op=PutObject", "......"),
            ("kind=wrong-crc op=PutObject,UploadPart key=k*", "xxxxxx"),
            ("kind=wrong-crc bucket=c", "......"),
            ("kind=wrong-crc rate=0", "......"),
            ("kind=wrong-crc rate=1", "xxxxxx"),
        ] {
            assert_eq!(struck(rule, 6), expected, "{rule}");
        }
    }

    #[test]
    fn a_rate_is_kept_and_repeats_itself_from_its_seed() {
        let run = struck("kind=wrong-crc rate=0.25 seed=7", 4000);
        assert_eq!(run, struck("kind=wrong-crc rate=0.25 seed=7", 4000));
        assert_ne!(run, struck("kind=wrong-crc rate=0.25 seed=8", 4000));
        let count = run.matches('x').count();
        assert!((900..1100).contains(&count), "{count}");
    }

    #[test]
    fn every_kind_is_a_rule_with_the_fields_that_it_is_said_to_have() {
        for kind in &KINDS {
            let value = |field: &&str| match *field {
                "by" => "by=stall".to_owned(),
                "code" => "code=Oops".to_owned(),
                "status" => "status=503".to_owned(),
                field => format!("{field}=7"),
            };
            let needed: Vec<String> = kind.needs.iter().map(value).collect();
            let all: Vec<String> = kind.needs.iter().chain(kind.may).map(value).collect();
            for fields in [&needed, &all] {
                let words = format!("kind={} {}", kind.name, fields.join(" "));
                assert_eq!(Rule::from_words(&words).unwrap().fault.kind(), kind.name, "{words}");
            }
            for left_out in &needed {
                let fields: Vec<&str> = needed.iter().filter(|have| *have != left_out).map(String::as_str).collect();
                Rule::from_words(&format!("kind={} {}", kind.name, fields.join(" "))).unwrap_err();
            }
        }
    }

    #[test]
    fn a_rule_that_is_switched_off_lets_all_pass() {
        let faults = Faults::default();
        let id = faults.add(Rule::from_words("kind=wrong-crc").unwrap()).unwrap();
        let resource = Resource { bucket: "b".into(), key: "k".into() };
        let strikes = || faults.strike(Op::GetObject, &resource).len();
        assert!(faults.switch(id, false) && strikes() == 0);
        assert!(faults.switch(id, true) && strikes() == 1 && !faults.switch(id + 1, true));
        assert_eq!(faults.list()[0].seen, 1);
    }

    #[test]
    fn what_is_no_rule_is_refused_in_words() {
        for (words, part) in [
            ("", "kind"),
            ("kind=nonsense", "nonsense"),
            ("kind=cut after=x", "x"),
            ("kind=cut aftr=1", "no field aftr"),
            ("kind=cut bytes=1", "no field bytes"),
            ("kind=latency", "ms"),
            ("kind=cut op=GetObjects", "GetObjects"),
            ("kind=status status=99", "status"),
            ("kind=cut rate=2", "rate"),
            ("kind=cut kind=cut", "twice"),
            ("cut", "NAME=VALUE"),
        ] {
            let error = Rule::from_words(words).unwrap_err();
            assert!(error.contains(part), "{words}: {error}");
        }
        let rule = Rule::from_words("kind=lose-answer by=stall op=CompleteMultipartUpload").unwrap();
        assert_eq!(rule.fault, Fault::LoseAnswer { by: Ending::Stall });
        assert_eq!(Rule::from_words("kind=cut").unwrap().fault, Fault::Cut { after: 0 });
    }
}

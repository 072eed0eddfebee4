//! Lifecycle rules: put, get, delete, and what they say about uploads. Other actions are kept and have no effect here;
//! the documentation says so.

use crate::oss::call::{Call, Reply};
use crate::oss::clock;
use crate::oss::refusal::Refusal;
use crate::oss::xml;

const RULES_MAX: usize = 1000;

/// A rule that aborts uploads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) prefix: String,
    pub(crate) when: When,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// So many days after it was initiated.
    Days(i64),
    /// Initiated before this time.
    CreatedBefore(i64),
}

impl Rule {
    /// Whether an upload has had its time.
    pub(crate) fn expires(&self, key: &str, initiated_ms: i64, now_ms: i64) -> bool {
        key.starts_with(&self.prefix)
            && match self.when {
                When::Days(days) => now_ms.saturating_sub(initiated_ms) >= days.saturating_mul(24 * 3600 * 1000),
                When::CreatedBefore(time) => initiated_ms < time,
            }
    }
}

/// The enabled rules of a document that abort uploads; `None` when it is no such document.
pub(crate) fn read_rules(document: &[u8]) -> Option<Vec<Rule>> {
    let root = xml::parse(document).filter(|root| root.name == "LifecycleConfiguration")?;
    let mut rules = Vec::new();
    let mut count = 0;
    for rule in root.all("Rule") {
        count += 1;
        let enabled = match rule.text_of("Status")? {
            "Enabled" => true,
            "Disabled" => false,
            _ => return None,
        };
        let Some(abort) = rule.child("AbortMultipartUpload") else { continue };
        let when = match (abort.text_of("Days"), abort.text_of("CreatedBeforeDate")) {
            (Some(days), None) => When::Days(days.parse().ok().filter(|days| *days > 0)?),
            (None, Some(date)) => When::CreatedBefore(clock::parse_iso(date)?),
            _ => return None,
        };
        if enabled {
            let prefix = rule.child("Prefix").map(|prefix| prefix.text.clone()).unwrap_or_default();
            rules.push(Rule { prefix, when });
        }
    }
    (1..=RULES_MAX).contains(&count).then_some(rules)
}

pub(super) fn put(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    let bucket = call.bucket()?;
    let document = call.xml_bytes()?;
    read_rules(&document).ok_or_else(Refusal::malformed_xml)?;
    let text = String::from_utf8(document).map_err(|_| Refusal::malformed_xml())?;
    bucket.set_facts(|facts| facts.lifecycle = Some(text))?;
    Ok(Reply::empty(200))
}

pub(super) fn get(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    let document = call.bucket()?.facts().lifecycle;
    let none = || Refusal::new(404, "NoSuchLifecycle", "No Row found in Lifecycle Table.");
    Ok(Reply::xml(document.ok_or_else(none)?.into_bytes()))
}

pub(super) fn delete(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    call.bucket()?.set_facts(|facts| facts.lifecycle = None)?;
    Ok(Reply::empty(204))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_abort_uploads_are_read() {
        let document = "<LifecycleConfiguration><Rule><ID>a</ID><Prefix>big/</Prefix><Status>Enabled</Status>\
                        <AbortMultipartUpload><Days>7</Days></AbortMultipartUpload></Rule><Rule><Prefix/><Status>Enabled\
                        </Status><AbortMultipartUpload><CreatedBeforeDate>2025-11-13T00:00:00.000Z</CreatedBeforeDate>\
                        </AbortMultipartUpload></Rule><Rule><Prefix>old/</Prefix><Status>Disabled</Status>\
                        <AbortMultipartUpload><Days>1</Days></AbortMultipartUpload></Rule><Rule><Prefix>x</Prefix>\
                        <Status>Enabled</Status><Expiration><Days>3</Days></Expiration></Rule></LifecycleConfiguration>";
        let rules = read_rules(document.as_bytes()).unwrap();
        assert_eq!(
            rules,
            [
                Rule { prefix: "big/".into(), when: When::Days(7) },
                Rule { prefix: String::new(), when: When::CreatedBefore(1_762_992_000_000) },
            ]
        );
        let day = 24 * 3600 * 1000;
        for (key, initiated, now, expires) in
            [("big/a", 0, 7 * day, true), ("big/a", 0, 7 * day - 1, false), ("other", 0, 70 * day, false)]
        {
            assert_eq!(rules[0].expires(key, initiated, now), expires, "{key} {now}");
        }
        assert!(rules[1].expires("x", 1_762_991_999_999, 0) && !rules[1].expires("x", 1_762_992_000_000, 0));
    }

    #[test]
    fn documents_without_sense_are_refused() {
        let rule = |inside: &str| format!("<LifecycleConfiguration><Rule>{inside}</Rule></LifecycleConfiguration>");
        for document in [
            "<LifecycleConfiguration/>".to_owned(),
            "<Other/>".to_owned(),
            rule("<Status>On</Status>"),
            rule("<Status>Enabled</Status><AbortMultipartUpload><Days>0</Days></AbortMultipartUpload>"),
            rule("<Status>Enabled</Status><AbortMultipartUpload/>"),
        ] {
            assert_eq!(read_rules(document.as_bytes()), None, "{document}");
        }
    }
}

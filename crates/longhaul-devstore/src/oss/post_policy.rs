//! Does a form keep to what its policy allows? The policy of a PostObject says when it ends, and which fields may have
//! which values (OSS's documentation, "PostObject", appendix "Policy").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::clock;
use super::form::Form;
use super::refusal::Refusal;

/// Fields that a policy has to name when they are there: without it, others could be put beside the signature.
const OF_SIGNATURE: [&str; 3] = ["x-oss-signature-version", "x-oss-credential", "x-oss-date"];
/// Fields that no policy can name, or need not: the proof itself, and the file.
const NEVER: [&str; 5] = ["policy", "signature", "x-oss-signature", "ossaccesskeyid", "file"];

/// A policy that was understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PostPolicy {
    expires_ms: i64,
    conditions: Vec<Condition>,
}

#[derive(Debug, PartialEq, Eq)]
struct Condition {
    /// Lower-case, without the dollar.
    field: String,
    test: Test,
}

#[derive(Debug, PartialEq, Eq)]
enum Test {
    Equal(String),
    StartsWith(String),
    In(Vec<String>),
    NotIn(Vec<String>),
    /// Of the file, both inclusive.
    Length(u64, u64),
}

/// How long the file may be, in bytes, both inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lengths {
    pub(crate) min: u64,
    pub(crate) max: u64,
}

impl PostPolicy {
    /// Reads the value of the field `policy`.
    ///
    /// # Errors
    /// `InvalidPolicyDocument`, with what is wrong in it.
    pub(crate) fn parse(encoded: &str) -> Result<PostPolicy, Refusal> {
        let bytes = STANDARD.decode(encoded).map_err(|_| invalid("it is not base64", "0006-00000201"))?;
        let document: Value =
            serde_json::from_slice(&bytes).map_err(|_| invalid("it is not JSON in UTF-8", "0006-00000201"))?;
        let document = document.as_object().ok_or_else(|| invalid("it is no JSON object", "0006-00000201"))?;
        if let Some(other) = document.keys().find(|name| !matches!(name.as_str(), "expiration" | "conditions")) {
            return Err(invalid(&format!("it has an element {other}"), "0006-00000206"));
        }
        let missing = |name| invalid(&format!("it has no {name}"), "0006-00000209");
        let expiration = document.get("expiration").ok_or_else(|| missing("expiration"))?;
        let expires_ms = expiration.as_str().and_then(clock::parse_iso);
        let expires_ms = expires_ms.ok_or_else(|| invalid("expiration is no time of ISO 8601", "0006-00000211"))?;
        let conditions = document.get("conditions").ok_or_else(|| missing("conditions"))?;
        let conditions = conditions.as_array().ok_or_else(|| invalid("conditions is no list", "0006-00000214"))?;
        if conditions.is_empty() {
            return Err(invalid("conditions is an empty list", "0006-00000215"));
        }
        let conditions = conditions.iter().map(Condition::parse).collect::<Result<_, _>>()?;
        Ok(PostPolicy { expires_ms, conditions })
    }

    /// Holds a form against it, all but the length of its file, of which it says the bounds. With `all` every field has
    /// to be named.
    ///
    /// # Errors
    /// `AccessDenied` when it has expired, or for the first condition that is not met.
    pub(crate) fn check(&self, form: &Form, bucket: &str, now_ms: i64, all: bool) -> Result<Lengths, Refusal> {
        if now_ms > self.expires_ms {
            return Err(denied("Policy expired.", "0006-00000213")
                .with("Expires", clock::iso(self.expires_ms))
                .with("ServerTime", clock::iso(now_ms)));
        }
        let mut lengths = Lengths { min: 0, max: u64::MAX };
        for condition in &self.conditions {
            if let Test::Length(min, max) = condition.test {
                lengths = Lengths { min: lengths.min.max(min), max: lengths.max.min(max) };
                continue;
            }
            let value = match condition.field.as_str() {
                "bucket" => Some(bucket),
                "content-type" => form.content_type(),
                name => form.get(name),
            };
            let failed = |ec| denied(&format!("Policy Condition failed: {}", condition.shown()), ec);
            let value = value.ok_or_else(|| failed("0006-00000226"))?;
            if !condition.test.holds(value) {
                return Err(failed("0006-00000227"));
            }
        }
        let named = |name: &str| self.conditions.iter().any(|condition| condition.field == name);
        let extra = form.fields().map(|(name, _)| name.to_ascii_lowercase()).find(|name| {
            let has_to = if all { !NEVER.contains(&name.as_str()) } else { OF_SIGNATURE.contains(&name.as_str()) };
            has_to && !named(name)
        });
        match extra {
            Some(name) => Err(denied(&format!("Extra input fields: {name}"), "0006-00000228")),
            None => Ok(lengths),
        }
    }
}

impl Condition {
    fn parse(value: &Value) -> Result<Condition, Refusal> {
        let wrong = |why: &str, ec| invalid(&format!("{why}: {value}"), ec);
        if let Some(object) = value.as_object() {
            let mut pairs = object.iter();
            return match (pairs.next(), pairs.next()) {
                (Some((field, Value::String(text))), None) => {
                    Ok(Condition { field: field.to_ascii_lowercase(), test: Test::Equal(text.clone()) })
                }
                _ => Err(wrong("a condition in braces has one name with one text", "0006-00000218")),
            };
        }
        let list =
            value.as_array().ok_or_else(|| wrong("a condition is neither a list nor an object", "0006-00000216"))?;
        let Some(mode) = list.first().and_then(Value::as_str).filter(|_| list.len() > 1) else {
            return Err(wrong("a condition has no matching mode", "0006-00000216"));
        };
        let mode = mode.to_ascii_lowercase();
        if mode == "content-length-range" {
            let (min, max) = (list.get(1).and_then(Value::as_u64), list.get(2).and_then(Value::as_u64));
            return match (min, max, list.len()) {
                (Some(min), Some(max), 3) if min <= max => Ok(Condition { field: mode, test: Test::Length(min, max) }),
                _ => Err(wrong("content-length-range needs two numbers, the smaller one first", "0006-00000220")),
            };
        }
        let [_, Value::String(field), wanted] = list.as_slice() else {
            return Err(wrong("a condition has a mode, a field and a value", "0006-00000218"));
        };
        let texts = || {
            let texts: Option<Vec<String>> =
                wanted.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect();
            texts.filter(|texts| !texts.is_empty())
        };
        let test = match (mode.as_str(), wanted) {
            ("eq", Value::String(text)) => Some(Test::Equal(text.clone())),
            ("starts-with", Value::String(text)) => Some(Test::StartsWith(text.clone())),
            ("in", _) => texts().map(Test::In),
            ("not-in", _) => texts().map(Test::NotIn),
            _ => None,
        };
        let test = test.ok_or_else(|| wrong("a condition's mode or value is not known", "0006-00000218"))?;
        // The documentation writes fields with a dollar, and in one example without.
        Ok(Condition { field: field.strip_prefix('$').unwrap_or(field).to_ascii_lowercase(), test })
    }

    /// As the documentation writes conditions.
    fn shown(&self) -> String {
        let (mode, wanted) = match &self.test {
            Test::Equal(text) => ("eq", Value::from(text.as_str())),
            Test::StartsWith(text) => ("starts-with", Value::from(text.as_str())),
            Test::In(texts) => ("in", Value::from(texts.clone())),
            Test::NotIn(texts) => ("not-in", Value::from(texts.clone())),
            Test::Length(min, max) => return format!("[\"{}\", {min}, {max}]", self.field),
        };
        // A token is a secret, also in a policy.
        let wanted = if self.field == "x-oss-security-token" { Value::from("***") } else { wanted };
        format!("[\"{mode}\", \"${}\", {wanted}]", self.field)
    }
}

impl Test {
    fn holds(&self, value: &str) -> bool {
        match self {
            Test::Equal(wanted) => value == wanted,
            Test::StartsWith(wanted) => value.starts_with(wanted.as_str()),
            Test::In(wanted) => wanted.iter().any(|one| one == value),
            Test::NotIn(unwanted) => unwanted.iter().all(|one| one != value),
            Test::Length(..) => true,
        }
    }
}

fn invalid(why: &str, ec: &'static str) -> Refusal {
    Refusal::new(400, "InvalidPolicyDocument", format!("Invalid Policy: {why}.")).ec(ec)
}

fn denied(why: &str, ec: &'static str) -> Refusal {
    Refusal::new(403, "AccessDenied", format!("Invalid according to Policy: {why}")).ec(ec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(document: &str) -> Result<PostPolicy, String> {
        PostPolicy::parse(&STANDARD.encode(document)).map_err(|refusal| format!("{} {}", refusal.code, refusal.ec))
    }

    #[test]
    fn every_kind_of_condition_is_read() {
        let policy = parsed(
            r#"{"expiration":"2030-01-01T00:00:00Z","conditions":[{"bucket":"films"},["eq","$success_action_status","200"],
               ["starts-with","$Key","a/"],["in","$content-type",["a","b"]],["not-in","cache-control",["c"]],
               ["content-length-range",1,10]]}"#,
        )
        .unwrap();
        let shown: Vec<String> = policy.conditions.iter().map(Condition::shown).collect();
        assert_eq!(
            shown,
            [
                r#"["eq", "$bucket", "films"]"#,
                r#"["eq", "$success_action_status", "200"]"#,
                r#"["starts-with", "$key", "a/"]"#,
                r#"["in", "$content-type", ["a","b"]]"#,
                r#"["not-in", "$cache-control", ["c"]]"#,
                r#"["content-length-range", 1, 10]"#,
            ]
        );
    }

    #[test]
    fn what_is_no_policy_is_refused_with_the_number_that_the_service_has_for_it() {
        assert_eq!(PostPolicy::parse("*").unwrap_err().ec, "0006-00000201");
        let with = |conditions: &str| format!(r#"{{"expiration":"2030-01-01T00:00:00Z","conditions":{conditions}}}"#);
        for (document, ec) in [
            ("no json".to_owned(), "0006-00000201"),
            ("[]".to_owned(), "0006-00000201"),
            ("{}".to_owned(), "0006-00000209"),
            (
                r#"{"test":"x","expiration":"2030-01-01T00:00:00Z","conditions":[["eq","$key","a"]]}"#.to_owned(),
                "0006-00000206",
            ),
            (r#"{"expiration":"","conditions":[["eq","$key","a"]]}"#.to_owned(), "0006-00000211"),
            (with("123"), "0006-00000214"),
            (with("[]"), "0006-00000215"),
            (with(r#"[["$key"]]"#), "0006-00000216"),
            (with("[7]"), "0006-00000216"),
            (with(r#"[{"a":"b","c":"d"}]"#), "0006-00000218"),
            (with(r#"[{"a":7}]"#), "0006-00000218"),
            (with(r#"[["starts-with","$key","a","b"]]"#), "0006-00000218"),
            (with(r#"[["like","$key","a"]]"#), "0006-00000218"),
            (with(r#"[["in","$key","a"]]"#), "0006-00000218"),
            (with(r#"[["content-length-range","test",10]]"#), "0006-00000220"),
            (with(r#"[["content-length-range",10,1]]"#), "0006-00000220"),
        ] {
            assert_eq!(parsed(&document), Err(format!("InvalidPolicyDocument {ec}")), "{document}");
        }
    }

    #[test]
    fn a_token_in_a_policy_is_not_shown() {
        let policy =
            parsed(r#"{"expiration":"2030-01-01T00:00:00Z","conditions":[{"x-oss-security-token":"secret"}]}"#);
        assert_eq!(policy.unwrap().conditions[0].shown(), r#"["eq", "$x-oss-security-token", "***"]"#);
    }
}

//! May this key do that? A subset of RAM policies: effects, actions and resources with `*` and `?`, no conditions.

use serde::{Deserialize, Serialize};

use super::op::Op;
use super::target::Resource;

/// What a key is allowed. An operation without a statement that allows it is refused; a statement that denies it wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Policy {
    #[serde(default)]
    version: String,
    statement: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Statement {
    effect: Effect,
    action: OneOrMore,
    #[serde(default = "everything")]
    resource: OneOrMore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Effect {
    Allow,
    Deny,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

fn everything() -> OneOrMore {
    OneOrMore::One("*".to_owned())
}

impl OneOrMore {
    fn any(&self, fits: impl Fn(&str) -> bool) -> bool {
        match self {
            OneOrMore::One(one) => fits(one),
            OneOrMore::More(more) => more.iter().any(|one| fits(one)),
        }
    }
}

impl Policy {
    /// Reads a policy document.
    ///
    /// # Errors
    /// In words, when it is none, or uses what is not supported (`Condition`, `NotAction`, …).
    pub(crate) fn parse(text: &str) -> Result<Policy, String> {
        serde_json::from_str(text).map_err(|error| format!("not a policy this store understands: {error}"))
    }

    pub(crate) fn allows(&self, op: Op, resource: &Resource) -> bool {
        let says = |effect: Effect| {
            self.statement.iter().any(|statement| statement.effect == effect && statement.covers(op, resource))
        };
        says(Effect::Allow) && !says(Effect::Deny)
    }
}

impl Policy {
    /// Whether a key may take a role on, by its ARN.
    pub(crate) fn allows_role(&self, role: &str) -> bool {
        let says = |effect: Effect| {
            self.statement.iter().any(|statement| {
                statement.effect == effect
                    && statement.action.any(|pattern| fits(pattern, "sts:AssumeRole"))
                    && statement.resource.any(|pattern| fits(pattern, role))
            })
        };
        says(Effect::Allow) && !says(Effect::Deny)
    }
}

impl Statement {
    fn covers(&self, op: Op, resource: &Resource) -> bool {
        // RAM's action covers several operations; the operation's own name is finer.
        let action = self.action.any(|pattern| {
            let pattern = pattern.strip_prefix("oss:").unwrap_or(pattern);
            fits(pattern, op.action()) || fits(pattern, op.name())
        });
        let name = match (resource.bucket.is_empty(), resource.key.is_empty()) {
            (true, _) => "*".to_owned(),
            (false, true) => resource.bucket.clone(),
            (false, false) => format!("{}/{}", resource.bucket, resource.key),
        };
        action
            && self.resource.any(|pattern| match pattern.strip_prefix("acs:oss:") {
                // acs:oss:REGION:ACCOUNT:NAME
                Some(rest) => rest.splitn(3, ':').nth(2).is_some_and(|pattern| fits(pattern, &name)),
                None => fits(pattern, &name),
            })
    }
}

/// Whether the text fits a pattern with `*` and `?`.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where to go on when what follows the last star did not fit: it takes one character more.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                p = at + 1;
                t = taken + 1;
            }
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_in_ram() {
        for (pattern, text, fit) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b", "xaybzb", true),
            ("films/*", "films/", true),
            ("", "x", false),
        ] {
            assert_eq!(fits(pattern, text), fit, "{pattern} {text}");
        }
    }

    #[test]
    fn only_what_is_granted_and_not_denied_is_allowed() {
        let policy = Policy::parse(
            r#"{"Version":"1","Statement":[
                {"Effect":"Allow","Action":["oss:PutObject","oss:ListParts"],"Resource":"acs:oss:*:*:films/up/*"},
                {"Effect":"Allow","Action":"GetObject"},
                {"Effect":"Deny","Action":"oss:CompleteMultipartUpload","Resource":["films/up/no*"]}]}"#,
        )
        .unwrap();
        let at = |key: &str| Resource { bucket: "films".into(), key: key.into() };
        for (op, key, allowed) in [
            (Op::UploadPart, "up/a", true),
            (Op::InitiateMultipartUpload, "up/a", true),
            (Op::ListParts, "up/a", true),
            (Op::PutObject, "elsewhere", false),
            (Op::CompleteMultipartUpload, "up/yes", true),
            (Op::CompleteMultipartUpload, "up/not", false),
            (Op::AbortMultipartUpload, "up/a", false),
            (Op::HeadObject, "elsewhere", true),
        ] {
            assert_eq!(policy.allows(op, &at(key)), allowed, "{op:?} {key}");
        }
    }

    #[test]
    fn what_a_policy_says_and_we_do_not_understand_is_refused() {
        for text in [
            "{}",
            "no json",
            r#"{"Statement":[{"Effect":"Allow","Action":"*","Condition":{"IpAddress":{}}}]}"#,
            r#"{"Statement":[{"Effect":"Perhaps","Action":"*"}]}"#,
        ] {
            assert!(Policy::parse(text).is_err(), "{text}");
        }
    }
}

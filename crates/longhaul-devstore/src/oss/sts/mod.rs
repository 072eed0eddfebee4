//! Who gets a temporary key? AssumeRole of the Security Token Service, at the address of the store itself: a client
//! that points its STS endpoint here gets keys that the store takes until they end.
//!
//! Parameters stand in the query and in a form body, as the vendor's SDKs send them ("RPC style" in its documentation),
//! and are signed in one of two ways (`sign`). Every role exists and may do everything; the policy of a request narrows
//! that down. What is wrong is answered with STS's codes, in the format that was asked for.

mod sign;

use serde_json::json;

use super::call::{Call, Content, Reply};
use super::keys::{Key, Keys};
use super::policy::Policy;
use super::refusal::Refusal;
use super::sums::Sums;
use super::target::{Query, Resource, Target};
use super::wire::{Body, Head};
use super::xml::Writer;
use super::{call, clock};

const ACTION: &str = "AssumeRole";
const VERSION: &str = "2015-04-01";
/// Parameters are far shorter; a policy has 2,048 characters at most.
const BODY_BYTES_MAX: usize = 64 << 10;
/// "AssumeRole": a quarter of an hour, and as long as any role may be told to allow.
const SECONDS: std::ops::RangeInclusive<i64> = 900..=43_200;
const SECONDS_USUAL: i64 = 3600;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Xml,
}

/// A request that was signed by a key of the store.
#[derive(Debug)]
pub(crate) struct Asked {
    params: Query,
    format: Format,
    /// `None` where no signatures are looked at.
    pub(crate) key: Option<Key>,
}

/// Whether a request is for STS: it names no bucket, and an action or a form of parameters, which OSS has nowhere.
pub(crate) fn is_asked(head: &Head, resource: &Resource, target: &Target) -> bool {
    let says = |name: &str, value: &str| {
        head.headers
            .get(name)
            .is_some_and(|have| have.get(..value.len()).is_some_and(|start| start.eq_ignore_ascii_case(value)))
    };
    resource.bucket.is_empty()
        && target.path.is_empty()
        && (target.query.has("Action")
            || head.headers.has("x-acs-action")
            || says("Authorization", sign::ACS3)
            || (head.method == "POST" && says("Content-Type", "application/x-www-form-urlencoded")))
}

/// Reads a request and finds out who signed it, unless there are no `keys` to look for. `format` has what it wants to be answered in as soon as that is known.
///
/// # Errors
/// STS's refusals, which are to be written by [`refused`].
pub(crate) fn read(
    head: &Head,
    target: &Target,
    body: &mut Body<'_>,
    keys: Option<&Keys>,
    now_ms: i64,
    format: &mut Format,
) -> Result<Asked, Refusal> {
    let acs3 = head.headers.get("Authorization").filter(|value| value.starts_with(sign::ACS3));
    *format = format_of(&target.query, head, acs3.is_some());
    let sent = body.whole(BODY_BYTES_MAX).map_err(call::unread)?;
    let sent = sent.ok_or_else(|| Refusal::new(400, "RequestEntityTooLarge", "The parameters are too long."))?;
    let unreadable = || Refusal::new(400, "InvalidParameter", "The parameters are not percent-encoded UTF-8.");
    let mut params = target.query.clone();
    // In a form a plus is a space; in these queries it is a plus.
    let form = String::from_utf8(sent.clone()).map_err(|_| unreadable())?.replace('+', "%20");
    params.0.extend(Query::parse(&form).ok_or_else(unreadable)?.0);
    *format = format_of(&params, head, acs3.is_some());
    if !matches!(head.method.as_str(), "GET" | "POST") {
        return Err(Refusal::new(405, "UnsupportedHTTPMethod", "This http method is not supported."));
    }
    let key = match (keys, acs3) {
        (None, _) => None,
        (Some(keys), Some(authorization)) => Some(sign::acs3(head, authorization, &target.query, &sent, keys, now_ms)?),
        (Some(keys), None) => Some(sign::rpc(&head.method, &params, keys, now_ms)?),
    };
    let named = |header: &str, param: &str| head.headers.get(header).or_else(|| params.get(param)).map(str::to_owned);
    match named("x-acs-action", "Action").as_deref() {
        Some(ACTION) => {}
        Some(_) => {
            let message = "This store has AssumeRole alone of the actions of STS.";
            return Err(Refusal::new(404, "InvalidAction.NotFound", message));
        }
        None => return Err(mandatory("Action")),
    }
    match named("x-acs-version", "Version").as_deref() {
        Some(VERSION) => {}
        Some(_) => return Err(Refusal::new(400, "InvalidVersion", "Specified parameter Version is not valid.")),
        None => return Err(mandatory("Version")),
    }
    Ok(Asked { params, format: *format, key })
}

/// RPC style answers in XML unless it is told otherwise; the newer SDKs take JSON.
fn format_of(params: &Query, head: &Head, acs3: bool) -> Format {
    let asked = params.get("Format").or_else(|| head.headers.get("Accept").filter(|_| acs3));
    match asked {
        Some(word) if word.to_ascii_lowercase().contains("xml") => Format::Xml,
        Some(word) if word.to_ascii_lowercase().contains("json") => Format::Json,
        _ if acs3 => Format::Json,
        _ => Format::Xml,
    }
}

fn mandatory(name: &str) -> Refusal {
    Refusal::new(400, format!("Missing{name}"), format!("{name} is mandatory for this action."))
}

fn wrong(name: &str) -> Refusal {
    Refusal::new(400, format!("InvalidParameter.{name}"), format!("The parameter {name} is wrongly formed."))
}

/// `acs:ram::ACCOUNT:role/NAME`.
struct RoleArn<'a> {
    whole: &'a str,
}

impl<'a> RoleArn<'a> {
    fn parse(text: &'a str) -> Option<RoleArn<'a>> {
        let (account, name) = text.strip_prefix("acs:ram::")?.split_once(":role/")?;
        let named = (1..=64).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte));
        let counted = !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_digit());
        (named && counted).then_some(RoleArn { whole: text })
    }
}

/// Makes a temporary key.
pub(crate) fn assume_role(call: &Call<'_, '_>) -> Result<Reply, Refusal> {
    let asked = call.sts.ok_or_else(|| Refusal::internal("find what was asked"))?;
    let param = |name: &str| asked.params.get(name).filter(|value| !value.is_empty());
    let role = param("RoleArn").ok_or_else(|| mandatory("RoleArn"))?;
    let role = RoleArn::parse(role).ok_or_else(|| wrong("RoleArn"))?;
    let session = param("RoleSessionName").ok_or_else(|| mandatory("RoleSessionName"))?;
    let proper = |byte: u8| byte.is_ascii_alphanumeric() || b".@-_".contains(&byte);
    if !(2..=64).contains(&session.len()) || !session.bytes().all(proper) {
        return Err(wrong("RoleSessionName"));
    }
    let seconds = match param("DurationSeconds") {
        None => Some(SECONDS_USUAL),
        Some(text) => text.parse().ok().filter(|seconds| SECONDS.contains(seconds)),
    };
    let seconds = seconds.ok_or_else(|| {
        let message = "The Min/Max value of DurationSeconds is 15min/12hr.";
        Refusal::new(400, "InvalidParameter.DurationSeconds", message)
    })?;
    let policy = param("Policy").map(Policy::parse).transpose().map_err(|why| {
        let message = format!("The parameter Policy has not passed grammar check: {why}.");
        Refusal::new(400, "InvalidParameter.PolicyGrammar", message)
    })?;
    let policy_of_key = asked.key.as_ref().and_then(|key| key.policy.as_ref());
    if policy_of_key.is_some_and(|policy| !policy.allows_role(role.whole)) {
        let message = "You are not authorized to do this action. You should be authorized by RAM.";
        return Err(Refusal::new(403, "NoPermission", message));
    }
    let now_ms = call.now_ms();
    let key = call.store.keys.add_session(policy, now_ms, now_ms.saturating_add(seconds * 1000))?;
    Ok(granted(&key, role.whole, session, call.request_id, asked.format))
}

fn granted(key: &Key, role: &str, session: &str, request_id: &str, format: Format) -> Reply {
    let (token, expires_ms) = key.session.as_ref().map_or(("", 0), |one| (one.token.as_str(), one.expires_ms));
    // To the second, and without a fraction.
    let expiration = clock::iso(expires_ms).replace(".000Z", "Z");
    // The same for the same role, as an id is.
    let role_id = Sums::of(role.as_bytes()).crc64;
    let user = [("Arn", format!("{role}/{session}")), ("AssumedRoleId", format!("{role_id}:{session}"))];
    let credentials = [
        ("AccessKeyId", key.id.clone()),
        ("AccessKeySecret", key.secret.clone()),
        ("Expiration", expiration),
        ("SecurityToken", token.to_owned()),
    ];
    let groups: [(&'static str, &[(&str, String)]); 2] = [("AssumedRoleUser", &user), ("Credentials", &credentials)];
    match format {
        Format::Json => {
            let mut answer = serde_json::Map::from_iter([("RequestId".to_owned(), json!(request_id))]);
            for (group, fields) in groups {
                let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
                answer.insert(group.to_owned(), serde_json::Value::Object(fields.collect()));
            }
            written(200, Format::Json, serde_json::Value::Object(answer).to_string().into_bytes())
        }
        Format::Xml => {
            let mut xml = Writer::new("AssumeRoleResponse");
            xml.leaf("RequestId", request_id);
            for (group, fields) in groups {
                xml.begin(group);
                fields.iter().for_each(|(name, value)| xml.leaf(name, value));
                xml.end();
            }
            written(200, Format::Xml, xml.finish())
        }
    }
}

/// A refusal as STS writes it.
pub(crate) fn refused(refusal: &Refusal, request_id: &str, host: &str, format: Format) -> Reply {
    let body = match format {
        Format::Json => json!({
            "RequestId": request_id,
            "HostId": host,
            "Code": refusal.code,
            "Message": refusal.message,
        })
        .to_string()
        .into_bytes(),
        Format::Xml => {
            let mut xml = Writer::new("Error");
            xml.leaf("RequestId", request_id);
            xml.leaf("HostId", host);
            xml.leaf("Code", &refusal.code);
            xml.leaf("Message", &refusal.message);
            xml.finish()
        }
    };
    let mut reply = written(refusal.status, format, body);
    for (name, value) in &refusal.headers {
        reply.headers.set(*name, value);
    }
    reply
}

fn written(status: u16, format: Format, body: Vec<u8>) -> Reply {
    let content_type = match format {
        Format::Json => "application/json;charset=utf-8",
        Format::Xml => "text/xml;charset=utf-8",
    };
    let mut reply = Reply::empty(status).header("Content-Type", content_type).header("Cache-Control", "no-store");
    reply.content = Content::Bytes(body);
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_of_roles_are_told_from_others() {
        for (text, is_one) in [
            ("acs:ram::1234567890123456:role/uploader", true),
            ("acs:ram::1:role/a-b.c_d", true),
            ("acs:ram::1234567890123456:role/", false),
            ("acs:ram::1234567890123456:user/uploader", false),
            ("acs:ram::account:role/uploader", false),
            ("acs:ram:cn:1:role/uploader", false),
            ("arn:aws:iam::1:role/uploader", false),
            ("acs:ram::1:role/ü", false),
        ] {
            assert_eq!(RoleArn::parse(text).is_some(), is_one, "{text}");
        }
    }
}

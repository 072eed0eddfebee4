//! What both vendors' searches have in common: providers are asked one after the other, the first that answers wins,
//! and one that is configured and fails ends the search. To go on would be to use other keys than were asked for.

use std::time::SystemTime;

use reqsign_core::{Context, ProvideCredential};

use super::world::Look;
use crate::credentials::{Keys, Secret};
use crate::error::{Disposition, Error, ErrorKind};

/// Keys, and when they end.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) keys: Keys,
    pub(super) expires: Option<SystemTime>,
}

impl Answer {
    pub(super) fn forever(id: &str, secret: &str, token: Option<&str>) -> Self {
        Self {
            keys: Keys { id: id.to_owned(), secret: Secret::new(secret), token: token.map(Secret::new) },
            expires: None,
        }
    }
}

impl From<reqsign_aws_v4::Credential> for Answer {
    fn from(c: reqsign_aws_v4::Credential) -> Self {
        let answer = Self::forever(&c.access_key_id, &c.secret_access_key, c.session_token.as_deref());
        Self { expires: c.expires_in.map(|end| end.as_system_time()), ..answer }
    }
}

impl From<reqsign_aliyun_oss::Credential> for Answer {
    fn from(c: reqsign_aliyun_oss::Credential) -> Self {
        let answer = Self::forever(&c.access_key_id, &c.access_key_secret, c.security_token.as_deref());
        Self { expires: c.expires_in.map(|end| end.as_system_time()), ..answer }
    }
}

/// Asks one that is configured: it has an answer, or the search has failed. `what` says what was tried.
pub(super) async fn ask<P>(look: &Look<'_>, context: &Context, provider: P, what: &str) -> Result<Answer, Error>
where
    P: ProvideCredential,
    P::Credential: Into<Answer>,
{
    match provider.provide_credential(context).await {
        Ok(Some(credential)) => checked(credential.into(), what),
        Ok(None) => Err(denied(format!("{what}: no keys came of it"))),
        Err(_) if look.found_nobody() => {
            Err(Error::new(ErrorKind::Network, Disposition::Temporary, format!("{what}: nobody answered")))
        }
        Err(error) => Err(refusal(what, &error)),
    }
}

/// Asks one that may be there: the metadata service of the machine, where no setting says that there is one.
pub(super) async fn try_ask<P>(
    look: &Look<'_>,
    context: &Context,
    provider: P,
    what: &str,
) -> Result<Option<Answer>, Error>
where
    P: ProvideCredential,
    P::Credential: Into<Answer>,
{
    match provider.provide_credential(context).await {
        Ok(Some(credential)) => checked(credential.into(), what).map(Some),
        Ok(None) => Ok(None),
        // No service answers, or one that knows no role of this machine: other things live at such addresses.
        Err(error) => {
            let nobody = look.found_nobody();
            tracing::debug!("no keys from {what}{}", if nobody { ": no service answers" } else { "" });
            tracing::trace!(what, nobody, code = code(&error), "no keys");
            Ok(None)
        }
    }
}

pub(super) fn denied(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Denied, Disposition::Permanent, text)
}

/// Keys that cannot be put into a header are none.
fn checked(answer: Answer, what: &str) -> Result<Answer, Error> {
    let Keys { id, secret, token } = &answer.keys;
    let token = token.as_ref().map_or("x", |token| token.expose());
    let visible = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    let usable = [id.as_str(), secret.expose(), token].into_iter().all(visible);
    match usable {
        true => Ok(answer),
        false => Err(denied(format!("{what}: what came is no key: it is empty or has blanks or line ends in it"))),
    }
}

/// The error of a provider, without the service's answer: that can hold what was sent.
fn refusal(what: &str, error: &reqsign_core::Error) -> Error {
    let disposition = if error.is_retryable() { Disposition::Temporary } else { Disposition::Permanent };
    let text = match code(error).as_str() {
        "" => format!("{what}: refused"),
        code => format!("{what}: refused ({code})"),
    };
    Error::new(ErrorKind::Denied, disposition, text)
}

/// The error code in what a token service answered: `"Code":"NoPermission"`, `<Code>AccessDenied</Code>`.
fn code(error: &reqsign_core::Error) -> String {
    let message = error.to_string();
    let mut texts = std::iter::once(message.as_str()).chain(error.context().iter().map(String::as_str));
    let marks = ["\"Code\":\"", "\"Code\": \"", "<Code>", "error_code: "];
    let after = texts.find_map(|text| marks.iter().find_map(|mark| Some(text.split_once(mark)?.1)));
    let code = after.unwrap_or_default().split(|c: char| !c.is_ascii_alphanumeric() && c != '.').next();
    code.filter(|code| code.len() <= 64).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_the_code_and_nothing_else_of_an_answer() {
        let answers = [
            ("failed: {\"RequestId\":\"x\",\"Code\":\"NoPermission\",\"Message\":\"hush\"}", "NoPermission"),
            ("<Error><Code>Bad.Token</Code><Message>hush</Message></Error>", "Bad.Token"),
            ("hush hush", ""),
        ];
        for (text, want) in answers {
            let error = refusal("the role r", &reqsign_core::Error::unexpected(text));
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(want) && !shown.contains("hush"), "{shown}");
        }
        let error = reqsign_core::Error::unexpected("hush").with_context("error_code: AccessDenied");
        assert_eq!(refusal("it", &error).to_string(), "it: refused (AccessDenied)");
    }

    #[test]
    fn what_cannot_be_sent_is_no_key() {
        for (id, secret, token) in [("", "s", None), ("i", "", None), ("i d", "s", None), ("i", "s", Some("t\nu"))] {
            assert!(checked(Answer::forever(id, secret, token), "it").is_err(), "{id} {secret} {token:?}");
        }
        assert!(checked(Answer::forever("i", "s/+=", Some("t")), "it").is_ok());
    }
}

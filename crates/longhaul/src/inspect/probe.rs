//! Can this source be resumed? Asked with up to three small requests, no body of which is read.
//!
//! 1. The whole, from its first byte on, as a download would ask: length, validators, digests, name.
//! 2. One byte, on condition that the object still is this one: ranges work, and the right condition does not fail.
//! 3. The same byte on a condition that cannot hold: a server that heeds conditions refuses (412).
//!
//! Replies are judged by the core as those of a download are.

use std::fmt;
use std::time::Duration;

use longhaul_core::download::step::{Fetch, Trouble};
use longhaul_core::identity::{Identity, Likeness, Validator};
use longhaul_core::link::{Link, Served};
use longhaul_core::names;
use longhaul_core::reply::{Framing, RangeRequest, ReplyFacts, ReplyVerdict, judge};
use longhaul_core::words::NetFault;

use super::joinable;
use crate::advice::Advice;
use crate::client::Client;
use crate::drive::download::failure::{denied, trouble_text};
use crate::error::{Disposition, Error, ErrorKind};
use crate::identity::ObjectIdentity;
use crate::source::Source;
use crate::store::{Given, NetFailure, Origin, Reply, StallWatch};

/// Longest wait for one reply head, redirects and connecting included.
const PATIENCE: Duration = Duration::from_secs(30);
/// An entity tag that no object has.
const NO_SUCH_ETAG: &str = "\"longhaul-probe-matches-nothing\"";

/// What a source can do.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Probe {
    /// What was asked about, without secrets.
    pub source: String,
    /// Where the first reply came from, without its query.
    pub final_url: String,
    /// The status of the first reply.
    pub status: u16,
    /// Which version of the object it showed; `length` in bytes, when told.
    pub object: ObjectIdentity,
    /// A range that was asked for came alone.
    pub honours_ranges: bool,
    /// The right condition (`If-Match`, `If-Unmodified-Since`) was let through and a wrong one refused; `None` when
    /// there is no strong validator to ask with, or the replies do not tell.
    pub honours_conditions: Option<bool>,
    /// How many seconds the server's clock is ahead of ours (negative: behind), to the second; `None` when it told no
    /// `Date`. A signed link may be refused when it is off by minutes.
    pub clock_skew_s: Option<i64>,
    /// The name that a download would get without one being given: one safe path component.
    pub suggested_name: String,
    /// An interrupted download goes on where it stopped.
    pub resumable: bool,
    /// Why, or why not, in words.
    pub why: String,
    /// What a user should know, a line each; none of it keeps a download from working.
    pub problems: Vec<String>,
}

/// A probe that was not sent yet.
#[must_use = "nothing is asked before run()"]
#[derive(Clone)]
pub struct ProbeBuilder {
    client: Client,
    source: Result<Source, Error>,
    version: Option<String>,
    headers: Vec<(String, String)>,
    basic_auth: Option<(String, String)>,
}

/// Without what may be secret.
impl fmt::Debug for ProbeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbeBuilder").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Client {
    /// Asks whether downloads of this URL, or of this object in a store (`oss://`, `s3://`), can be resumed. The first
    /// request is sent by `run`.
    pub fn probe<S>(&self, source: S) -> ProbeBuilder
    where
        S: TryInto<Source>,
        Error: From<S::Error>,
    {
        let source = source.try_into().map_err(Error::from);
        ProbeBuilder { client: self.clone(), source, version: None, headers: Vec::new(), basic_auth: None }
    }
}

impl ProbeBuilder {
    /// This version of an object in a store, in place of the latest.
    pub fn version_id(mut self, id: impl Into<String>) -> Self {
        self.version = Some(id.into());
        self
    }

    /// A header to send; never shown, and never sent to another origin after a redirect.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// User and password for the source's origin (RFC 7617).
    pub fn basic_auth(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.basic_auth = Some((user.into(), password.into()));
        self
    }

    /// Sends the requests, three at most, and no request twice. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a URL that cannot be used; [`ErrorKind::Network`], [`ErrorKind::NotFound`],
    /// [`ErrorKind::Denied`], [`ErrorKind::NeedsLink`] or [`ErrorKind::Refused`] when the first request brings no
    /// object. What goes wrong with the others is told in [`Probe::problems`].
    pub async fn run(self) -> Result<Probe, Error> {
        let source = self.source?.with_version(self.version.as_deref())?;
        let origin = self.client.origin(&source, &self.headers, self.basic_auth.as_ref(), None).await?;
        let link = source.link_facts(origin.given() != Given::Nothing);
        let asking = Asking { origin, link, source: source.to_string() };
        asking.probe().await
    }
}

struct Asking {
    origin: Origin,
    source: String,
    link: Option<Link>,
}

/// What was learned about ranges and conditions.
struct Manners {
    honours_ranges: bool,
    honours_conditions: Option<bool>,
    problems: Vec<String>,
}

impl Asking {
    async fn probe(&self) -> Result<Probe, Error> {
        let (reply, identity, whole_only) = self.first().await?;
        let Reply { facts, final_url, clock_skew_s, body, .. } = reply;
        drop(body); // closes the connection: what is still on its way is not waited for
        let mut manners = if whole_only {
            Manners { honours_ranges: false, honours_conditions: None, problems: Vec::new() }
        } else {
            self.manners(&identity, facts.status).await
        };
        let empty = identity.length == Some(0);
        let (provable, proof) = joinable(&identity);
        let (resumable, why) = match (empty, manners.honours_ranges, provable) {
            (true, ..) => (true, "the object is empty: there is nothing to resume".to_owned()),
            (_, true, true) => (true, format!("ranges work, and {proof}")),
            (_, true, false) => (false, format!("ranges work, but {proof}")),
            (_, false, true) => (
                false,
                "the server ignores ranges: after an interruption everything comes again (and is compared with what \
                 is held)"
                    .to_owned(),
            ),
            (_, false, false) => (false, format!("the server ignores ranges, and {proof}")),
        };
        let problems = &mut manners.problems;
        if identity.length.is_none() {
            problems.push(match facts.framing {
                Framing::Close => "the length is not told, and the end of the body is only a closed connection: \
                                   it cannot be proven that the file is whole"
                    .into(),
                _ => "the length is not told before the end".into(),
            });
        }
        if let Some(encoding) = &identity.encoding {
            problems.push(format!("the object comes encoded ({encoding}) and is saved as it comes"));
        }
        if facts.html && !self.origin.path().to_ascii_lowercase().contains(".htm") {
            problems.push("the reply is HTML: a login page or a captive portal, perhaps".into());
        }
        Ok(Probe {
            source: self.source.clone(),
            final_url,
            status: facts.status,
            object: (&identity).into(),
            honours_ranges: manners.honours_ranges,
            honours_conditions: manners.honours_conditions,
            clock_skew_s,
            suggested_name: names::name_from(facts.suggested_name.as_deref(), &self.origin.path()).to_string(),
            resumable,
            why,
            problems: manners.problems,
        })
    }

    /// The first reply, the identity it shows, and whether the object could only be asked for whole.
    async fn first(&self) -> Result<(Reply, Identity, bool), Error> {
        let mut ranged = true;
        loop {
            let fetch = Fetch {
                start: 0,
                end: None,
                last: None,
                ranged,
                condition: None,
                fresh_connection: false,
                only_if: None,
            };
            let (reply, verdict) = self.ask(fetch, None).await.map_err(|f| self.unreachable(f))?;
            match verdict {
                ReplyVerdict::Use { identity, .. } | ReplyVerdict::Empty { identity } => {
                    return Ok((reply, identity, !ranged));
                }
                ReplyVerdict::AskWhole if ranged => ranged = false,
                verdict => return Err(self.refused(verdict, &reply.facts)),
            }
        }
    }

    async fn manners(&self, identity: &Identity, first_status: u16) -> Manners {
        let mut manners =
            Manners { honours_ranges: first_status == 206, honours_conditions: None, problems: Vec::new() };
        let start = match identity.length {
            Some(0) => return manners,
            Some(1) => 0,
            _ => 1,
        };
        let byte = |condition| Fetch {
            start,
            end: Some(start + 1),
            last: None,
            ranged: true,
            condition,
            fresh_connection: false,
            only_if: None,
        };
        let right = identity.strong();
        let asked_with = right.as_ref().map(condition_name);
        let conditional = asked_with.is_some_and(|name| name.is_some());
        let let_through = match self.ask(byte(right.clone()), Some(identity)).await {
            Ok((_, ReplyVerdict::Use { whole, likeness, .. })) => {
                manners.honours_ranges = !whole;
                if right.is_some() && likeness != Likeness::Same {
                    manners.problems.push("a later reply lacks the validator that the first one had".into());
                }
                true
            }
            Ok((reply, _)) if reply.facts.status == 412 && conditional => {
                manners.problems.push("the server refuses (412) a condition that holds".into());
                false
            }
            Ok((reply, verdict)) => {
                manners.honours_ranges &= !matches!(verdict, ReplyVerdict::AskWhole);
                let status = reply.facts.status;
                manners.problems.push(match verdict {
                    ReplyVerdict::Changed => {
                        "two replies show different versions of the object: it changes just now, or \
                                         several servers answer for it and differ"
                            .to_owned()
                    }
                    ReplyVerdict::Suspect(why) => {
                        format!("a request for one byte: {}", trouble_text(&Trouble::Reply(why)))
                    }
                    _ => format!("a request for one byte was answered with status {status}"),
                });
                return manners;
            }
            Err(failure) => {
                manners.problems.push(format!("a request for one byte failed: {}", failure.detail));
                return manners;
            }
        };
        let Some(wrong) = right.as_ref().and_then(wrong) else { return manners };
        let refused = match self.ask(byte(Some(wrong)), Some(identity)).await {
            Ok((reply, _)) if reply.facts.status == 412 => true,
            Ok((reply, _)) if matches!(reply.facts.status, 200 | 206) => false,
            Ok(_) | Err(_) => return manners,
        };
        if !refused {
            let name = asked_with.flatten().unwrap_or("conditions");
            manners
                .problems
                .push(format!("the server ignores {name}; every reply's validator is compared all the same"));
        }
        manners.honours_conditions = Some(let_through && refused);
        manners
    }

    async fn ask(&self, fetch: Fetch, recorded: Option<&Identity>) -> Result<(Reply, ReplyVerdict), NetFailure> {
        let asked = RangeRequest {
            start: fetch.start,
            end: fetch.end,
            ranged: fetch.ranged,
            conditional: fetch.condition.is_some(),
        };
        let reply = StallWatch::new(0, PATIENCE).guard(self.origin.open(&fetch)).await;
        let stalled = |_| NetFailure {
            fault: NetFault::Stalled,
            detail: format!("no answer within {} seconds", PATIENCE.as_secs()),
        };
        let reply = reply.map_err(stalled)??;
        let verdict = judge(asked, recorded, &reply.facts);
        Ok((reply, verdict))
    }

    fn unreachable(&self, failure: NetFailure) -> Error {
        let (kind, disposition) = match failure.fault {
            NetFault::Redirect | NetFault::Proxy => (ErrorKind::Refused, Disposition::Permanent),
            NetFault::Tls => (ErrorKind::Network, Disposition::Permanent),
            _ => (ErrorKind::Network, Disposition::Temporary),
        };
        let why = trouble_text(&Trouble::Net(failure.fault));
        self.error(kind, disposition, &format!("{why} ({})", failure.detail))
    }

    fn refused(&self, verdict: ReplyVerdict, facts: &ReplyFacts) -> Error {
        let (status, retry_after_ms) = (facts.status, facts.retry_after_ms);
        use Disposition::{Permanent, Temporary};
        let error = match verdict {
            ReplyVerdict::NotFound(_) => {
                let text = format!("not found (status {status})");
                self.error(ErrorKind::NotFound, Permanent, &text).advise(Advice::CheckAddress)
            }
            ReplyVerdict::Denied(_) => {
                let now_s = i64::try_from(crate::now_unix_ms() / 1000).unwrap_or(i64::MAX);
                let end = self.link.and_then(|link| link.refused(status, now_s, Served::Never));
                let (kind, text, advice) = denied(status, end, self.origin.given());
                self.error(kind, Permanent, &text).advise(advice)
            }
            ReplyVerdict::Busy { .. } => {
                let text = format!("the server is busy (status {status})");
                self.error(ErrorKind::Network, Temporary, &text).advise(Advice::TryLater)
            }
            ReplyVerdict::Suspect(why) => {
                let why = trouble_text(&Trouble::Reply(why));
                self.error(ErrorKind::Refused, Permanent, &format!("the reply cannot be used: {why}"))
            }
            _ => self.error(ErrorKind::Refused, Permanent, &format!("the server refuses with status {status}")),
        };
        error.answered(status).wait(retry_after_ms)
    }

    fn error(&self, kind: ErrorKind, disposition: Disposition, why: &str) -> Error {
        Error::new(kind, disposition, format!("{}: {why}", self.source)).with("source", &self.source)
    }
}

/// The header that a validator is asked with; a version id is asked for by none.
fn condition_name(validator: &Validator) -> Option<&'static str> {
    match validator {
        Validator::Version(_) => None,
        Validator::Etag(_) => Some("If-Match"),
        Validator::Modified(_) => Some("If-Unmodified-Since"),
    }
}

/// A validator of the same kind that the object does not have.
fn wrong(validator: &Validator) -> Option<Validator> {
    match validator {
        Validator::Version(_) => None,
        Validator::Etag(_) => Some(Validator::Etag(NO_SUCH_ETAG.into())),
        Validator::Modified(at) => at.checked_sub(24 * 3600).filter(|&at| at >= 0).map(Validator::Modified),
    }
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;

//! A server with one object: its versions over time, its validators (honest or not), and its ways of answering.
//!
//! What the server *is* (which validators, whether it knows ranges, how bodies end) is drawn once per history. What
//! goes *wrong* (cuts, 503, a portal in between) is drawn per reply, and only in runs that are given trouble.

use longhaul_core::conditions::{Conditions, Unmet};
use longhaul_core::digest::{Digest, DigestKind};
use longhaul_core::download::step::Fetch;
use longhaul_core::identity::{Identity, Validator};
use longhaul_core::reply::{ContentRange, Framing, ReplyFacts};
use longhaul_core::words::NetFault;

use super::content::{CAP, Content, LEN_MAX, digest};
use crate::rng::Rng;

/// What the server shows of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    VersionId,
    Etag,
    EtagAndDate,
    OldDate,
    WeakEtagAndOldDate,
    WeakEtag,
    /// Changes within the second of the first reply: two versions with one date.
    YoungDate,
    MalformedEtag,
    Nothing,
}

impl Scheme {
    const ALL: [Scheme; 9] = [
        Self::VersionId,
        Self::Etag,
        Self::EtagAndDate,
        Self::OldDate,
        Self::WeakEtagAndOldDate,
        Self::WeakEtag,
        Self::YoungDate,
        Self::MalformedEtag,
        Self::Nothing,
    ];

    pub(crate) fn is_strong(self) -> bool {
        !matches!(self, Self::WeakEtag | Self::YoungDate | Self::MalformedEtag | Self::Nothing)
    }
}

/// Whether replies declare a digest of the whole object, and whether it is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declares {
    Nothing,
    Right,
    /// Only the replies to requests without a range declare it.
    RightOnWhole,
    Wrong,
}

#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) content: Content,
    pub(crate) identity: Identity,
    digest: Digest,
}

/// How likely each kind of trouble is in this run, in percent per reply.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NetTrouble {
    pub(crate) unreachable: u32,
    pub(crate) busy: u32,
    pub(crate) cut: u32,
    pub(crate) odd: u32,
    pub(crate) portal: u32,
    pub(crate) refused: u32,
    /// The stream ends in the driver, for a reason that only this one knows.
    pub(crate) dropped: u32,
    /// In a thousand, per tick.
    pub(crate) change: u32,
}

/// Which content a body carries.
pub(crate) type Source = usize;
/// The portal's page, among [`Source`]s.
pub(crate) const PORTAL: Source = usize::MAX;

/// A body: `start..end` of a content, ending in order or not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body {
    pub(crate) of: Source,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) broken: Option<NetFault>,
}

#[derive(Debug)]
pub(crate) enum Reply {
    Dead(NetFault),
    Head(Box<ReplyFacts>, Body),
}

/// How this server takes ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Ranges {
    #[default]
    Served,
    /// With this status, always.
    Refused(u16),
    /// A 206 that does not say which bytes it has.
    Unsaid,
    /// A 206 with another length than it says.
    Contradicted,
    /// A 206 of the right bytes, and none of them comes.
    Empty,
}

/// What this server does that no server should.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manners {
    pub(crate) ranges: Ranges,
    /// Requests with a condition are refused so.
    conditions: Option<u16>,
    /// So many are served at once; one more is refused so.
    most: Option<(usize, u16)>,
    /// Its validators may go away, or turn weak.
    pub(crate) hides: bool,
    /// A portal that takes the place of a first reply was led to.
    pub(crate) leads_away: bool,
    /// They have.
    pub(crate) hidden: bool,
    /// In their place the encoding changes: something on the way has begun to encode.
    pub(crate) encodes: bool,
}

impl Manners {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let mut manners = Self::default();
        match rng.below(20) {
            0 | 1 => {
                manners.ranges = rng.pick(&[
                    Ranges::Refused(400),
                    Ranges::Refused(403),
                    Ranges::Refused(416),
                    Ranges::Refused(500),
                    Ranges::Refused(501),
                    Ranges::Unsaid,
                    Ranges::Contradicted,
                    Ranges::Empty,
                ]);
            }
            2 => manners.conditions = Some(rng.pick(&[400, 403, 501])),
            3 | 4 => {
                let status = rng.pick(&[400, 401, 403, 404, 416, 429, 503]);
                manners.most = Some((rng.between(1, 2) as usize, status));
            }
            5 => (manners.hides, manners.encodes) = (true, rng.coin()),
            _ => {}
        }
        manners
    }
}

#[derive(Debug)]
pub(crate) struct Remote {
    pub(crate) manners: Manners,
    pub(crate) versions: Vec<Version>,
    pub(crate) portal: Content,
    pub(crate) current: usize,
    /// A balancer that answers from this version as often as from the current one.
    balanced: Option<usize>,
    /// A version may have been shown again after another one, in this history.
    pub(crate) alternated: bool,
    /// Two edges give the same bytes different ETags.
    pub(crate) edges: bool,
    pub(crate) scheme: Scheme,
    /// The same strong validator for different bytes.
    pub(crate) lies: bool,
    pub(crate) declares: Declares,
    digest_kind: DigestKind,
    pub(crate) ranges: bool,
    conditions: bool,
    pub(crate) total_known: bool,
    /// Pieces of the object are wanted: what is asked first need not be its begin.
    pub(crate) windowed: bool,
    framing: Framing,
    trims: usize,
    bare_416: bool,
    /// Versions that appeared in this history.
    pub(crate) changes: u32,
}

impl Remote {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let scheme = if rng.percent(40) { Scheme::Etag } else { rng.pick(&Scheme::ALL) };
        let len = if rng.one_in(24) { 0 } else { rng.between(1, LEN_MAX) as usize };
        let mut remote = Self {
            manners: Manners::default(),
            versions: Vec::with_capacity(4),
            portal: Content::new(6, rng.between(1, 40) as usize),
            current: 0,
            balanced: None,
            alternated: false,
            edges: matches!(scheme, Scheme::Etag | Scheme::EtagAndDate) && rng.one_in(12),
            scheme,
            lies: scheme.is_strong() && rng.one_in(12),
            declares: match rng.below(12) {
                0 | 1 => Declares::Right,
                2 => Declares::RightOnWhole,
                3 if rng.coin() => Declares::Wrong,
                _ => Declares::Nothing,
            },
            digest_kind: rng.pick(&[DigestKind::Crc64, DigestKind::Sha256, DigestKind::Md5]),
            ranges: !rng.one_in(8),
            conditions: !rng.one_in(4),
            total_known: !rng.one_in(10),
            framing: match rng.below(8) {
                0 => Framing::Close,
                1 => Framing::Marked,
                _ => Framing::Length(0),
            },
            trims: if rng.one_in(8) { rng.pick(&[4, 8, 16]) } else { 1 },
            bare_416: rng.one_in(4),
            windowed: false,
            changes: 0,
        };
        remote.add(Content::new(0, len));
        remote
    }

    fn add(&mut self, content: Content) {
        let n = self.versions.len();
        let told = if self.lies { 0 } else { n };
        let old = i64::from(self.scheme != Scheme::YoungDate);
        let modified = match self.scheme {
            Scheme::YoungDate => Some(1_000_000),
            Scheme::EtagAndDate | Scheme::OldDate | Scheme::WeakEtagAndOldDate => Some(1_000 * (told as i64 + 1)),
            _ => None,
        };
        const STRONG: [&str; 6] = ["\"v0\"", "\"v1\"", "\"v2\"", "\"v3\"", "\"v4\"", "\"v5\""];
        let etag = match self.scheme {
            Scheme::VersionId | Scheme::Etag | Scheme::EtagAndDate => Some(STRONG[told].to_owned()),
            Scheme::WeakEtagAndOldDate => Some(format!("W/{}", STRONG[told])),
            // A weak validator may stay the same.
            Scheme::WeakEtag => Some("W/\"same\"".to_owned()),
            Scheme::MalformedEtag => Some("v".to_owned()),
            Scheme::OldDate | Scheme::YoungDate | Scheme::Nothing => None,
        };
        let version = (self.scheme == Scheme::VersionId).then(|| STRONG[told].to_owned());
        let mut digested = content.slice();
        if self.declares == Declares::Wrong {
            digested = b"something else";
        }
        let digest = digest(self.digest_kind, digested);
        let identity = Identity { version, etag, modified, modified_is_old: old == 1, ..Identity::default() };
        self.versions.push(Version { content, identity, digest });
    }

    /// The object changes: to a new version, or back to an older one; now and then a balancer shows two at once.
    pub(crate) fn change(&mut self, rng: &mut Rng) {
        let before = self.current;
        if self.versions.len() < 5 && (self.versions.len() == 1 || rng.percent(60)) {
            let tag = self.versions.len() as u64;
            let content = self.versions[before].content.changed(tag, rng);
            self.add(content);
            self.current = self.versions.len() - 1;
        } else {
            self.current = rng.below(self.versions.len() as u64) as usize;
        }
        self.changes += u32::from(self.current != before);
        self.balanced = (rng.one_in(5) && self.current != before).then_some(before);
        self.alternated |= self.balanced.is_some() || self.changes > 1;
    }

    /// From now on there is one version, or the same two for ever.
    pub(crate) fn settle(&mut self, version: usize, two: bool) {
        self.current = version;
        self.balanced = self.balanced.filter(|_| two);
    }

    /// What a caller may wish of the object, now and then: about its first version, or a second.
    pub(crate) fn draw_wish(&self, rng: &mut Rng) -> Conditions {
        let shown = &self.versions[0].identity;
        if !rng.one_in(12) || self.edges {
            return Conditions::default();
        }
        let etag = shown.etag.clone().map(|etag| if rng.coin() { etag } else { "\"v1\"".to_owned() });
        let date = shown.modified.map(|date| date + rng.pick(&[-1, 0, 1_000]));
        match rng.below(4) {
            0 => Conditions { if_match: etag, ..Conditions::default() },
            1 => Conditions { if_none_match: etag, ..Conditions::default() },
            2 => Conditions { modified_since: date, ..Conditions::default() },
            _ => Conditions { unmodified_since: date, ..Conditions::default() },
        }
    }

    fn is_wanted(&self, version: usize, wish: &Conditions) -> bool {
        wish.judge(&self.versions[version].identity).is_none()
    }

    /// The versions that the caller wants.
    pub(crate) fn wanted(&self, wish: &Conditions) -> impl Iterator<Item = &Version> {
        self.versions.iter().enumerate().filter(|&(v, _)| self.is_wanted(v, wish)).map(|(_, version)| version)
    }

    /// Whether every version that is shown now is one that the caller wants.
    pub(crate) fn shows_wanted(&self, wish: &Conditions) -> bool {
        self.balanced.into_iter().chain([self.current]).all(|v| self.is_wanted(v, wish))
    }

    /// Whether a version that is shown now has no bytes.
    pub(crate) fn shows_nothing(&self) -> bool {
        self.shown().any(|version| version.content.len == 0)
    }

    /// Whether replies show different validators in turn.
    pub(crate) fn alternates(&self) -> bool {
        self.edges || self.balanced.is_some()
    }

    /// Whether four validators are shown in turn, two edges' of each of two versions: one more than a run follows.
    pub(crate) fn shows_four(&self) -> bool {
        self.edges && self.balanced.is_some()
    }

    pub(crate) fn content(&self, of: Source) -> &Content {
        if of == PORTAL { &self.portal } else { &self.versions[of].content }
    }

    /// A digest of these bytes, of the kind that the server uses.
    pub(crate) fn digest_of(&self, bytes: &[u8]) -> Digest {
        digest(self.digest_kind, bytes)
    }

    /// The versions that are shown now.
    pub(crate) fn shown(&self) -> impl Iterator<Item = &Version> {
        self.balanced.into_iter().chain([self.current]).map(|v| &self.versions[v])
    }

    /// Whether every reply declares a digest of the version that it carries.
    pub(crate) fn always_declares(&self) -> bool {
        self.declares == Declares::Right
    }

    /// Whether even a reply without a range tells how long the object is.
    pub(crate) fn always_tells_length(&self) -> bool {
        matches!(self.framing, Framing::Length(_))
    }

    fn matches(identity: &Identity, condition: &Validator) -> bool {
        match condition {
            Validator::Version(v) => identity.version.as_ref() == Some(v),
            Validator::Etag(e) => identity.etag.as_ref() == Some(e),
            Validator::Modified(m) => identity.modified == Some(*m),
        }
    }

    /// Answers a request. `known`: the core has an identity to hold a portal's page or an empty body against.
    /// `serving`: so many others are served now.
    pub(crate) fn answer(
        &self,
        fetch: &Fetch,
        trouble: &NetTrouble,
        known: bool,
        serving: usize,
        rng: &mut Rng,
    ) -> Reply {
        if let Some((most, status)) = self.manners.most
            && serving >= most
        {
            return bodyless(ReplyFacts { status, ..Default::default() });
        }
        if rng.percent(trouble.unreachable) {
            return Reply::Dead(rng.pick(&[NetFault::Connect, NetFault::Resolve, NetFault::Cut, NetFault::Stalled]));
        }
        if rng.percent(trouble.busy) {
            let retry_after_ms = rng.coin().then(|| rng.below(3_000));
            return bodyless(ReplyFacts {
                status: rng.pick(&[503, 429, 500, 408]),
                retry_after_ms,
                ..Default::default()
            });
        }
        if rng.percent(trouble.refused) {
            return bodyless(ReplyFacts { status: rng.pick(&[404, 403, 410, 401]), ..Default::default() });
        }
        let version = match self.balanced {
            Some(other) if rng.coin() => other,
            _ => self.current,
        };
        let odd = rng.percent(trouble.odd);
        let broken = rng.percent(trouble.cut).then(|| if rng.coin() { NetFault::Cut } else { NetFault::Stalled });
        let mut reply = self.honest(fetch, version, rng);
        if let Reply::Head(facts, body) = &mut reply {
            if (known || self.manners.leads_away) && rng.percent(trouble.portal) {
                self.show_portal(facts, body);
                if !known {
                    // Before an identity is known, only where it was led to can tell.
                    facts.led_to = Some(None);
                }
            } else if odd {
                self.make_odd(facts, body, known, rng);
            }
            if broken.is_some() && body.end > body.start {
                body.broken = broken;
                body.end = body.start + rng.below((body.end - body.start) as u64) as usize;
            }
        }
        reply
    }

    /// The answer of this server on a good day.
    fn honest(&self, fetch: &Fetch, version: usize, rng: &mut Rng) -> Reply {
        let Version { content, identity, digest } = &self.versions[version];
        let mut identity = identity.clone();
        if self.edges && rng.coin() {
            identity.etag = Some(format!("\"edge-{}\"", identity.etag.unwrap_or_default().replace('"', "")));
        }
        if self.declares != Declares::Nothing && (self.declares != Declares::RightOnWhole || !fetch.ranged) {
            identity.digests.push(digest.clone());
        }
        if self.manners.hidden && self.manners.encodes {
            identity.encoding = Some("gzip".to_owned());
        } else if self.manners.hidden {
            let etag = identity
                .etag
                .filter(|etag| version.is_multiple_of(2) && !etag.starts_with('W'))
                .map(|e| format!("W/{e}"));
            identity = Identity { etag, version: None, modified: None, modified_is_old: false, ..identity };
        }
        let facts = ReplyFacts { identity, ..Default::default() };
        if let Some(status) = self.manners.conditions.filter(|_| fetch.condition.is_some() || fetch.only_if.is_some()) {
            return bodyless(ReplyFacts { status, ..Default::default() });
        }
        if let Ranges::Refused(status) = self.manners.ranges
            && fetch.ranged
        {
            return bodyless(ReplyFacts { status, ..Default::default() });
        }
        let mut ranged = fetch.ranged && self.ranges;
        match fetch.only_if.as_ref().filter(|_| self.conditions).and_then(|wish| wish.judge(&facts.identity)) {
            Some(Unmet::Same) => return bodyless(ReplyFacts { status: 304, ..facts }),
            Some(Unmet::Other) if rng.coin() => return bodyless(ReplyFacts { status: 412, ..facts }),
            Some(Unmet::Other) => return bodyless(ReplyFacts { status: 412, ..Default::default() }),
            None => {}
        }
        if self.conditions
            && let Some(condition) = &fetch.condition
            && !Self::matches(&facts.identity, condition)
        {
            if matches!(condition, Validator::Etag(_) | Validator::Version(_)) || rng.coin() {
                return bodyless(ReplyFacts { status: 412, ..facts });
            }
            ranged = false; // as If-Range has it
        }
        let len = content.len;
        if !ranged {
            let framing = match self.framing {
                Framing::Length(_) => Framing::Length(len as u64),
                other => other,
            };
            let facts = ReplyFacts { status: 200, framing, ..facts };
            return Reply::Head(Box::new(facts), Body { of: version, start: 0, end: len, broken: None });
        }
        let asked = match fetch.last {
            Some(count) => len.saturating_sub(count.min(CAP as u64) as usize),
            None => fetch.start.min(CAP as u64) as usize,
        };
        if asked >= len {
            if len == 0 && rng.coin() {
                return bodyless(ReplyFacts { status: 200, framing: Framing::Length(0), ..facts });
            }
            let mut facts = facts;
            facts.identity.digests.clear();
            let content_range = match self.bare_416 && len > 0 {
                true => ContentRange::Absent,
                false => ContentRange::Unsatisfied { total: len as u64 },
            };
            return bodyless(ReplyFacts { status: 416, content_range, ..facts });
        }
        let start = asked - asked % self.trims;
        let end = fetch.end.map_or(len, |end| len.min(end as usize)).max(asked + 1);
        let mut facts = facts;
        if self.scheme == Scheme::YoungDate {
            // The first replies come within a minute of the change, later ones may not.
            facts.identity.modified_is_old = asked > 0 && !self.windowed && rng.one_in(4);
        }
        let facts = ReplyFacts {
            status: 206,
            content_range: ContentRange::Bytes {
                start: start as u64,
                end: end as u64,
                total: self.total_known.then_some(len as u64),
            },
            framing: match self.framing {
                Framing::Length(_) => Framing::Length((end - start) as u64),
                other => other,
            },
            ..facts
        };
        let (mut facts, mut end) = (facts, end);
        match self.manners.ranges {
            Ranges::Unsaid => facts.content_range = ContentRange::Absent,
            Ranges::Contradicted => facts.framing = Framing::Length((end - start) as u64 + 1),
            Ranges::Empty => (facts.framing, end) = (Framing::Marked, start),
            Ranges::Served | Ranges::Refused(_) => {}
        }
        Reply::Head(Box::new(facts), Body { of: version, start, end, broken: None })
    }

    /// What proxies, portals and bad days do to a reply.
    fn make_odd(&self, facts: &mut ReplyFacts, body: &mut Body, known: bool, rng: &mut Rng) {
        let partial = facts.status == 206;
        match rng.below(10) {
            0 if known => self.show_portal(facts, body),
            1 if known => {
                *body = Body { end: 0, start: 0, ..*body };
                *facts = ReplyFacts { status: 200, framing: Framing::Length(0), ..Default::default() };
            }
            2 if known => {
                let digests = std::mem::take(&mut facts.identity.digests);
                facts.identity = Identity { digests, ..Identity::default() };
            }
            3 | 4 if partial && body.end - body.start > 1 => {
                // A short answer.
                body.end = rng.between(body.start as u64 + 1, body.end as u64 - 1) as usize;
                self.tell_range(facts, body);
            }
            5 if partial && body.end - body.start > 1 => {
                // A late start.
                body.start += rng.between(1, (body.end - body.start) as u64 - 1) as usize;
                self.tell_range(facts, body);
            }
            6 if partial => {
                body.start = rng.below(body.start as u64 + 1) as usize;
                self.tell_range(facts, body);
            }
            7 if partial => {
                facts.content_range = rng.pick(&[ContentRange::Absent, ContentRange::Malformed]);
            }
            8 if partial => facts.framing = Framing::Length((body.end - body.start) as u64 + 1),
            9 => facts.status = rng.pick(&[202, 204, 300, 501, 412, 416]),
            _ => {}
        }
        if !matches!(facts.status, 200 | 206) {
            *body = Body { end: body.start, ..*body };
        }
    }

    /// A portal or login page takes the object's place.
    fn show_portal(&self, facts: &mut ReplyFacts, body: &mut Body) {
        *body = Body { of: PORTAL, start: 0, end: self.portal.len, broken: None };
        let framing = Framing::Length(self.portal.len as u64);
        *facts = ReplyFacts { status: 200, framing, html: true, ..Default::default() };
    }

    fn tell_range(&self, facts: &mut ReplyFacts, body: &Body) {
        let (start, end) = (body.start as u64, body.end as u64);
        let total = match facts.content_range {
            ContentRange::Bytes { total, .. } => total,
            _ => None,
        };
        facts.content_range = ContentRange::Bytes { start, end, total };
        if matches!(facts.framing, Framing::Length(_)) {
            facts.framing = Framing::Length(end - start);
        }
    }
}

pub(crate) fn bodyless(facts: ReplyFacts) -> Reply {
    Reply::Head(Box::new(facts), Body { of: 0, start: 0, end: 0, broken: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(start: u64, end: Option<u64>) -> Fetch {
        Fetch { start, end, last: None, ranged: true, condition: None, fresh_connection: false, only_if: None }
    }

    fn plain(seed: u64) -> Remote {
        let mut rng = Rng::new(seed);
        let mut remote = Remote::new(&mut rng);
        (remote.ranges, remote.trims, remote.total_known) = (true, 1, true);
        (remote.scheme, remote.lies, remote.conditions, remote.edges) = (Scheme::Etag, false, true, false);
        remote.framing = Framing::Length(0);
        remote.versions.clear();
        remote.add(Content::new(0, 40));
        remote
    }

    #[test]
    fn a_calm_server_answers_what_was_asked() {
        let mut rng = Rng::new(1);
        let Reply::Head(facts, body) = plain(3).answer(&ask(8, Some(24)), &NetTrouble::default(), true, 0, &mut rng)
        else {
            panic!("no head")
        };
        assert_eq!(facts.status, 206);
        assert_eq!(facts.content_range, ContentRange::Bytes { start: 8, end: 24, total: Some(40) });
        assert_eq!((body.start, body.end, body.broken), (8, 24, None));
    }

    #[test]
    fn a_changed_object_fails_the_condition() {
        let mut rng = Rng::new(1);
        let mut remote = plain(3);
        let condition = remote.versions[0].identity.strong();
        remote.change(&mut rng);
        remote.settle(1, false);
        let fetch = Fetch { condition, ..ask(8, None) };
        let Reply::Head(facts, _) = remote.answer(&fetch, &NetTrouble::default(), true, 0, &mut rng) else {
            panic!("no head")
        };
        assert_eq!(facts.status, 412);
    }

    #[test]
    fn broken_bodies_end_before_their_end() {
        let mut rng = Rng::new(5);
        let trouble = NetTrouble { cut: 100, ..NetTrouble::default() };
        for _ in 0..100 {
            let Reply::Head(_, body) = plain(3).answer(&ask(0, None), &trouble, true, 0, &mut rng) else {
                panic!("no head")
            };
            assert!(body.broken.is_some() && body.end < 40);
        }
    }
}

//! One history: a line, an object, and a run of the download from its first request to its end. The disk does at once
//! what it is told. The laws:
//!
//! * Never more connections than allowed, and a trial that does not pay costs little of theirs.
//! * Each byte comes once, but for what is asked for twice within the budget.
//! * What one connection brings soon comes in one request.
//! * While a connection is idle, no other one is left alone with what takes it long.
//! * Whatever number a server serves, the file comes, and each byte of it once.
//! * An event leads to few steps.

use longhaul_core::download::resume::{Found, FoundJournal, TargetState};
use longhaul_core::download::step::{Fetch, Finish, Grant, Heard, Note, Step, StreamEnd};
use longhaul_core::download::{Config, Download};
use longhaul_core::identity::Identity;
use longhaul_core::pace::ConnectionPlan;
use longhaul_core::reply::{ContentRange, Framing, ReplyFacts};
use longhaul_core::run::Machine;
use longhaul_core::words::{Durability, Extent, FileFacts, Ticket};

use super::network::{Kind, Network, TICK_MS};
use crate::rng::Rng;
use crate::world::Breach;

/// No run takes longer, in milliseconds.
const TIME_MAX_MS: u64 = 4_000_000;
/// Steps that an event may lead to: some for each connection.
const STEPS_AT_ONCE_MAX: u64 = 64;
/// A stream reports what it wrote after so many bytes, or so long.
const REPORT_BYTES: u64 = 64 << 10;
const REPORT_MS: u64 = 250;
const MIB: u64 = 1 << 20;

coverage! {
    histories, steps, requests, trials, shed, takeovers, refusals,
    lossy, filled, limited_each, one_slow, bursting, few_served, alone, several, fixed;
    steps_at_most, steps_at_once_at_most, connections_at_most;
}

fn needed() -> [Vec<&'static str>; 3] {
    [Vec::new(), Vec::new(), vec!["Done"]]
}

sabotages! {
    /// The core is told that a rest may lie long before it is divided.
    RestsLieLong,
    /// Heads are told as if they had taken no time.
    RoundTripsUntold,
    /// The heads of all but one request are told as if they had waited in a queue.
    HeadsToldLate,
    /// The core is told that more connections may be used than may.
    MostIgnored,
    /// A refusal of one more is told when the others were cut.
    RefusalCutsOthers,
    /// A stream that is told to end writes on.
    NarrowIgnored,
}

/// A request under way.
#[derive(Debug)]
struct Stream {
    ticket: Ticket,
    fetch: Fetch,
    connection: usize,
    head_at: u64,
    grant: Option<Grant>,
    /// The next byte, and one past the last one that may be written.
    at: u64,
    end: u64,
    told_to: u64,
    told_at: u64,
    /// Bytes that came in each of the last seconds, for the law of rests.
    rate: f64,
    flowing_since: u64,
    stopped: bool,
    headed: bool,
}

pub(crate) struct World {
    rng: Rng,
    network: Network,
    streams: Vec<Stream>,
    now: u64,
    length: u64,
    block_len: u64,
    plan: ConnectionPlan,
    sabotage: Option<Sabotage>,
    requests: u64,
    delivered: u64,
    /// Connection time beyond the first, in milliseconds, and how often the number rose.
    beyond_ms: u64,
    trials: u64,
    idle_ms: u64,
    /// So many requests were under way at once since the core stopped one.
    in_use: u64,
    finish: Option<Finish>,
    steps: u64,
    breach: Option<Breach>,
    coverage: Coverage,
    pub(crate) story: Option<String>,
}

impl crate::world::World for World {
    type Sabotage = Sabotage;
    const SABOTAGES: &'static [Sabotage] = Sabotage::ALL;
    type Coverage = Coverage;

    fn new() -> Self {
        Self {
            rng: Rng::new(0),
            network: Network::new(Kind::default(), Rng::new(0)),
            streams: Vec::new(),
            now: 0,
            length: 0,
            block_len: 256 << 10,
            plan: ConnectionPlan::Fixed(1),
            sabotage: None,
            requests: 0,
            delivered: 0,
            beyond_ms: 0,
            trials: 0,
            idle_ms: 0,
            in_use: 0,
            finish: None,
            steps: 0,
            breach: None,
            coverage: Coverage::default(),
            story: None,
        }
    }

    fn history(&mut self, seed: u64, sabotage: Option<Sabotage>) -> Option<Breach> {
        let mut rng = Rng::new(seed);
        let kind = Kind::draw(&mut rng);
        self.sabotage = sabotage;
        self.length = rng.pick(&[3, 10, 21, 60]) as u64 * MIB + rng.below(1000);
        let fixed = rng.pick(&[1, 2, 4, 16]) as u32;
        let plan = if rng.one_in(4) { ConnectionPlan::Fixed(fixed) } else { ConnectionPlan::Auto(16) };
        tell!(self, "seed {seed}: {} bytes, {plan:?}, {kind:?}", self.length);
        self.count(&kind, plan);
        let alone_ms = self.run(kind, ConnectionPlan::Fixed(1), &rng);
        if self.breach.is_none() {
            let took_ms = self.run(kind, plan, &rng);
            if matches!(plan, ConnectionPlan::Auto(_)) && self.breach.is_none() {
                self.judge_auto(&kind, took_ms, alone_ms);
            }
        }
        self.breach.take()
    }

    fn clear(&mut self) {
        let coverage = std::mem::take(&mut self.coverage);
        *self = Self { coverage, steps: self.steps, ..Self::new() };
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn story(&mut self) -> &mut Option<String> {
        &mut self.story
    }

    fn into_coverage(self) -> Coverage {
        self.coverage
    }
}

impl World {
    fn line(&mut self, line: &str) {
        if let Some(story) = &mut self.story {
            use std::fmt::Write as _;
            let _ = writeln!(story, "{:>7} ms  {line}", self.now);
        }
    }

    fn broken(&mut self, law: &'static str, what: String) {
        if self.breach.is_none() {
            tell!(self, "BROKEN: {law}: {what}");
            self.breach = Some(Breach { law, what });
        }
    }

    fn count(&mut self, kind: &Kind, plan: ConnectionPlan) {
        let c = &mut self.coverage;
        c.histories += 1;
        c.lossy += u64::from(kind.window_lossy.is_some());
        c.filled += u64::from(kind.is_filled_by_one());
        c.limited_each += u64::from(kind.rate_each.is_some());
        c.one_slow += u64::from(kind.slow_second);
        c.bursting += u64::from(kind.bursts);
        c.few_served += u64::from(kind.served.is_some());
        c.fixed += u64::from(matches!(plan, ConnectionPlan::Fixed(_)));
    }

    // ---- one run -----------------------------------------------------------------------------------------------

    /// Runs a download to its end; how long it took, in milliseconds.
    fn run(&mut self, kind: Kind, plan: ConnectionPlan, rng: &Rng) -> u64 {
        tell!(self, "---- a run with {plan:?}");
        self.rng = rng.clone();
        self.network = Network::new(kind, rng.clone());
        self.streams.clear();
        self.plan = plan;
        (self.now, self.steps, self.requests, self.delivered, self.finish) = (0, 0, 0, 0, None);
        (self.beyond_ms, self.trials, self.idle_ms, self.in_use) = (0, 0, 0, 0);
        let mut config =
            Config { connections: plan, durability: Durability::Process, small_max: 0, ..Config::default() };
        match self.sabotage {
            Some(Sabotage::RestsLieLong) => config.share_after_ms = 60_000,
            Some(Sabotage::MostIgnored) => {
                config.connections = match plan {
                    ConnectionPlan::Fixed(n) => ConnectionPlan::Fixed(n * 2),
                    ConnectionPlan::Auto(n) => ConnectionPlan::Auto(n * 2),
                }
            }
            _ => {}
        }
        let mut core = Download::new(config);
        self.drain(&mut core);
        while self.finish.is_none() && self.breach.is_none() {
            self.now += TICK_MS;
            if self.now > TIME_MAX_MS {
                self.broken("liveness: every run ends", format!("{} of {} bytes", self.delivered, self.length));
            }
            self.tick(&mut core);
            if core.wake_at().is_some_and(|at| at <= self.now) {
                core.wake(self.now);
                self.drain(&mut core);
            }
            self.watch(plan);
        }
        let ends = matches!(self.finish, Some(Finish::Done { .. }));
        if ends {
            self.coverage.ends.count("Done");
        }
        if self.breach.is_none() && !ends {
            self.broken("an undisturbed run brings the file", format!("{:?}", self.finish));
        }
        self.coverage.steps += self.steps;
        self.coverage.steps_at_most = self.coverage.steps_at_most.max(self.steps);
        tell!(self, "over after {} ms, {} requests", self.now, self.requests);
        self.now
    }

    fn drain(&mut self, core: &mut Download) {
        let before = self.steps;
        while let Some(ordered) = core.next_step() {
            self.steps += 1;
            let given = self.steps - before;
            self.coverage.steps_at_once_at_most = self.coverage.steps_at_once_at_most.max(given);
            if given > STEPS_AT_ONCE_MAX {
                return self.broken("an event leads to few steps", format!("{given} steps at once"));
            }
            let ticket = ordered.ticket;
            let answer = match ordered.step {
                Step::Fetch(fetch) => {
                    self.ask(ticket, fetch);
                    continue;
                }
                Step::Flow(grant) => {
                    self.flow(ticket, grant);
                    continue;
                }
                Step::Stop => {
                    if let Some(stream) = self.streams.iter_mut().find(|s| s.ticket == ticket) {
                        stream.stopped = true;
                    }
                    self.in_use = self.live();
                    continue;
                }
                Step::Narrow { end } => match self.narrow(ticket, end) {
                    Some(end) => Heard::Narrowed { end },
                    None => continue,
                },
                Step::Note(note) => {
                    tell!(self, "it says {note:?}");
                    self.coverage.refusals += u64::from(matches!(note, Note::Limited { .. }));
                    continue;
                }
                Step::Finish(finish) => {
                    self.finish = Some(finish);
                    return;
                }
                Step::Throttle(_) => continue,
                Step::Open { .. } => {
                    let (journal, target) = (FoundJournal::Absent, TargetState::Absent);
                    Heard::Opened(Box::new(Found { journal, main: None, next: None, target, free: None }))
                }
                Step::Check { .. } => Heard::Checked { bad: Vec::new() },
                Step::Digest { .. } => Heard::Digested(Vec::new()),
                Step::Seal { .. } | Step::Facts { .. } => {
                    Heard::Facts(FileFacts { len: self.length, inode: 1, ..FileFacts::default() })
                }
                _ => Heard::Done,
            };
            core.hear(self.now, ticket, answer);
        }
    }

    fn hear(&mut self, core: &mut Download, ticket: Ticket, heard: Heard) {
        core.hear(self.now, ticket, heard);
        self.drain(core);
    }

    // ---- requests ----------------------------------------------------------------------------------------------

    fn ask(&mut self, ticket: Ticket, fetch: Fetch) {
        self.requests += 1;
        self.coverage.requests += 1;
        let (connection, new) = self.network.connection(fetch.fresh_connection);
        let head_ms = self.network.head_ms(connection);
        let head_at = self.now + head_ms + if new { self.network.round_trip_ms() } else { 0 };
        tell!(self, "request {}: {}..{:?}, new: {new}", ticket.0, fetch.start, fetch.end);
        let at = fetch.start;
        self.streams.push(Stream {
            ticket,
            fetch,
            connection,
            head_at,
            grant: None,
            at,
            end: self.length,
            told_to: at,
            told_at: self.now,
            rate: 0.0,
            flowing_since: 0,
            stopped: false,
            headed: false,
        });
    }

    fn flow(&mut self, ticket: Ticket, grant: Grant) {
        let now = self.now;
        if let Some(stream) = self.streams.iter_mut().find(|s| s.ticket == ticket) {
            stream.end = grant.write_end.unwrap_or(self.length).min(stream.end);
            stream.at = grant.write_start;
            (stream.told_to, stream.told_at, stream.flowing_since) = (stream.at, now, now);
            self.block_len = grant.block_len;
            stream.grant = Some(grant);
        }
    }

    fn narrow(&mut self, ticket: Ticket, end: u64) -> Option<u64> {
        self.coverage.takeovers += 1;
        let ignored = self.sabotage == Some(Sabotage::NarrowIgnored);
        let stream = self.streams.iter_mut().find(|s| s.ticket == ticket && s.grant.is_some())?;
        let told = end.max(stream.at).min(stream.end);
        if !ignored {
            stream.end = told;
        }
        tell!(self, "stream {} ends at {told}", ticket.0);
        Some(told)
    }

    fn tick(&mut self, core: &mut Download) {
        let sending: Vec<usize> = self.streams.iter().filter(|s| s.grant.is_some()).map(|s| s.connection).collect();
        let came = self.network.tick(self.now, &sending);
        let tickets: Vec<Ticket> = self.streams.iter().map(|s| s.ticket).collect();
        for ticket in tickets {
            let Some(i) = self.streams.iter().position(|s| s.ticket == ticket) else { continue };
            let stream = &self.streams[i];
            if stream.stopped {
                self.end(core, i, StreamEnd::Stopped);
            } else if !stream.headed && stream.head_at <= self.now {
                self.head(core, i);
            } else if stream.grant.is_some() {
                let came = sending.iter().position(|&c| c == stream.connection).map_or(0, |n| came[n]);
                self.write(core, i, came);
            }
            if self.finish.is_some() || self.breach.is_some() {
                return;
            }
        }
    }

    fn head(&mut self, core: &mut Download, i: usize) {
        let serving = self.streams.iter().filter(|s| s.headed && !s.stopped).count();
        let stream = &mut self.streams[i];
        stream.headed = true;
        let (ticket, start, connection) = (stream.ticket, stream.fetch.start, stream.connection);
        let end = stream.fetch.end.unwrap_or(self.length).min(self.length);
        stream.end = end;
        let untold = self.sabotage == Some(Sabotage::RoundTripsUntold);
        let late = self.sabotage == Some(Sabotage::HeadsToldLate) && self.streams.len() > 1;
        let round_trip_ms = match self.network.head_ms(connection) {
            _ if untold => Some(0),
            head_ms if late => Some(head_ms * 3 / 2 + 50),
            head_ms => Some(head_ms),
        };
        let mut facts = ReplyFacts { status: 206, round_trip_ms, ..ReplyFacts::default() };
        if self.network.kind.served.is_some_and(|most| serving >= most) {
            if self.sabotage == Some(Sabotage::RefusalCutsOthers) {
                while let Some(other) = self.streams.iter().position(|s| s.headed && s.ticket != ticket && !s.stopped) {
                    self.streams[other].at = self.streams[other].told_to; // what was not told is lost
                    self.end(core, other, StreamEnd::Failed(longhaul_core::words::NetFault::Cut));
                }
            }
            facts.status = 503;
            facts.framing = Framing::Length(0);
        } else {
            facts.identity = Identity { etag: Some("\"1\"".to_owned()), ..Identity::default() };
            facts.content_range = ContentRange::Bytes { start, end, total: Some(self.length) };
            facts.framing = Framing::Length(end - start);
        }
        tell!(self, "head of {}: {} after {round_trip_ms:?} ms", ticket.0, facts.status);
        self.hear(core, ticket, Heard::Head(Box::new(facts)));
    }

    /// Bytes came for a stream.
    fn write(&mut self, core: &mut Download, i: usize, came: u64) {
        let stream = &mut self.streams[i];
        stream.rate = stream.rate * 0.99 + came as f64 / TICK_MS as f64 * 0.01;
        let to = stream.end.min(stream.at + came);
        self.delivered += to - stream.at;
        stream.at = to;
        let (ticket, now) = (stream.ticket, self.now);
        loop {
            let Some(stream) = self.streams.iter_mut().find(|s| s.ticket == ticket && !s.stopped) else { return };
            let block = self.block_len;
            let block_start = stream.told_to / block * block;
            let end = stream.at.min(block_start + block);
            let due = end == block_start + block
                || end - stream.told_to >= REPORT_BYTES
                || now - stream.told_at >= REPORT_MS
                || stream.at >= stream.end;
            if end == stream.told_to || !due {
                break;
            }
            let start = block_start.max(stream.grant.as_ref().map_or(0, |g| g.write_start));
            (stream.told_to, stream.told_at) = (end, now);
            self.hear(core, ticket, Heard::Wrote(Extent { start, len: end - start, crc: 0 }));
            if self.finish.is_some() {
                return;
            }
        }
        let Some(i) = self.streams.iter().position(|s| s.ticket == ticket) else { return };
        let stream = &self.streams[i];
        if stream.at >= stream.end && !stream.stopped {
            let whole = stream.end == stream.fetch.end.unwrap_or(self.length).min(self.length);
            self.end(core, i, if whole { StreamEnd::Complete } else { StreamEnd::Reached });
        }
    }

    fn end(&mut self, core: &mut Download, i: usize, end: StreamEnd) {
        let stream = self.streams.remove(i);
        tell!(self, "stream {} ended at {}: {end:?}", stream.ticket.0, stream.at);
        if end == StreamEnd::Complete {
            self.network.connections[stream.connection].idle_since = Some(self.now);
        }
        self.hear(core, stream.ticket, Heard::Ended { end, at: stream.at });
    }

    // ---- the laws ----------------------------------------------------------------------------------------------

    /// After each tick.
    fn watch(&mut self, plan: ConnectionPlan) {
        let live = self.live();
        self.in_use = self.in_use.max(live);
        self.coverage.connections_at_most = self.coverage.connections_at_most.max(live);
        if live > u64::from(plan.most()) {
            self.broken("no more connections than allowed", format!("{live}"));
        }
        self.beyond_ms += TICK_MS * live.saturating_sub(1);
        // What comes beyond the object was asked for twice, or came behind a drawn-in end.
        let twice = self.delivered.saturating_sub(self.length);
        if twice > (self.length / 50).max(16 * MIB) {
            self.broken("little comes twice", format!("{twice} bytes"));
        }
        // What a run that finds the number out uses, it uses to the end, unless it sheds.
        let most = match plan {
            ConnectionPlan::Fixed(most) => u64::from(most),
            ConnectionPlan::Auto(_) => self.in_use,
        };
        self.watch_rests(live, most);
    }

    fn live(&self) -> u64 {
        self.streams.iter().filter(|s| !s.stopped).count() as u64
    }

    /// A connection is idle, and a stream has a rest of two blocks or more for which it will need long.
    fn watch_rests(&mut self, live: u64, most: u64) {
        let round_trip = self.network.kind.round_trip_ms;
        let patience_ms = 2 * (500 + 6 * round_trip) + 500;
        let needs_long = |s: &Stream| {
            let settled = s.grant.is_some() && self.now - s.flowing_since > 2_000 + 4 * round_trip;
            settled
                && s.end.saturating_sub(s.at) as f64 > (s.rate * patience_ms as f64).max(3.0 * self.block_len as f64)
        };
        let served = self.network.kind.served.is_none();
        let lonely = served && live < most && self.streams.iter().any(needs_long);
        self.idle_ms = if lonely { self.idle_ms + TICK_MS } else { 0 };
        if self.idle_ms > 1_000 + 6 * round_trip {
            self.broken("no stream is left alone with a long rest", format!("{} connections of {most}", live));
        }
    }

    /// At the end of a run that decided the number itself.
    fn judge_auto(&mut self, kind: &Kind, took_ms: u64, alone_ms: u64) {
        let round_trip = kind.round_trip_ms;
        let c = &mut self.coverage;
        c.alone += u64::from(self.requests == 1);
        c.several += u64::from(self.requests > 4);
        c.trials += u64::from(self.requests > 1);
        c.shed += u64::from(kind.is_filled_by_one() && self.requests > 2);
        let (requests, beyond) = (self.requests, self.beyond_ms);
        if alone_ms < 1_000 + 10 * round_trip && requests > 1 && !kind.bursts {
            self.broken("what comes soon comes in one request", format!("{requests}, and one takes {alone_ms} ms"));
        }
        if kind.is_filled_by_one() && took_ms > alone_ms * 5 / 4 + 4 * round_trip {
            self.broken("a line that one fills gets one", format!("{took_ms} ms, and one takes {alone_ms} ms"));
        }
        if kind.is_filled_by_one() && beyond > 4 * (1_000 + 12 * round_trip) * requests {
            self.broken("a trial costs little", format!("{beyond} ms of connections"));
        }
        if kind.served.is_some() && took_ms > alone_ms * 5 / 4 + 4 * round_trip {
            self.broken("a refusal costs little", format!("{took_ms} ms, and one takes {alone_ms} ms"));
        }
        let room = kind.rate * alone_ms as f64 > 4.0 * self.length as f64;
        let lossy = kind.window_lossy.is_some() || kind.rate_each.is_some();
        if lossy && room && alone_ms > 20_000 && took_ms > alone_ms * 2 / 3 {
            self.broken(
                "many connections where each brings little",
                format!("{took_ms} ms, and one takes {alone_ms} ms"),
            );
        }
    }
}

//! What does each method do, and which token does it need?

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use longhaul::manager::{Change, Entry, EntryId, Gid, Manager, Place, Which};
use longhaul::{Cancel, Error};
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::params::Params;
use super::status::{Shown, Stage};
use super::wire::{Call, Fault};
use super::{add, session, settings};
use crate::app::App;
use crate::guard::{Caller, Checked, Via};
use crate::tokens::Scopes;

/// What all calls share.
#[derive(Debug)]
pub(crate) struct Rpc {
    pub(super) app: Arc<App>,
    /// 40 hexadecimal digits, new with each start.
    session: String,
    /// Where `saveSession` writes to, if a caller said so.
    pub(super) save_session: Mutex<Option<PathBuf>>,
    pub(super) notifications: broadcast::Sender<Arc<str>>,
}

/// Who asks, in one request: each token is looked at once, and after a wrong one no other.
#[derive(Debug)]
pub(crate) struct Asker {
    via: Via,
    /// What the request itself was good for: all by the Unix socket, or by its `Authorization`.
    scopes: Scopes,
    known: Vec<(String, Scopes)>,
    has_erred: bool,
    /// How many calls this request has made so far.
    calls: usize,
}

/// So many calls of one request are carried out.
const CALLS_MAX: usize = 1000;

impl Asker {
    pub(crate) fn new(caller: Caller) -> Self {
        Self { via: caller.via, scopes: caller.scopes, known: Vec::new(), has_erred: false, calls: 0 }
    }

    /// Whether the caller is the user whose daemon this is.
    pub(super) fn is_local_user(&self) -> bool {
        self.via == Via::Socket
    }

    /// A new request on the same connection: its tokens are looked at again.
    pub(crate) fn forgive(&mut self) {
        self.known.clear();
        self.has_erred = false;
        self.calls = 0;
    }

    /// What this token is good for. A wrong one is answered late, once a request.
    pub(crate) async fn check(&mut self, rpc: &Rpc, token: Option<&str>) -> Scopes {
        let Some(token) = token.filter(|_| self.scopes != Scopes::ALL) else { return self.scopes };
        if let Some((_, scopes)) = self.known.iter().find(|(known, _)| known == token) {
            return *scopes;
        }
        if self.has_erred {
            return Scopes::default();
        }
        match rpc.app.guard.check(token).await {
            Checked::Good(scopes) => {
                self.known.push((token.to_owned(), scopes));
                scopes
            }
            Checked::Wrong | Checked::TooMany => {
                self.has_erred = true;
                Scopes::default()
            }
        }
    }
}

/// What a method needs a token for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Nothing,
    Read,
    Add,
    Control,
}

impl Need {
    fn is_met_by(self, scopes: Scopes) -> bool {
        match self {
            Self::Nothing => true,
            Self::Read => scopes.read,
            Self::Add => scopes.add,
            Self::Control => scopes.control,
        }
    }
}

/// All methods, in the order in which aria2 lists them.
const METHODS: [(&str, Need); 36] = [
    ("aria2.addUri", Need::Add),
    ("aria2.addTorrent", Need::Add),
    ("aria2.getPeers", Need::Read),
    ("aria2.addMetalink", Need::Add),
    ("aria2.remove", Need::Control),
    ("aria2.pause", Need::Control),
    ("aria2.forcePause", Need::Control),
    ("aria2.pauseAll", Need::Control),
    ("aria2.forcePauseAll", Need::Control),
    ("aria2.unpause", Need::Control),
    ("aria2.unpauseAll", Need::Control),
    ("aria2.forceRemove", Need::Control),
    ("aria2.changePosition", Need::Control),
    ("aria2.tellStatus", Need::Read),
    ("aria2.getUris", Need::Read),
    ("aria2.getFiles", Need::Read),
    ("aria2.getServers", Need::Read),
    ("aria2.tellActive", Need::Read),
    ("aria2.tellWaiting", Need::Read),
    ("aria2.tellStopped", Need::Read),
    ("aria2.getOption", Need::Read),
    ("aria2.changeUri", Need::Control),
    ("aria2.changeOption", Need::Control),
    ("aria2.getGlobalOption", Need::Read),
    ("aria2.changeGlobalOption", Need::Control),
    ("aria2.purgeDownloadResult", Need::Control),
    ("aria2.removeDownloadResult", Need::Control),
    ("aria2.getVersion", Need::Read),
    ("aria2.getSessionInfo", Need::Read),
    ("aria2.shutdown", Need::Control),
    ("aria2.forceShutdown", Need::Control),
    ("aria2.getGlobalStat", Need::Read),
    ("aria2.saveSession", Need::Control),
    ("system.multicall", Need::Nothing),
    ("system.listMethods", Need::Nothing),
    ("system.listNotifications", Need::Nothing),
];

const NOTIFICATIONS: [&str; 5] = [
    "aria2.onDownloadStart",
    "aria2.onDownloadPause",
    "aria2.onDownloadStop",
    "aria2.onDownloadComplete",
    "aria2.onDownloadError",
];

/// The version of aria2 that this is like: front-ends look at it, and refuse old ones.
const LIKE: &str = "1.37.0";
const FEATURES: [&str; 4] = ["Async DNS", "GZip", "HTTPS", "Message Digest"];

/// aria2 says an entry is paused or removed as soon as it was told so. A run that is asked to stop is waited for so
/// long; then the answer is given all the same, and the entry is active a while longer.
const STOPPING_WAIT: Duration = Duration::from_secs(3);

impl Rpc {
    pub(crate) fn new(app: Arc<App>, notifications: broadcast::Sender<Arc<str>>) -> Self {
        let mut bytes = [0; 20];
        // Only a name for this start: without random bytes it is the same one each time.
        let _ = getrandom::fill(&mut bytes);
        let session = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { app, session, save_session: Mutex::default(), notifications }
    }

    pub(super) fn manager(&self) -> &Manager {
        &self.app.manager
    }

    /// Carries out a call of a request.
    pub(crate) async fn call(&self, asker: &mut Asker, call: Call) -> Result<Value, Fault> {
        if call.method == "system.multicall" {
            let mut params = Params::new(call.params);
            let _ = params.take_token();
            return self.multicall(asker, params.list(0)?.to_vec()).await;
        }
        self.call_one(asker, &call.method, call.params).await
    }

    async fn multicall(&self, asker: &mut Asker, calls: Vec<Value>) -> Result<Value, Fault> {
        let mut answers = Vec::with_capacity(calls.len());
        for mut call in calls {
            let params = call.get_mut("params").map(Value::take);
            let answer = match (&call, call.get("methodName").and_then(Value::as_str)) {
                (Value::Object(_), Some("system.multicall")) => {
                    Err(Fault::new("Recursive system.multicall forbidden."))
                }
                (Value::Object(_), Some(method)) => {
                    let params = params.and_then(|params| params.as_array().cloned()).unwrap_or_default();
                    self.call_one(asker, method, params).await
                }
                (Value::Object(_), None) => Err(Fault::new("Missing methodName.")),
                _ => Err(Fault::new("system.multicall expected struct.")),
            };
            answers.push(answer.map_or_else(|fault| fault.value(), |result| json!([result])));
        }
        Ok(Value::Array(answers))
    }

    async fn call_one(&self, asker: &mut Asker, method: &str, params: Vec<Value>) -> Result<Value, Fault> {
        asker.calls += 1;
        if asker.calls > CALLS_MAX {
            return Err(Fault::new(format!("there are more than {CALLS_MAX} calls in one request")));
        }
        let mut params = Params::new(params);
        let token = params.take_token();
        let need = METHODS.iter().find(|(name, _)| *name == method).map(|(_, need)| *need);
        if need == Some(Need::Nothing) {
            return Ok(listed(method));
        }
        let scopes = asker.check(self, token.as_deref()).await;
        // As aria2: who has no token is not told which methods there are.
        if scopes == Scopes::default() || need.is_some_and(|need| !need.is_met_by(scopes)) {
            return Err(Fault::unauthorized());
        }
        if need.is_none() {
            return Err(Fault::new(format!("No such method: {method}")));
        }
        self.carry_out(asker, scopes, method, &params).await
    }

    async fn carry_out(&self, asker: &Asker, scopes: Scopes, method: &str, params: &Params) -> Result<Value, Fault> {
        match method.strip_prefix("aria2.").unwrap_or(method) {
            "addUri" => add::uris(self, asker, params).await,
            "addMetalink" => add::metalink(params),
            "addTorrent" => params.text(0).and_then(|_| Err(Fault::new("BitTorrent is not supported"))),
            "remove" | "forceRemove" => self.remove(params).await,
            "pause" | "forcePause" => self.pause(params).await,
            "unpause" => self.unpause(params).await,
            "pauseAll" | "forcePauseAll" => done(self.manager().hold_all().await),
            "unpauseAll" => done(self.manager().release_all().await),
            "changePosition" => self.change_position(params).await,
            "changeUri" => add::change_uri(self, params).await,
            "changeOption" => add::change_option(self, params).await,
            "changeGlobalOption" => settings::change(self, asker, params).await,
            "purgeDownloadResult" => done(self.manager().forget_all_over().await),
            "removeDownloadResult" => self.remove_result(params).await,
            "saveSession" => session::save(self).await,
            "shutdown" | "forceShutdown" => self.shut_down(asker),
            other => self.tell(scopes, other, params),
        }
    }

    /// The methods that change nothing.
    fn tell(&self, scopes: Scopes, method: &str, params: &Params) -> Result<Value, Fault> {
        match method {
            "tellStatus" => {
                let entry = self.entry(params)?;
                Ok(self.shown(scopes, &entry, |shown| Ok(shown.value(&params.texts_if_given(1)?)))?)
            }
            "tellActive" => {
                let keys = params.texts_if_given(0)?;
                self.rows(scopes, self.manager().entries(&Which::Active, 0, usize::MAX), &keys)
            }
            "tellWaiting" => self.page(scopes, Which::Waiting, params),
            "tellStopped" => self.page(scopes, Which::Stopped, params),
            "getUris" => {
                let entry = self.entry(params)?;
                if Stage::of(&entry.state).is_stopped() {
                    return Err(Fault::new(format!("No URI data is available for GID#{}", entry.gid)));
                }
                self.shown(scopes, &entry, |shown| Ok(shown.uris()))
            }
            "getFiles" => self.shown(scopes, &*self.entry(params)?, |shown| Ok(shown.files())),
            "getServers" => self.servers(scopes, params),
            "getPeers" => self.peers(params),
            "getOption" => settings::of_entry(&*self.entry(params)?),
            "getGlobalOption" => settings::of_all(self),
            "getGlobalStat" => Ok(self.stat()),
            "getVersion" => {
                let ours = env!("CARGO_PKG_VERSION");
                Ok(json!({ "enabledFeatures": FEATURES, "longhaul": ours, "version": LIKE }))
            }
            "getSessionInfo" => Ok(json!({ "sessionId": self.session })),
            _ => Err(Fault::new(format!("No such method: aria2.{method}"))),
        }
    }

    /// The entry that the first parameter names: by its gid, or by the beginning of it where no other begins so.
    pub(super) fn entry(&self, params: &Params) -> Result<Arc<Entry>, Fault> {
        let text = params.text(0)?;
        let is_gid = (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_gid {
            return Err(Fault::new(format!("Invalid GID {text}")));
        }
        let absent = || Fault::new(format!("GID {text} is not found"));
        let manager = self.manager();
        if text.len() == 16 {
            let gid = u64::from_str_radix(text, 16).map_err(|_| absent())?;
            return manager.by_gid(Gid(gid)).and_then(|id| manager.entry(id)).ok_or_else(absent);
        }
        let beginning = text.to_ascii_lowercase();
        let all = manager.entries(&Which::All, 0, usize::MAX);
        let mut found = all.into_iter().filter(|entry| entry.gid.to_string().starts_with(&beginning));
        match (found.next(), found.next()) {
            (Some(entry), None) => Ok(entry),
            (Some(_), Some(_)) => Err(Fault::new(format!("GID {text} is not unique"))),
            (None, _) => Err(absent()),
        }
    }

    /// Shows an entry. Whole links are for those who could change them.
    fn shown<T>(&self, scopes: Scopes, entry: &Entry, show: impl FnOnce(Shown<'_>) -> T) -> T {
        let links = || if scopes.control { self.manager().links(entry.id) } else { entry.sources.clone() };
        let held = || self.manager().transfer(entry.id).map(|transfer| transfer.map().held);
        show(Shown { entry, links: &links, held: &held })
    }

    fn rows(&self, scopes: Scopes, entries: Vec<Arc<Entry>>, keys: &[&str]) -> Result<Value, Fault> {
        let rows = entries.iter().map(|entry| self.shown(scopes, entry, |shown| shown.value(keys)));
        Ok(Value::Array(rows.collect()))
    }

    /// So many of a list from a place on; a negative one counts from the end, and backwards.
    fn page(&self, scopes: Scopes, which: Which, params: &Params) -> Result<Value, Fault> {
        let (offset, most) = (params.integer(0)?, params.integer_from(1, 0)?);
        let keys = params.texts_if_given(2)?;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if let Ok(from) = usize::try_from(offset) {
            return self.rows(scopes, self.manager().entries(&which, from, most), &keys);
        }
        let all = self.manager().entries(&which, 0, usize::MAX);
        let behind = usize::try_from(offset.unsigned_abs() - 1).unwrap_or(usize::MAX);
        let Some(end) = all.len().checked_sub(behind) else { return Ok(json!([])) };
        let page = all[end.saturating_sub(most)..end].iter().rev().cloned().collect();
        self.rows(scopes, page, &keys)
    }

    fn servers(&self, scopes: Scopes, params: &Params) -> Result<Value, Fault> {
        let entry = self.entry(params)?;
        if Stage::of(&entry.state) != Stage::Active {
            return Err(Fault::new(format!("No active download for GID#{}", entry.gid)));
        }
        let links = self.shown(scopes, &entry, |shown| (shown.links)());
        let servers: Vec<Value> = links
            .first()
            .map(|uri| json!({ "currentUri": uri, "downloadSpeed": entry.progress.rate.to_string(), "uri": uri }))
            .into_iter()
            .collect();
        Ok(json!([{ "index": "1", "servers": servers }]))
    }

    fn peers(&self, params: &Params) -> Result<Value, Fault> {
        let entry = self.entry(params)?;
        match Stage::of(&entry.state) {
            Stage::Active => Ok(json!([])),
            _ => Err(Fault::new(format!("No peer data is available for GID#{}", entry.gid))),
        }
    }

    fn stat(&self) -> Value {
        let counts = self.manager().counts();
        let stopped = counts.needs + counts.failed + counts.done + counts.cancelled;
        json!({
            "downloadSpeed": counts.rate_down.to_string(),
            "numActive": (counts.running + counts.stopping).to_string(),
            "numStopped": stopped.to_string(),
            "numStoppedTotal": stopped.to_string(),
            "numWaiting": (counts.queued + counts.held + counts.later).to_string(),
            "uploadSpeed": counts.rate_up.to_string(),
        })
    }

    async fn pause(&self, params: &Params) -> Result<Value, Fault> {
        let entry = self.entry(params)?;
        let refused = || Fault::new(format!("GID#{} cannot be paused now", entry.gid));
        if !matches!(Stage::of(&entry.state), Stage::Active | Stage::Waiting) {
            return Err(refused());
        }
        match self.manager().hold(entry.id).await {
            Ok(Change::Made) => {}
            Ok(_) => return Err(refused()),
            Err(error) => return Err(fault(&error)),
        }
        self.stopped(entry.id).await;
        Ok(gid_of(&entry))
    }

    async fn unpause(&self, params: &Params) -> Result<Value, Fault> {
        let entry = self.entry(params)?;
        let refused = || Fault::new(format!("GID#{} cannot be unpaused now", entry.gid));
        if Stage::of(&entry.state) != Stage::Paused {
            return Err(refused());
        }
        match self.manager().release(entry.id).await {
            Ok(Change::Made) => Ok(gid_of(&entry)),
            Ok(_) => Err(refused()),
            Err(error) => Err(fault(&error)),
        }
    }

    async fn remove(&self, params: &Params) -> Result<Value, Fault> {
        let entry = self.entry(params)?;
        if Stage::of(&entry.state).is_stopped() {
            return Err(Fault::new(format!("Active Download not found for GID#{}", entry.gid)));
        }
        self.manager().cancel(entry.id, Cancel::Keep).await.map_err(|error| fault(&error))?;
        self.stopped(entry.id).await;
        Ok(gid_of(&entry))
    }

    /// Forgets an entry that is over. One that waits for a person is over to aria2's clients: it is given up first.
    async fn remove_result(&self, params: &Params) -> Result<Value, Fault> {
        let entry = self.entry(params)?;
        if !Stage::of(&entry.state).is_stopped() {
            return Err(Fault::new(format!("Could not remove download result of GID#{}", entry.gid)));
        }
        if !entry.state.is_over() {
            self.manager().cancel(entry.id, Cancel::Keep).await.map_err(|error| fault(&error))?;
        }
        done(self.manager().forget(entry.id).await)
    }

    /// Waits until a run that was asked to stop has done so.
    async fn stopped(&self, id: EntryId) {
        let mut reader = self.manager().told();
        let is_active = || {
            let entry = self.manager().entry(id);
            entry.is_some_and(|entry| Stage::of(&entry.state) == Stage::Active)
        };
        let stopped = async { while is_active() && reader.next().await.is_some() {} };
        // An error: it takes longer, and is shown as active meanwhile.
        let _ = tokio::time::timeout(STOPPING_WAIT, stopped).await;
    }

    /// `POS_SET`, `POS_CUR` and `POS_END` count among those that wait. The answer is the place that came of it.
    async fn change_position(&self, params: &Params) -> Result<Value, Fault> {
        let (entry, by, how) = (self.entry(params)?, params.integer(1)?, params.text(2)?);
        let waiting: Vec<EntryId> = self.waiting();
        let refused = || Fault::new(format!("GID#{} not found in the waiting queue.", entry.gid));
        let count = i64::try_from(waiting.len()).unwrap_or(i64::MAX);
        let from = match how {
            "POS_SET" => Ok(0),
            "POS_CUR" => Err(()),
            "POS_END" => Ok(count - 1),
            _ => return Err(Fault::new("Illegal argument.")),
        };
        let at = waiting.iter().position(|id| *id == entry.id).ok_or_else(refused)?;
        let from = from.unwrap_or(i64::try_from(at).unwrap_or(0));
        let place = from.saturating_add(by).clamp(0, count - 1);
        let others: Vec<EntryId> = waiting.into_iter().filter(|id| *id != entry.id).collect();
        let before = usize::try_from(place).ok().and_then(|place| others.get(place));
        let to = before.map_or(Place::Bottom, |id| Place::Before(*id));
        self.manager().move_to(entry.id, to).await.map_err(|error| fault(&error))?;
        Ok(place.into())
    }

    /// Those that wait, in the order of the list.
    pub(super) fn waiting(&self) -> Vec<EntryId> {
        self.manager().entries(&Which::Waiting, 0, usize::MAX).iter().map(|entry| entry.id).collect()
    }

    fn shut_down(&self, asker: &Asker) -> Result<Value, Fault> {
        if asker.via == Via::Network {
            return Err(Fault::new("a daemon is shut down from its own machine only"));
        }
        self.app.asked_to_stop.cancel();
        Ok("OK".into())
    }
}

fn listed(method: &str) -> Value {
    match method {
        "system.listNotifications" => json!(NOTIFICATIONS),
        _ => METHODS.iter().map(|(name, _)| *name).collect(),
    }
}

pub(super) fn gid_of(entry: &Entry) -> Value {
    entry.gid.to_string().into()
}

/// The answer to what has no other result.
pub(super) fn done<T>(result: Result<T, Error>) -> Result<Value, Fault> {
    result.map(|_| "OK".into()).map_err(|error| fault(&error))
}

/// What went wrong in the list, and what helps.
pub(super) fn fault(error: &Error) -> Fault {
    match error.advice() {
        Some(advice) => Fault::new(format!("{error}; {advice}")),
        None => Fault::new(error.to_string()),
    }
}

//! One run of an entry: a transfer of the client, started as the list says, followed to its end and told to the driver.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use longhaul_core::queue::step::Purpose;
use longhaul_core::words::Ticket;
use tokio::sync::{mpsc, oneshot};

use super::details::Details;
use super::driver::Inside;
use super::entry::{EntryId, Existing};
use super::settings::Settings;
use super::shared::Shared;
use super::told::{EntryEvent, Told};
use super::vault::Kept;
use crate::advice::Advice;
use crate::client::{Client, DownloadBuilder, ProxyChoice, RateLane};
use crate::disk::state::listing::id_text;
use crate::drive::panics::caught;
use crate::error::{Disposition, Error, ErrorKind};
use crate::event::{Event, Outcome, Progress};
use crate::source::{ObjectName, Source};
use crate::sync::locked;
use crate::threads;
use crate::transfer::{Cancel, Transfer, TransferKind};

/// Failures in a row inside a run: patience for days is the queue's.
const RETRIES: u32 = 3;
/// The queue hears of new bytes no more often.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// Names that are tried for a file beside others of its name.
const RENAMES_MAX: u32 = 9999;

/// What a run needs.
pub(super) struct RunOrder {
    pub(super) id: EntryId,
    pub(super) ticket: Ticket,
    pub(super) purpose: Purpose,
    pub(super) details: Arc<Details>,
    /// Whole sources, best first.
    pub(super) sources: Vec<Source>,
    pub(super) kept: Kept,
    pub(super) settings: Arc<Settings>,
    pub(super) lane: RateLane,
    pub(super) stop: oneshot::Receiver<()>,
}

/// How a run ended.
#[derive(Debug)]
pub(super) struct RunEnd {
    /// `None`: what was to be removed is.
    pub(super) result: Result<Option<Outcome>, Error>,
    pub(super) progress: Option<Progress>,
}

/// Runs an entry, and tells its end. Whatever happens in between, the end is told.
pub(super) fn begin(client: Client, shared: Arc<Shared>, inside: mpsc::Sender<Inside>, order: RunOrder) {
    tokio::spawn(async move {
        let (id, ticket, shown) = (order.id, order.ticket, order.details.shown().to_owned());
        let mut run = Run { client, shared: shared.clone(), inside: inside.clone(), order, told: None, progress: None };
        let result = match caught(run.go()).await {
            Ok(result) => result,
            Err(panicked) => Err(panicked.error(&shown)),
        };
        locked(&shared.live).remove(&id);
        let end = RunEnd { result, progress: run.progress };
        let _ = inside.send(Inside::Ended(id, ticket, Box::new(end))).await; // the driver is gone: nothing to tell
    });
}

struct Run {
    client: Client,
    shared: Arc<Shared>,
    inside: mpsc::Sender<Inside>,
    order: RunOrder,
    /// When the queue last heard of progress, and of how much.
    told: Option<(Instant, u64)>,
    progress: Option<Progress>,
}

impl Run {
    async fn go(&mut self) -> Result<Option<Outcome>, Error> {
        match (self.order.purpose, self.order.details.kind) {
            (Purpose::Discard, TransferKind::Upload) => self.discard_upload().await.map(|()| None),
            (Purpose::Discard, _) => self.discard_download().await.map(|()| None),
            (_, TransferKind::Upload) => self.upload().await.map(Some),
            (..) => self.download().await.map(Some),
        }
    }

    /// Tries the sources one after the other: the next one where another may help.
    async fn download(&mut self) -> Result<Outcome, Error> {
        self.expect_secrets()?;
        let sources = std::mem::take(&mut self.order.sources);
        let mut last = Err(Error::usage(format!("{}: it has no source", self.order.details.shown())));
        for (n, source) in sources.iter().enumerate() {
            last = self.download_from(source).await;
            let is_last = n + 1 == sources.len();
            match &last {
                Err(error) if !is_last && another_may_help(error.kind()) => {
                    let text = format!("{source}: {error}; the next source is tried");
                    self.heard(&Event::Warning(text));
                }
                _ => break,
            }
        }
        last
    }

    /// What no file holds has to be there before anything is asked.
    fn expect_secrets(&self) -> Result<(), Error> {
        let details = &self.order.details;
        if details.needs_link && self.order.sources.is_empty() {
            let text = format!("{}: the link had secrets, which are never stored", details.shown());
            return Err(Error::new(ErrorKind::NeedsLink, Disposition::Permanent, text).advise(Advice::FreshLink));
        }
        if details.needs_headers && !self.order.kept.secrets.are_any() {
            let text = format!("{}: its headers and passwords are never stored", details.shown());
            return Err(Error::new(ErrorKind::Denied, Disposition::Permanent, text).advise(Advice::GiveCredentials));
        }
        Ok(())
    }

    async fn download_from(&mut self, source: &Source) -> Result<Outcome, Error> {
        let mut renames = 0;
        loop {
            let builder = self.builder(source).await;
            let (result, path) = self.follow(builder.start()).await;
            let is_taken = matches!(&result, Err(error) if error.kind() == ErrorKind::Exists);
            let wants_other_name = self.order.details.options.existing == Existing::Rename;
            let Some(path) = path.filter(|_| is_taken && wants_other_name && renames < 3) else { return result };
            renames += 1; // another program may take the name that was free
            let free = threads::run(move || free_name(&path)).await;
            let Some(free) = free else { return result };
            self.settle_path(&free).await;
        }
    }

    async fn builder(&self, source: &Source) -> DownloadBuilder {
        let (details, settings) = (&self.order.details, &self.order.settings);
        let mut builder = match self.ours(details).await {
            Some(builder) => builder.url(source.clone()),
            None => self.client.download(source.clone()),
        };
        builder = match (&details.name, details.below) {
            (Some(name), true) => builder.below(&details.folder, name),
            (Some(name), false) => builder.to(details.folder.join(name)),
            (None, _) => builder.into_dir(&details.folder),
        };
        let options = &details.options;
        // A folder that is gone with bytes in it was on a drive that is away: it is not made anew.
        builder = builder.retries(RETRIES).create_dirs(details.held == 0).remote_time(options.remote_time);
        builder = builder.id(&self.order.id.to_string()).lane(self.order.lane.clone()).limit_rate(self.limit_rate());
        if let Some(proxy) = self.proxy() {
            builder = builder.proxy(proxy);
        }
        builder = builder.require_verified(options.require_verified).overwrite(options.existing == Existing::Overwrite);
        if let Some(count) = options.connections.or(settings.connections) {
            builder = builder.connections(count);
        }
        if let Some((rate, seconds)) = options.stall {
            builder = builder.stall(rate, Duration::from_secs(seconds));
        }
        for digest in &options.checksums {
            builder = builder.checksum(digest.clone());
        }
        if matches!(source, Source::Web(_)) {
            builder = self.with_secrets(builder);
        }
        builder
    }

    /// Its own limit, or that of all that have none; 0: none.
    fn limit_rate(&self) -> u64 {
        match self.order.details.options.limit_rate {
            0 => self.order.settings.limit_rate_each,
            own => own,
        }
    }

    /// The proxy of this entry, with user and password where there are any.
    fn proxy(&self) -> Option<ProxyChoice> {
        let proxy = self.order.details.options.proxy.clone()?;
        let Some((user, password)) = &self.order.kept.secrets.proxy_auth else { return Some(ProxyChoice::Url(proxy)) };
        let whole = if proxy.contains("://") { proxy } else { format!("http://{proxy}") };
        let Ok(mut url) = url::Url::parse(&whole) else { return Some(ProxyChoice::Url(whole)) }; // told by the start
        let _ = url.set_username(user); // a URL without a host, which the start refuses
        let _ = url.set_password(Some(password));
        Some(ProxyChoice::Url(url.into()))
    }

    fn with_secrets(&self, mut builder: DownloadBuilder) -> DownloadBuilder {
        let secrets = &self.order.kept.secrets;
        let has_agent = secrets.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("user-agent"));
        if let Some(agent) = self.order.settings.user_agent.as_ref().filter(|_| !has_agent) {
            builder = builder.header("User-Agent", agent);
        }
        for (name, value) in &secrets.headers {
            builder = builder.header(name, value);
        }
        match &secrets.auth {
            Some((user, password)) => builder.basic_auth(user, password),
            None => builder,
        }
    }

    /// What an earlier run of this entry left at the target, whatever link it came by. The journal goes on under the
    /// name it has; bytes are joined only where the source proves to be the same object.
    async fn ours(&self, details: &Details) -> Option<DownloadBuilder> {
        let (client, path) = (self.client.clone(), details.path()?);
        let transfer = details.transfer.clone()?;
        let opened = threads::run(move || client.open(path)).await.ok()?;
        opened.recorded_id().is_some_and(|id| id_text(id) == transfer).then_some(opened)
    }

    async fn upload(&mut self) -> Result<Outcome, Error> {
        let (details, settings) = (&self.order.details, &self.order.settings);
        let mut builder = self.client.upload(details.path().unwrap_or_default()).to(destination(details)?);
        builder = builder.retries(RETRIES).id(&self.order.id.to_string());
        builder = builder.lane(self.order.lane.clone()).limit_rate(self.limit_rate());
        if let Some(proxy) = self.proxy() {
            builder = builder.proxy(proxy);
        }
        if let Some(count) = details.options.connections.or(settings.connections) {
            builder = builder.connections(count);
        }
        if let Some((rate, seconds)) = details.options.stall {
            builder = builder.stall(rate, Duration::from_secs(seconds));
        }
        self.follow(builder.start()).await.0
    }

    /// Follows a transfer to its end; with its path, as far as that is known.
    async fn follow(
        &mut self,
        start: impl Future<Output = Result<Transfer, Error>>,
    ) -> (Result<Outcome, Error>, Option<PathBuf>) {
        let transfer = tokio::select! {
            started = start => match started {
                Ok(transfer) => transfer,
                Err(error) => {
                    let path = error.context().iter().find(|(name, _)| *name == "path");
                    let path = path.map(|(_, path)| PathBuf::from(path));
                    return (Err(error), path);
                }
            },
            _ = &mut self.order.stop => return (Err(stopped()), None),
        };
        locked(&self.shared.live).insert(self.order.id, transfer.clone());
        Arc::make_mut(&mut self.order.details).transfer = Some(transfer.id().to_owned());
        self.tell(Inside::Transfer(self.order.id, transfer.id().to_owned())).await;
        let mut events = transfer.events();
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(event) => self.hear(event).await,
                    None => break,
                },
                _ = &mut self.order.stop => {
                    let _ = transfer.cancel(Cancel::Keep).await; // how it ended is asked below
                    break;
                }
            }
        }
        let result = transfer.finished().await;
        self.progress = Some(transfer.progress()).filter(|progress| *progress != Progress::default());
        (result, transfer.path())
    }

    async fn hear(&mut self, event: Event) {
        if let Event::Started { path, .. } = &event
            && self.order.details.name.is_none()
        {
            self.settle_path(&path.clone()).await;
        }
        if let Event::Progress(progress) = &event {
            self.shared.audience.tell_of(self.order.id, &EntryEvent::Progress(*progress));
            self.tell_progress(*progress);
        }
        self.heard(&event);
    }

    fn heard(&self, event: &Event) {
        self.shared.keep_event(self.order.id, event);
        self.shared.audience.tell(Told::Event { id: self.order.id, event: event.clone() });
    }

    /// The queue wants to know that bytes came, and how many are missing.
    fn tell_progress(&mut self, progress: Progress) {
        let now = Instant::now();
        let is_due = self.told.is_none_or(|(at, before)| now - at >= PROGRESS_EVERY && progress.received > before);
        if !is_due || progress.received == 0 {
            return;
        }
        self.told = Some((now, progress.received));
        let missing = progress.total.map_or(0, |total| total.saturating_sub(progress.received));
        let missing = if self.order.details.kind == TransferKind::Upload { 0 } else { missing };
        let _ = self.inside.try_send(Inside::Progress(self.order.ticket, missing)); // the next one will do as well
    }

    /// The name is known, or is another one now.
    async fn settle_path(&mut self, path: &Path) {
        let details = Arc::make_mut(&mut self.order.details);
        let name = path.strip_prefix(&details.folder).ok().map(Path::to_path_buf);
        let Some(name) = name.or_else(|| path.file_name().map(PathBuf::from)) else { return };
        details.name = Some(name.clone());
        self.tell(Inside::Name(self.order.id, name)).await;
    }

    async fn tell(&self, what: Inside) {
        let _ = self.inside.send(what).await; // the driver is gone: the run is about to be stopped
    }

    async fn discard_download(&self) -> Result<(), Error> {
        let details = &self.order.details;
        let of_source = match details.sources.first() {
            Some(source) => self.client.download(source.as_str()),
            None => return Ok(()),
        };
        let builder = match self.ours(details).await {
            Some(builder) => builder,
            None => of_source,
        };
        let builder = match (&details.name, details.below) {
            (Some(name), true) => builder.below(&details.folder, name),
            (Some(name), false) => builder.to(details.folder.join(name)),
            (None, _) => builder.into_dir(&details.folder),
        };
        match builder.discard().await {
            // What lies there is another transfer's: none of it is this one's.
            Err(error) if matches!(error.kind(), ErrorKind::Exists | ErrorKind::NotFound) => Ok(()),
            discarded => discarded,
        }
    }

    async fn discard_upload(&self) -> Result<(), Error> {
        let details = &self.order.details;
        let builder = self.client.upload(details.path().unwrap_or_default()).to(destination(details)?);
        match builder.discard().await? {
            true => Ok(()),
            false => {
                let text = format!("{}: parts of it may be left in the store", details.shown());
                Err(Error::new(ErrorKind::Network, Disposition::Temporary, text).advise(Advice::TryLater))
            }
        }
    }
}

fn destination(details: &Details) -> Result<ObjectName, Error> {
    details.destination.as_deref().unwrap_or_default().parse()
}

fn stopped() -> Error {
    Error::new(ErrorKind::Cancelled, Disposition::Temporary, "stopped before it began")
}

/// Whether the next mirror may have what this one does not give.
fn another_may_help(kind: ErrorKind) -> bool {
    use ErrorKind::{Denied, NeedsLink, Network, NotFound, Portal, Refused};
    matches!(kind, Denied | NeedsLink | Network | NotFound | Portal | Refused)
}

/// `name.1.ext`, or the first such name that is free.
fn free_name(path: &Path) -> Option<PathBuf> {
    let stem = path.file_stem()?.to_string_lossy().into_owned();
    let ending = path.extension().map(|ending| format!(".{}", ending.to_string_lossy())).unwrap_or_default();
    let is_free = |path: &Path| {
        ["", ".lhpart", ".lhlog"].iter().all(|more| {
            let mut name = path.as_os_str().to_owned();
            name.push(more);
            PathBuf::from(name).symlink_metadata().is_err()
        })
    };
    (1..=RENAMES_MAX).map(|n| path.with_file_name(format!("{stem}.{n}{ending}"))).find(|path| is_free(path))
}

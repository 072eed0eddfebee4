//! Which objects are there, and how can somebody without keys reach one? A store's list of what begins with a name,
//! page by page, however long it is; and signed links.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use longhaul_core::upload::step::Fault;

use crate::client::Client;
use crate::error::{Disposition, Error, ErrorKind};
use crate::source::{ObjectName, ObjectPrefix};
use crate::store::cloud::{Cloud, Link, ListedObject, ObjectsPage, Onward, Orders, Pages, Refusal};

/// So often is a page asked for that does not come.
const TRIES: u32 = 4;
/// How long a page may take: a store reads through a thousand names for it.
const PAGE_TIMEOUT: Duration = Duration::from_secs(60);

/// An object in a store's list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectInfo {
    /// Its name, which [`Client::download`] takes. Any writer may have chosen its key, which can hold `..`, line ends,
    /// or two slashes in a row.
    pub name: ObjectName,
    /// Its length in bytes.
    pub len: u64,
    /// Its ETag, as the store writes it; empty when it tells none.
    pub etag: String,
}

/// The objects whose names begin with a given one, in the order of the store: that of the keys' bytes, in most stores.
///
/// At most one page of the store's list (1000 objects) is held at a time.
///
/// It is a [`Stream`] as well. One that gave an error asks for the same page again when it is polled again.
pub struct Objects {
    client: Client,
    prefix: Result<ObjectPrefix, Error>,
    listing: Option<Box<ObjectPages>>,
    /// The page under way, and the list that it belongs to.
    turning: Option<Turning>,
}

type Turning = Pin<Box<dyn Future<Output = (Option<Box<ObjectPages>>, Result<(), Error>)> + Send>>;

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

struct ObjectPages {
    cloud: Cloud,
    prefix: ObjectPrefix,
    page: VecDeque<ListedObject>,
    /// The last key of the page before.
    last: Option<String>,
    /// Where the next page begins.
    next: Option<Onward>,
    pages: Pages,
    /// The first page was asked for.
    begun: bool,
}

impl Client {
    /// The objects whose names begin with `prefix`: `oss://BUCKET`, `oss://BUCKET/`, `oss://BUCKET/some/begin`. The
    /// store is asked by [`next`](Objects::next).
    pub fn objects<P>(&self, prefix: P) -> Objects
    where
        P: TryInto<ObjectPrefix>,
        Error: From<P::Error>,
    {
        self.objects_of(prefix.try_into().map_err(Error::from))
    }

    pub(crate) fn objects_of(&self, prefix: Result<ObjectPrefix, Error>) -> Objects {
        Objects { client: self.clone(), prefix, listing: None, turning: None }
    }
}

/// What a signed link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkMethod {
    /// Fetching the object.
    Get,
    /// Asking what it is.
    Head,
    /// Storing it.
    Put,
}

impl Client {
    /// A link to an object (`oss://BUCKET/KEY`, `s3://BUCKET/KEY`) that works without keys for `life`, in whole
    /// seconds, and no longer than the keys that it is signed with. The store is not asked, so there need be no object.
    ///
    /// The link is as good as a key to this one object, for everyone who has it.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a name of no object, and for a life below a second or above 7 days;
    /// [`ErrorKind::Denied`] without keys.
    ///
    /// # Cancel safety
    /// The future may be dropped at any time.
    pub async fn presign<O>(&self, object: O, method: LinkMethod, life: Duration) -> Result<String, Error>
    where
        O: TryInto<ObjectName>,
        Error: From<O::Error>,
    {
        let cloud = self.stores().cloud(object.try_into()?, &Orders::default()).await?;
        let link = match method {
            LinkMethod::Get => Link::Get,
            LinkMethod::Head => Link::Head,
            LinkMethod::Put => Link::Put,
        };
        cloud.presign(link, life.as_secs()).await
    }
}

impl Objects {
    /// What the names begin with, when that is a prefix.
    pub(crate) fn prefix(&self) -> Option<&ObjectPrefix> {
        self.prefix.as_ref().ok()
    }

    /// The next one; `None` at the end. A page that does not come is asked for several times.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for what names no bucket, [`ErrorKind::NotFound`] when there is no such bucket,
    /// [`ErrorKind::Denied`], [`ErrorKind::Network`], [`ErrorKind::Refused`]. After an error the same page can be asked
    /// for again.
    ///
    /// # Cancel safety
    /// When the future is dropped, no object is lost, and the page that was asked for is waited for by the next call.
    pub async fn next(&mut self) -> Result<Option<ObjectInfo>, Error> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<ObjectInfo>, Error>> {
        loop {
            if let Some(turning) = &mut self.turning {
                let (listing, turned) = ready!(turning.as_mut().poll(cx));
                (self.turning, self.listing) = (None, listing);
                turned?;
            }
            if let Some(next) = self.listing.as_mut().and_then(|listing| listing.next_of_page()) {
                return Poll::Ready(next);
            }
            let (client, prefix, listing) = (self.client.clone(), self.prefix.clone(), self.listing.take());
            self.turning = Some(Box::pin(turn(client, prefix, listing)));
        }
    }
}

impl Stream for Objects {
    type Item = Result<ObjectInfo, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx).map(Result::transpose)
    }
}

/// The list with its next page; the list itself, where it was not begun.
async fn turn(
    client: Client,
    prefix: Result<ObjectPrefix, Error>,
    listing: Option<Box<ObjectPages>>,
) -> (Option<Box<ObjectPages>>, Result<(), Error>) {
    let begun = match listing {
        Some(listing) => Ok(listing),
        None => ObjectPages::begin(&client, prefix).await.map(Box::new),
    };
    match begun {
        Ok(mut listing) => {
            let turned = listing.turn().await;
            (Some(listing), turned)
        }
        Err(error) => (None, Err(error)),
    }
}

impl ObjectPages {
    async fn begin(client: &Client, prefix: Result<ObjectPrefix, Error>) -> Result<Self, Error> {
        let prefix = prefix?;
        let cloud = client.stores().cloud_of_bucket(&prefix).await?;
        Ok(Self::new(cloud, prefix))
    }

    /// The next object, or the end of the list; `None` where the next page has to be asked for.
    fn next_of_page(&mut self) -> Option<Result<Option<ObjectInfo>, Error>> {
        let Some(ListedObject { key, len, etag }) = self.page.pop_front() else {
            return (self.begun && self.next.is_none()).then_some(Ok(None));
        };
        if !key.starts_with(self.prefix.key()) {
            // A store that lists what was not asked for is not one to be taken at its word.
            let text = format!("{}: the store lists {key:?}, which does not begin so", self.prefix);
            return Some(Err(Error::new(ErrorKind::Refused, Disposition::Permanent, text)));
        }
        Some(Ok(Some(ObjectInfo { name: self.prefix.with_key(key), len, etag })))
    }

    fn new(cloud: Cloud, prefix: ObjectPrefix) -> Self {
        let (page, pages) = (VecDeque::new(), Pages::default());
        Self { cloud, prefix, page, last: None, next: None, pages, begun: false }
    }

    /// The next page.
    async fn turn(&mut self) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let page = self.cloud.list_objects(self.prefix.key(), self.next.as_ref());
            let (error, again) = match tokio::time::timeout(PAGE_TIMEOUT, page).await {
                Ok(Ok(page)) => return self.take(page).map_err(|refusal| error_of(&self.prefix, refusal).0),
                Ok(Err(refusal)) => error_of(&self.prefix, refusal),
                Err(_) => {
                    let text = format!("{}: the store's list of objects does not come", self.prefix);
                    (Error::new(ErrorKind::Network, Disposition::GaveUp, text), true)
                }
            };
            if !again || tries >= TRIES {
                return Err(error);
            }
            tracing::info!("a page of the list did not come, and is asked for again: {error}");
            tokio::time::sleep(Duration::from_millis(200 << tries)).await;
        }
    }
}

impl ObjectPages {
    fn take(&mut self, page: ObjectsPage) -> Result<(), Refusal> {
        let mut objects: VecDeque<ListedObject> = page.objects.into();
        // Some begin a page with the key behind which it was asked for.
        let overlaps = objects.front().is_some_and(|object| self.last.as_ref() == Some(&object.key));
        let again = if overlaps { objects.pop_front() } else { None };
        let first = objects.front().or(again.as_ref()).map(|object| object.key.as_str());
        self.pages.turn("objects", first, page.next.as_ref().map(Onward::text))?;
        if let Some(last) = objects.back() {
            self.last = Some(last.key.clone());
        }
        (self.begun, self.page, self.next) = (true, objects, page.next);
        Ok(())
    }
}

/// The error, and whether the same request may bring another answer.
fn error_of(prefix: &ObjectPrefix, refusal: Refusal) -> (Error, bool) {
    use Disposition::{GaveUp, Permanent};
    let (kind, disposition, again) = match &refusal.fault {
        Fault::NoSuchBucket | Fault::NoSuchKey => (ErrorKind::NotFound, Permanent, false),
        Fault::NoCredentials | Fault::Denied(_) => (ErrorKind::Denied, Permanent, false),
        // What was learned from the refusal goes into the next request.
        Fault::Expired => (ErrorKind::Denied, Permanent, true),
        Fault::Skewed => (ErrorKind::Denied, Permanent, true),
        Fault::Amended => (ErrorKind::Refused, Permanent, true),
        Fault::Net { .. } | Fault::Busy { .. } => (ErrorKind::Network, GaveUp, true),
        _ => (ErrorKind::Refused, Permanent, false),
    };
    let error = Error::new(kind, disposition, format!("{prefix}: {}", refusal.detail));
    let error = error.answered(refusal.fault.status()).wait(refusal.fault.retry_after_ms());
    (error.advise(refusal.advice()), again)
}

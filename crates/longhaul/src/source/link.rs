//! Where a fresh link comes from when a signed one has ended.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// Brings a fresh link when a signed one is not accepted any more.
///
/// Closures `Fn(String) -> impl Future<Output = Option<String>>` are link sources. The argument is the source as it is
/// stored, without its secrets; `None` ends the transfer with [`ErrorKind::NeedsLink`](crate::ErrorKind::NeedsLink),
/// everything received kept.
pub trait LinkSource: Send + Sync {
    /// A link to the same object that the server will accept. It may be called several times in one transfer.
    fn fresh_link<'a>(&'a self, source: &'a str) -> Pin<Box<dyn Future<Output = Option<String>> + Send + 'a>>;
}

impl<L: LinkSource + ?Sized> LinkSource for Arc<L> {
    fn fresh_link<'a>(&'a self, source: &'a str) -> Pin<Box<dyn Future<Output = Option<String>> + Send + 'a>> {
        (**self).fresh_link(source)
    }
}

impl<F, Fut> LinkSource for F
where
    F: Fn(String) -> Fut + Send + Sync,
    Fut: Future<Output = Option<String>> + Send + 'static,
{
    fn fresh_link<'a>(&'a self, source: &'a str) -> Pin<Box<dyn Future<Output = Option<String>> + Send + 'a>> {
        Box::pin(self(source.to_owned()))
    }
}

//! What becomes of a panic in a task or thread of a transfer: a value that ends the transfer with an error, in place of
//! a wait for ever.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use crate::error::Error;
use crate::secrets;

/// As much of a panic's message is told.
const SHOWN_MAX: usize = 200;

/// A panic that was caught: its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Panicked(String);

impl Panicked {
    fn of(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self(text.map_or_else(|| "without a message".to_owned(), |text| secrets::shown(text, SHOWN_MAX)))
    }

    /// Work that this transfer shares with others panicked, in a task of another one.
    pub(crate) fn of_another(what: &str) -> Self {
        Self(format!("{what} did not end"))
    }

    /// Goes on in the task that waited for what panicked.
    pub(crate) fn go_on(self) -> ! {
        std::panic::resume_unwind(Box::new(self.0)) // its message was printed where it happened
    }

    /// The error of the transfer on this object.
    pub(crate) fn error(&self, object: &str) -> Error {
        let Self(text) = self;
        Error::internal(format!(
            "{object}: a part of the program failed ({text}); what is held is kept. This is a mistake in the program: \
             please report it"
        ))
    }
}

/// What a future gives, or its panic.
pub(crate) async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut work = pin!(work);
    std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(payload) => Poll::Ready(Err(Panicked::of(&*payload))),
    })
    .await
}

/// The same of work that is done here.
pub(crate) fn caught_here<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| Panicked::of(&*payload))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[tokio::test]
    async fn a_panic_is_a_value_with_its_message_and_without_secrets() {
        secrets::learn("zp-secret-of-a-panic");
        assert_eq!(caught(async { 7 }).await, Ok(7));
        let panicked = caught(async {
            tokio::task::yield_now().await;
            panic!("it was {}", "zp-secret-of-a-panic");
        });
        let panicked: Panicked = panicked.await.map(|(): ()| ()).unwrap_err();
        let error = panicked.error("http://h/x");
        assert_eq!(error.kind(), ErrorKind::Internal);
        let text = error.to_string();
        assert!(text.contains("http://h/x") && text.contains("it was [secret]"), "{text}");
        assert!(caught_here(|| std::panic::panic_any(7)).map(|(): ()| ()).unwrap_err().0.contains("without"));
        let again = caught_here(|| panicked.clone().go_on());
        assert_eq!(again.map(|(): ()| ()).unwrap_err(), panicked);
    }
}

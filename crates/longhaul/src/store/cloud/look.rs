//! What stands at the key? HEAD.

use http::header::{self, HeaderValue};
use longhaul_core::upload::step::{Fault, ObjectFacts};

use super::request::{Request, Verb};
use super::{Cloud, Refusal, facts};
use crate::source::Dialect;

impl Cloud {
    /// What stands at the key. An object that is not there is
    /// [`Fault::NoSuchKey`](longhaul_core::upload::step::Fault::NoSuchKey).
    ///
    /// `dressed_differently` compares with the orders.
    pub(crate) async fn look(&self) -> Result<ObjectFacts, Refusal> {
        let looking = self.asking_for_checksums(Request::new(Verb::Look).query(self.versioned()));
        let answer = match self.request(looking).await {
            Ok(answer) => answer,
            Err(refusal) => return Err(self.explained(refusal).await),
        };
        let object = facts::standing(self.object.dialect(), answer.headers());
        Ok(ObjectFacts { dressed_differently: self.dress.differs(answer.headers()), ..object })
    }

    /// S3 does not say why it refuses a HEAD, which has no body: a 400 stands for keys that have expired as well as for
    /// an object that is encrypted with a key of the customer's ("HeadObject" in its API reference). A GET of one byte
    /// says it.
    async fn explained(&self, refusal: Refusal) -> Refusal {
        if self.object.dialect() != Dialect::S3 || refusal.fault != Fault::Rejected(400) {
            return refusal;
        }
        let byte = (header::RANGE, HeaderValue::from_static("bytes=0-0"));
        let request = Request::new(Verb::Fetch).query(self.versioned()).header(byte.0, byte.1).fresh(true);
        match self.request(request).await {
            // It cannot be what the HEAD was refused for.
            Ok(_) | Err(Refusal { fault: Fault::NoSuchKey, .. }) => refusal,
            Err(told) => told,
        }
    }
}

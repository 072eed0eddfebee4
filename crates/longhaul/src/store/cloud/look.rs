//! What stands at the key? HEAD.

use longhaul_core::upload::step::ObjectFacts;

use super::request::{Request, Verb};
use super::{Cloud, Refusal, facts};

impl Cloud {
    /// What stands at the key. An object that is not there is
    /// [`Fault::NoSuchKey`](longhaul_core::upload::step::Fault::NoSuchKey).
    ///
    /// `dressed_differently` compares with the orders.
    pub(crate) async fn look(&self) -> Result<ObjectFacts, Refusal> {
        let answer = self.request(self.asking_for_checksums(Request::new(Verb::Look).query(self.versioned()))).await?;
        let object = facts::standing(self.place.dialect(), answer.headers());
        Ok(ObjectFacts { dressed_differently: self.dress.differs(answer.headers()), ..object })
    }
}

//! The caller's conditions: which version may begin, and what follows when it is not that one.
//!
//! They go with requests that ask which version there is; what is held is added to without them, since its own
//! validator says more. A 304 ends the run at once. After a 412 the same is asked without them: the reply shows which
//! version there is, and is judged here like that of a server that does not look at conditions.

use super::Download;
use super::resume::Generation;
use super::step::{Failure, Note};
use crate::conditions::{Conditions, Unmet};
use crate::identity::Identity;
use crate::reply::ReplyFacts;

impl Download {
    /// The conditions that the next request carries.
    pub(super) fn wish(&self, probe: bool) -> Option<Conditions> {
        let sent = probe && self.manner.sends_callers_condition() && !self.config.only_if.is_empty();
        sent.then(|| self.config.only_if.clone())
    }

    /// What an earlier run brought is of a version that is not wanted now: it is neither added to nor published.
    pub(super) fn is_unwanted(&self, g: &Generation) -> bool {
        self.config.only_if.judge(&g.begin.identity).is_some()
    }

    /// Whether stream `i` was refused for the conditions that it carried.
    pub(super) fn heard_refusal(&mut self, i: usize, facts: &ReplyFacts) -> bool {
        if !self.line.stream(i).wished {
            return false;
        }
        match self.config.only_if.refused(facts.status) {
            None => return false,
            Some(Unmet::Same) => self.end_unmet(Unmet::Same, &facts.identity),
            Some(Unmet::Other) => self.manner.drop_callers_condition(),
        }
        self.stop(i);
        true
    }

    /// Whether this version may begin; otherwise the run ends.
    pub(super) fn is_wanted(&mut self, identity: &Identity) -> bool {
        let unmet = self.config.only_if.judge(identity);
        if let Some(unmet) = unmet {
            self.end_unmet(unmet, identity);
        }
        unmet.is_none()
    }

    fn end_unmet(&mut self, unmet: Unmet, seen: &Identity) {
        match unmet {
            Unmet::Other => self.fail(Failure::Unmet { seen: Box::new(seen.clone()) }),
            Unmet::Same if self.phase.not_modified() => self.note(Note::NotModified),
            Unmet::Same => {}
        }
    }
}

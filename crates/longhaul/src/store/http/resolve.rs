//! Which addresses has a host? Asked of the system, on a thread of ours: hyper's own way panics where no thread can be had
//! (see [`threads`]).

use std::net::ToSocketAddrs as _;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::threads;

/// The system's name lookup.
pub(super) struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // A lookup may take until its servers are given up, which can be minutes.
            let found = threads::run_beside(move || (name.as_str(), 0).to_socket_addrs()).await??;
            Ok(Box::new(found) as Addrs)
        })
    }
}

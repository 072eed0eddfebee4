//! The list of longhaul, served: an API with events, aria2's RPC, and a page, each over the same
//! [`Manager`](longhaul::manager).

#[cfg_attr(not(test), expect(dead_code, reason = "served as soon as the daemon listens"))]
mod page;

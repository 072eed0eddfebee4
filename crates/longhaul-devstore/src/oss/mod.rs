//! What would OSS answer? A local store that speaks the dialect of Alibaba Cloud OSS, for developers without an account
//! and for tests that need it to fail.
//!
//! ```text
//! server        listens; a thread for each connection (listen, begin: what is there from the start)
//! conn          reads requests (wire), and takes each through:
//!   admit       who asks for what, and may they?
//!     dialect   in the dialect of S3? Then no
//!     target    which bucket and key do Host and path mean?
//!     form      which, when it is the form of a browser? (post_policy)
//!     sign      who signed it, in version 1 or 4? (keys, clock)
//!     sts       who gets a temporary key?
//!     op        which operation is it?
//!     policy    may they?
//!   faults      what goes wrong with it?
//!   verbs       what does it do? One file each, over disk, with range, conditions, sums, xml, labels, cors, callback
//! deliver       how does the answer get onto the wire?
//! log, admin    what happened, for tests and for people
//! ```
//!
//! Blocking sockets and plain threads: an answer is cut, reset or slowed at an exact byte by not sending the next one,
//! and an object goes from the page cache to the socket without passing through memory. What is not supported is
//! refused with OSS's own `NotImplemented`, never half done. It shares no code with the library: it is the second
//! opinion.

mod admin;
mod admit;
mod begin;
mod call;
mod callback;
mod clock;
mod conditions;
mod conn;
mod cors;
mod deliver;
mod dialect;
mod disk;
mod faults;
mod form;
mod keys;
mod labels;
mod lifecycle;
mod listen;
mod log;
mod op;
mod policy;
mod post_policy;
mod range;
mod refusal;
mod server;
mod sign;
mod stock;
mod store;
mod sts;
mod sums;
mod target;
mod variants;
mod verbs;
mod wire;
mod xml;

pub use listen::{NoListener, Port};
pub use server::{Builder, Server};

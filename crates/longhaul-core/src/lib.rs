//! longhaul-core **decides**: what a download or an upload does next, whether two replies may be joined, what a
//! checkpoint is worth after a crash. It knows no clock, socket, file, thread or async runtime, and bytes never pass
//! through it: it says the next step ([`download::step`], [`upload::step`]), each with a [`Ticket`](words::Ticket), and
//! hears what happened. That is why correct resuming can be replayed a million times from a seed (`tests/sim/`).
//!
//! # The six laws
//!
//! 1. Bytes are synced before any record that *claims* them; a hint becomes a claim only when its bytes were read back
//!    and synced.
//! 2. A promise is voided durably before the thing it promises is destroyed.
//! 3. Every step carries a ticket; every completion quotes it; an answer with a stale ticket is ignored.
//! 4. Bytes of one identity only: the reply's validator is compared even when `If-Match` was sent.
//! 5. A restart cannot meet late writes: wait for each stream to stop, or begin a new generation of the part file.
//! 6. What is published is whole, of one identity, of the promised length, verified where a checksum exists.
//!
//! For an upload they read: what may be in the store is recorded before it is asked for (1), a journal outlives the
//! uploads that only it knows (2), Complete is sent for parts of one version of the source (4), an upload is removed
//! when none of its parts is on its way (5), and a part or object counts when the store's word for it agrees with what
//! was read (6).
//!
//! Each is asserted where it could be broken (`law` in [`download`] and [`upload`]) and simulated. In the simulation a
//! driver that lies breaks each on purpose (`tests/sim/*/liar.rs`), which must be noticed by the outcome.
//!
//! # Rooms
//!
//! | question | room |
//! |---|---|
//! | What happens next in a download? | [`download`], in the words of [`download::step`] |
//! | What happens next in an upload? | [`upload`], in the words of [`upload::step`] |
//! | What runs next of a list? | [`queue`], in the words of [`queue::step`] |
//! | What is every run made of? | [`run`]: tickets, steps to give, answers to await |
//! | Which words do both machines speak? | [`words`] |
//! | What is what we found on disk worth? | [`download::resume`] |
//! | Are these the same bytes? | [`identity`] |
//! | Is it a version that the caller wants? | [`conditions`] |
//! | What did the server answer, and may we use it? | [`reply`] |
//! | Is a refusal the end of a link? | [`link`] |
//! | Which bytes of the object are wanted? | [`window`] |
//! | Which bytes do we hold, in which state? | [`download::held`], [`ranges`] |
//! | What is in the checkpoint? | [`download::journal`], [`upload::journal`]; framed by `frame` |
//! | Why do held bytes not count any more? | [`download::restart`] |
//! | When do we ask again? | [`retry`] |
//! | How many connections at once? | [`pace`] |
//! | What may a server call our file? | [`names`] |

#![forbid(unsafe_code)]

pub mod conditions;
pub mod crc;
pub mod digest;
pub mod download;
pub mod frame;
pub mod identity;
pub mod link;
pub mod names;
pub mod pace;
pub mod queue;
pub mod ranges;
pub mod read;
pub mod reply;
pub mod retry;
pub mod run;
pub mod upload;
pub mod window;
pub mod words;

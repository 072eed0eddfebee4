//! What does each downloader deliver when something goes wrong? The tables of `docs/reliability.md`.
//!
//! Every case is played to every client by the faulty origin: the same faults at the same bytes, each client with the
//! flags that make it resume and retry best. `scripts/reliability` runs them all and writes the tables; the suite runs
//! longhaul's column and holds it against the page.
//!
//! * `cases`: what is done.
//! * `clients`: who it is done to, and how each is started.
//! * `stage`: how a case is played, and what came of it.
//! * `page`: how that is written down.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed step is a failed test, and prints"
)]

mod cases;
mod clients;
mod page;
#[path = "../real/mod.rs"]
mod real;
mod stage;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cases::{Case, several, single};
use clients::Client;
use stage::{Outcome, play};

/// How many are played at once: they wait more than they work.
const AT_ONCE: usize = 8;

/// For each case and client what came of it; `None` where the client cannot take part.
fn play_all(cases: &[Case], clients: &[Client]) -> Vec<Vec<Option<Outcome>>> {
    if clients.is_empty() {
        return Vec::new();
    }
    let next = AtomicUsize::new(0);
    let empty: Vec<Vec<Option<Outcome>>> = cases.iter().map(|_| vec![None; clients.len()]).collect();
    let outcomes = Mutex::new(empty);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(index / clients.len()) else { return };
                    let client = &clients[index % clients.len()];
                    let outcome = play(case, client);
                    if let Some(outcome) = &outcome {
                        println!("{}, {}: {outcome}", case.name, client.name);
                    }
                    outcomes.lock().unwrap()[index / clients.len()][index % clients.len()] = outcome;
                }
            });
        }
    });
    outcomes.into_inner().unwrap()
}

/// Goal: the page says of longhaul what this build does. Method: the words of its column, not the byte counts.
#[test]
fn longhauls_column_is_what_the_page_says() {
    let page = page::read();
    let mut wrong = Vec::new();
    for (cases, clients) in [(single(), clients::single()), (several(), clients::several())] {
        let ours = &clients[..clients.len().min(1)];
        for (case, outcomes) in cases.iter().zip(play_all(&cases, ours)) {
            let played = outcomes[0].as_ref().map(Outcome::words);
            let told = page::cell(&page, case.name).map(page::words);
            if played != told {
                wrong.push(format!("{}: {played:?}, and the page says {told:?}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "scripts/reliability writes the page anew:\n{}", wrong.join("\n"));
}

/// Writes the page. Some minutes; needs every client.
#[test]
#[ignore = "rewrites docs/reliability.md: scripts/reliability"]
fn write_the_page() {
    let wanted = std::env::var("LONGHAUL_CASES").unwrap_or_default();
    let pick = |cases: Vec<Case>| cases.into_iter().filter(|case| case.name.contains(&wanted)).collect::<Vec<_>>();
    let tables = [(pick(single()), clients::single()), (pick(several()), clients::several())];
    let played = tables.map(|(cases, clients)| {
        let outcomes = play_all(&cases, &clients);
        (cases, clients, outcomes)
    });
    if wanted.is_empty() {
        page::write(&played);
    }
}

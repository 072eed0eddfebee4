//! Lives through histories and tells of the shortest that broke a promise. Both simulations use it: each has a `World`
//! that lives through the history of a seed, a `Coverage`, and a list of planted faults.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::Fault;
use super::coverage::Coverage;
use super::laws::Breach;
use super::world::World;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.replace('_', "").parse().ok()
}

/// The story of one history, whatever its end.
fn story(seed: u64, fault: Option<Fault>) -> String {
    let mut world = World::new();
    world.story = Some(String::new());
    let end = match catch_unwind(AssertUnwindSafe(|| world.history(seed, fault))) {
        Ok(None) => "all promises were kept".to_owned(),
        Ok(Some(breach)) => format!("BROKEN: {}: {}", breach.law, breach.what),
        Err(_) => "the core or the simulation panicked".to_owned(),
    };
    format!("{}{end}\n", world.story.unwrap_or_default())
}

/// The shortest history that broke a law, and how many did.
#[derive(Debug, Clone)]
struct Broken {
    law: &'static str,
    what: String,
    seed: u64,
    steps: u64,
    count: u64,
}

/// Broken promises seen before the rest is not worth looking at.
const BROKEN_MAX: u64 = 200;

/// Lives through `count` histories from `first` on, on all threads.
fn live(first: u64, count: u64) -> (Coverage, Vec<Broken>) {
    let next = AtomicU64::new(0);
    let seen = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let work = || {
        let mut world = World::new();
        let mut broken = Vec::new();
        loop {
            let begin = next.fetch_add(256, Ordering::Relaxed);
            if begin >= count || seen.load(Ordering::Relaxed) > BROKEN_MAX {
                return (world.coverage, broken);
            }
            for seed in first + begin..first + count.min(begin + 256) {
                let (law, what) = match catch_unwind(AssertUnwindSafe(|| world.history(seed, None))) {
                    Ok(None) => continue,
                    Ok(Some(breach)) => (breach.law, breach.what),
                    Err(panic) => {
                        world.clear();
                        let text = panic.downcast_ref::<String>().cloned();
                        ("no panic", text.or(panic.downcast_ref::<&str>().map(|s| s.to_string())).unwrap_or_default())
                    }
                };
                seen.fetch_add(1, Ordering::Relaxed);
                merge(&mut broken, Broken { law, what, seed, steps: world.steps, count: 1 });
            }
        }
    };
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut coverage = Coverage::default();
        let mut broken = Vec::new();
        for (part, ends) in handles.into_iter().filter_map(|h| h.join().ok()) {
            coverage.add(&part);
            ends.into_iter().for_each(|b| merge(&mut broken, b));
        }
        (coverage, broken)
    })
}

fn merge(all: &mut Vec<Broken>, one: Broken) {
    match all.iter_mut().find(|b| b.law == one.law) {
        Some(b) => {
            let count = b.count + one.count;
            if one.steps < b.steps {
                *b = one;
            }
            b.count = count;
        }
        None => all.push(one),
    }
}

/// Goal: every promise holds in every history. Method: a million of them, each from its seed; the first that breaks one
/// is told as a story.
#[test]
fn a_million_histories() {
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    if let Some(seed) = number("LONGHAUL_SIM_SEED") {
        println!("{}", story(seed, None));
        return;
    }
    let count = number("LONGHAUL_SIM_HISTORIES").unwrap_or(1_000_000);
    let begun = Instant::now();
    let (coverage, broken) = live(number("LONGHAUL_SIM_FIRST").unwrap_or(0), count);
    std::panic::set_hook(quiet);
    let elapsed = begun.elapsed();
    println!("{}", coverage.report());
    println!(
        "{:>12}  steps per history\n{:>12.1}  us per history and thread",
        coverage.steps / coverage.histories.max(1),
        elapsed.as_micros() as f64 / coverage.histories.max(1) as f64
    );
    if let Some(shortest) = broken.iter().min_by_key(|b| b.steps) {
        let all: Vec<String> =
            broken.iter().map(|b| format!("{} x {} (seed {}): {}", b.count, b.law, b.seed, b.what)).collect();
        panic!("{}\n\nthe shortest:\n{}\n{}", all.join("\n"), story(shortest.seed, None), all.join("\n"));
    }
    let rare = coverage.too_rare();
    assert!(rare.is_empty(), "the histories went through too little: {rare:#?}");
}

/// Goal: the oracle is not blind. Method: break each rule of the core on purpose; on each of three seeds, within 20,000
/// histories, some promise must be seen broken by its outcome. A panic does not count.
#[test]
fn every_planted_fault_is_caught() {
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for &fault in Fault::ALL {
        for seed in [1_u64, 2, 3] {
            let caught = catch(fault, seed << 40, 20_000);
            match caught {
                Some((after, breach)) => println!("{fault:?}, seed {seed}: after {after} histories: {}", breach.law),
                None => missed.push(format!("{fault:?} on seed {seed}")),
            }
        }
    }
    std::panic::set_hook(quiet);
    assert!(missed.is_empty(), "not caught: {missed:#?}");
}

/// How the laws begin that a run can break without harm to a byte.
const LIVENESS: &str = "liveness:";

fn catch(fault: Fault, first: u64, count: u64) -> Option<(u64, Breach)> {
    let mut world = World::new();
    for n in 0..count {
        match catch_unwind(AssertUnwindSafe(|| world.history(first + n, Some(fault)))) {
            // A run that hangs is broken, but not by what it did to the bytes: look on.
            Ok(Some(breach)) if !breach.law.starts_with(LIVENESS) => return Some((n, breach)),
            Ok(_) => {}
            Err(_) => world.clear(),
        }
    }
    None
}

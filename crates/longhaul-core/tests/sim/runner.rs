//! Lives through the histories of a world, on all cores, and tells of the shortest that broke a promise.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use crate::coverage::Table;
use crate::world::{Breach, World};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.replace('_', "").parse().ok()
}

thread_local! {
    /// This thread's panics are told by the runner.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What it answers; or the message of its panic, which is not printed.
fn quietly<T>(what: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
    QUIET.set(true);
    let result = catch_unwind(AssertUnwindSafe(what));
    QUIET.set(false);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or(panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default()
    })
}

/// The story of one history, also of one that breaks no law.
fn story<W: World>(seed: u64) -> String {
    let mut world = W::new();
    *world.story() = Some(String::new());
    let end = match quietly(|| world.history(seed, None)) {
        Ok(None) => "all promises were kept".to_owned(),
        Ok(Some(breach)) => format!("BROKEN: {}: {}", breach.law, breach.what),
        Err(panic) => format!("the core or the simulation panicked: {panic}"),
    };
    format!("{}{end}\n", world.story().take().unwrap_or_default())
}

/// The shortest history that broke a law, and how many did.
#[derive(Debug, Clone)]
struct Broken {
    breach: Breach,
    seed: u64,
    steps: u64,
    count: u64,
}

impl Broken {
    fn line(&self) -> String {
        format!("{} x {} (seed {}): {}", self.count, self.breach.law, self.seed, self.breach.what)
    }
}

/// Broken promises seen before the rest is not worth looking at.
const BROKEN_MAX: u64 = 200;

/// What all threads made of the work; each is given the function that does it.
fn on_all_cores<T: Send>(work: impl Fn() -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(&work)).collect();
        handles.into_iter().map(|handle| handle.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// Lives through `count` histories from `first` on.
fn live<W: World>(first: u64, count: u64) -> (W::Coverage, Vec<Broken>) {
    let next = AtomicU64::new(0);
    let seen = AtomicU64::new(0);
    let parts = on_all_cores(|| {
        let mut world = W::new();
        let mut broken = Vec::new();
        loop {
            let begin = next.fetch_add(256, Ordering::Relaxed);
            if begin >= count || seen.load(Ordering::Relaxed) > BROKEN_MAX {
                return (world.into_coverage(), broken);
            }
            for seed in first + begin..first + count.min(begin + 256) {
                let breach = match quietly(|| world.history(seed, None)) {
                    Ok(None) => continue,
                    Ok(Some(breach)) => breach,
                    Err(what) => {
                        world.clear();
                        Breach { law: "no panic", what }
                    }
                };
                seen.fetch_add(1, Ordering::Relaxed);
                merge(&mut broken, Broken { breach, seed, steps: world.steps(), count: 1 });
            }
        }
    });
    let mut coverage = W::Coverage::default();
    let mut broken = Vec::new();
    for (part, ends) in parts {
        coverage.add(&part);
        ends.into_iter().for_each(|b| merge(&mut broken, b));
    }
    (coverage, broken)
}

fn merge(all: &mut Vec<Broken>, one: Broken) {
    match all.iter_mut().find(|b| b.breach.law == one.breach.law) {
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

/// What a test prints, and what it complains about (empty if all is well).
pub(crate) struct Outcome {
    pub(crate) report: String,
    pub(crate) wrong: String,
}

/// Every promise holds in every history: a million of them, each from its seed; the shortest that breaks one is told as
/// a story.
pub(crate) fn a_million_histories<W: World>() -> Outcome {
    histories::<W>(1)
}

/// The same with one history in so many, in a world whose histories are long.
pub(crate) fn histories<W: World>(share: u64) -> Outcome {
    if let Some(seed) = number("LONGHAUL_SIM_SEED") {
        return Outcome { report: story::<W>(seed), wrong: String::new() };
    }
    let count = number("LONGHAUL_SIM_HISTORIES").unwrap_or(1_000_000).div_ceil(share);
    let begun = Instant::now();
    let (coverage, broken) = live::<W>(number("LONGHAUL_SIM_FIRST").unwrap_or(0), count);
    let (elapsed, histories) = (begun.elapsed(), coverage.sum("histories").max(1));
    let report = format!(
        "{}{:>12}  steps per history\n{:>12.1}  us per history",
        coverage.report(),
        coverage.sum("steps") / histories,
        elapsed.as_micros() as f64 / histories as f64
    );
    let rare = coverage.too_rare();
    let wrong = if let Some(shortest) = broken.iter().min_by_key(|b| b.steps) {
        let all: Vec<String> = broken.iter().map(Broken::line).collect();
        format!("{0}\n\nthe shortest:\n{1}\n{0}", all.join("\n"), story::<W>(shortest.seed))
    } else if !rare.is_empty() {
        format!("the histories went through too little: {rare:#?}")
    } else {
        String::new()
    };
    Outcome { report, wrong }
}

/// The laws are not blind: each rule of the core is broken on purpose, and on each of three seeds, within 20,000
/// histories, some promise must be seen broken by its outcome. A panic does not count.
pub(crate) fn every_sabotage_is_caught<W: World>() -> Outcome {
    const SEEDS: [u64; 3] = [1, 2, 3];
    let next = AtomicUsize::new(0);
    let parts = on_all_cores(|| {
        let mut found = Vec::new();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let Some(&sabotage) = W::SABOTAGES.get(n / SEEDS.len()) else { return found };
            let seed = SEEDS[n % SEEDS.len()];
            let caught = catch::<W>(sabotage, seed << 40, 20_000);
            let how = caught.as_ref().map(|(after, breach)| format!("after {after} histories: {}", breach.law));
            let line = format!("{sabotage:?}, seed {seed}: {}", how.as_deref().unwrap_or("not caught"));
            found.push((n, line, caught.is_some()));
        }
    });
    let mut found: Vec<_> = parts.into_iter().flatten().collect();
    found.sort_unstable();
    let lines = |which: &dyn Fn(bool) -> bool| {
        let lines = found.iter().filter(|(.., caught)| which(*caught)).map(|(_, line, _)| line.as_str());
        lines.collect::<Vec<_>>().join("\n")
    };
    Outcome { report: lines(&|_| true), wrong: lines(&|caught| !caught) }
}

/// How the laws begin that a run can break without harm to a byte.
const LIVENESS: &str = "liveness:";

fn catch<W: World>(sabotage: W::Sabotage, first: u64, count: u64) -> Option<(u64, Breach)> {
    let mut world = W::new();
    for n in 0..count {
        match quietly(|| world.history(first + n, Some(sabotage))) {
            // A run that hangs is broken, but not by what it did to the bytes: look on.
            Ok(Some(breach)) if !breach.law.starts_with(LIVENESS) => return Some((n, breach)),
            Ok(_) => {}
            Err(_) => world.clear(),
        }
    }
    None
}

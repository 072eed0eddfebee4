//! A case, how it is run, and what is asked of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use longhaul_devstore::{Connect, Content, Fault, Object, Origin};

use crate::common::{self, Bench, HALF, Ran, SIZE};

/// How many cases of one table run at once: they wait more than they work.
const AT_ONCE: usize = 5;
/// What stands at the target before a case that must fail.
const OLD: &[u8] = b"an older file, which is somebody's";
/// How much more than what is missing a second run may make the origin hand to the kernel.
const SLACK: u64 = 64 << 10;

/// The usual object.
pub(crate) fn object() -> Object {
    Object::seeded(1, SIZE)
}

/// Another version of it, of the same size.
pub(crate) fn other() -> Object {
    Object::seeded(2, SIZE)
}

/// What a case is run on: one origin for the object at `/file`, one for what lies elsewhere.
pub(crate) struct Stage {
    pub(crate) bench: Bench,
    pub(crate) elsewhere: Origin,
}

type Setup = Box<dyn Fn(&Stage) + Send + Sync>;
type Check = Box<dyn Fn(&Stage, &Ran) -> Result<(), String> + Send + Sync>;

/// What the origin may have sent in the run.
enum Served {
    Any,
    Exactly(u64),
    AtMost(u64),
}

/// One line of the table.
pub(crate) struct Case {
    name: String,
    object: Object,
    held: Option<u64>,
    setup: Vec<Setup>,
    target: String,
    args: Vec<String>,
    retries: u32,
    old: bool,
    code: i32,
    verdict: String,
    served: Served,
    content: Option<Content>,
    checks: Vec<Check>,
    then: Option<String>,
    then_code: i32,
    healthy: Option<Object>,
}

/// A download of [`object`] from `/file`; by default nothing is wrong and it ends well.
pub(crate) fn case(name: impl Into<String>) -> Case {
    Case {
        name: name.into(),
        object: object(),
        held: None,
        setup: Vec::new(),
        target: "/file".to_owned(),
        args: Vec::new(),
        retries: 2,
        old: false,
        code: 0,
        verdict: "validator".to_owned(),
        served: Served::Any,
        content: None,
        checks: Vec::new(),
        then: None,
        then_code: 0,
        healthy: None,
    }
}

/// A download of which [`HALF`] is held from a run before.
pub(crate) fn resume(name: impl Into<String>) -> Case {
    case(name).held(HALF)
}

impl Case {
    /// What lies at `/file`.
    pub(crate) fn object(mut self, object: Object) -> Case {
        self.object = object;
        self
    }

    /// A run before was cut after so many bytes, and keeps them.
    pub(crate) fn held(mut self, bytes: u64) -> Case {
        self.held = Some(bytes);
        self
    }

    /// One fault for each request, then correct answers.
    pub(crate) fn faults(self, faults: Vec<Fault>) -> Case {
        self.setup(move |stage| stage.bench.origin.script("/file", faults.clone()))
    }

    /// One fault, then correct answers.
    pub(crate) fn once(self, fault: Fault) -> Case {
        self.faults(vec![fault])
    }

    /// The same fault for every request.
    pub(crate) fn always(self, fault: Fault) -> Case {
        self.setup(move |stage| stage.bench.origin.always("/file", fault.clone()))
    }

    /// Something else lies at `/file` now.
    pub(crate) fn replaced(self, object: Object) -> Case {
        self.setup(move |stage| stage.bench.origin.put("/file", object.clone()))
    }

    /// Anything else to be done before the run.
    pub(crate) fn setup(mut self, setup: impl Fn(&Stage) + Send + Sync + 'static) -> Case {
        self.setup.push(Box::new(setup));
        self
    }

    /// What is asked for in place of `/file`.
    pub(crate) fn target(mut self, target: impl Into<String>) -> Case {
        self.target = target.into();
        self
    }

    pub(crate) fn args(mut self, args: &[&str]) -> Case {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    pub(crate) fn retries(mut self, retries: u32) -> Case {
        self.retries = retries;
        self
    }

    /// How it ends: the exit code, and the words of [`Ran::verdict`].
    pub(crate) fn ends(mut self, code: i32, verdict: &str) -> Case {
        self.code = code;
        verdict.clone_into(&mut self.verdict);
        self.old = code != 0;
        self
    }

    /// So many body bytes were handed to the kernel in this run.
    pub(crate) fn served(mut self, bytes: u64) -> Case {
        self.served = Served::Exactly(bytes);
        self
    }

    /// At most so many.
    pub(crate) fn served_at_most(mut self, bytes: u64) -> Case {
        self.served = Served::AtMost(bytes);
        self
    }

    /// What the file then is, if not the object of the beginning.
    pub(crate) fn is(mut self, content: &Content) -> Case {
        self.content = Some(content.clone());
        self
    }

    pub(crate) fn check(mut self, check: impl Fn(&Stage, &Ran) -> Result<(), String> + Send + Sync + 'static) -> Case {
        self.checks.push(Box::new(check));
        self
    }

    /// How the same command ends when the origin is healthy again, if not as one would think.
    pub(crate) fn then(mut self, verdict: &str) -> Case {
        self.then = Some(verdict.to_owned());
        self
    }

    /// The same command fails in the same way for ever.
    pub(crate) fn then_fails(mut self, code: i32, verdict: &str) -> Case {
        self.then = Some(verdict.to_owned());
        self.then_code = code;
        self
    }

    /// What lies at `/file` when the origin is healthy again, if not the object of the beginning.
    pub(crate) fn healthy(mut self, object: Object) -> Case {
        self.healthy = Some(object);
        self
    }
}

/// Runs all cases; prints the table; fails with the reports of all that are wrong.
pub(crate) fn run(title: &str, cases: Vec<Case>) {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(index) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|index| *index < cases.len())
                {
                    let result = one(&cases[index]);
                    results.lock().unwrap().push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap();
    results.sort_by_key(|(index, _)| *index);
    assert_eq!(results.len(), cases.len(), "a case did not come back");
    let mut table = format!("\n{title}\n");
    let mut reports = String::new();
    for (index, result) in &results {
        table += &result.row;
        for problem in &result.problems {
            reports += &format!("\n## {}: {problem}\n{}\n", cases[*index].name, result.report);
        }
    }
    println!("{table}");
    assert!(reports.is_empty(), "{reports}");
}

struct Outcome {
    row: String,
    problems: Vec<String>,
    report: String,
}

fn one(case: &Case) -> Outcome {
    let stage = Stage { bench: Bench::new(), elsewhere: Origin::start() };
    let (bench, origin) = (&stage.bench, &stage.bench.origin);
    let mut problems = Vec::new();
    origin.put("/file", case.object.clone());
    if case.old {
        fs::write(bench.file(), OLD).unwrap();
    }
    if let Some(held) = case.held {
        origin.script("/file", vec![Fault::Cut { after: held }]);
        let first = command(case, &stage, 0);
        origin.script("/file", Vec::new());
        if (first.code(), first.held()) != (10, held) {
            problems.push(format!("the run before ended with {} holding {}", first.verdict(), first.held()));
        }
    }
    for setup in &case.setup {
        setup(&stage);
    }

    let before = (bench.served(), origin.requests());
    let ran = command(case, &stage, case.retries);
    let report = ran.report(bench);
    let served = bench.served() - before.0;
    let requests = origin.requests() - before.1;
    judge(case, &stage, &ran, served, &mut problems);

    let mut row =
        format!("{:<62} {:>3} {:<44} {served:>9} bytes in {requests} requests", case.name, ran.code(), ran.verdict());
    if case.code != 0 {
        let (again, more) = heal(case, &stage);
        row += &format!("; then {} {}, {more} bytes", again.code(), again.verdict());
        judge_again(case, &stage, &ran, &again, more, &mut problems);
    }
    row += if problems.is_empty() { "\n" } else { "   <-- WRONG\n" };
    Outcome { row, problems, report }
}

fn command(case: &Case, stage: &Stage, retries: u32) -> Ran {
    let target = case.target.replace("ELSEWHERE", &stage.elsewhere.address().to_string());
    let url = if target.starts_with('/') { stage.bench.origin.url(&target) } else { target };
    let url = url.replace("ORIGIN", &stage.bench.origin.address().to_string());
    // Alone, so that the case says which request meets which fault. What several connections make of faults is told in
    // `connections`.
    let mut get = stage.bench.get_url(url).retries(retries).alone().args(&case.args);
    if case.old {
        get = get.arg("--overwrite");
    }
    get.run()
}

/// The same command when everything is well again; what was served for it.
fn heal(case: &Case, stage: &Stage) -> (Ran, u64) {
    let origin = &stage.bench.origin;
    origin.accept_again();
    origin.every_connect(Connect::Serve);
    origin.script("/file", Vec::new());
    origin.put("/file", case.healthy.as_ref().unwrap_or(&case.object).clone());
    let before = stage.bench.served();
    let again = command(case, stage, case.retries);
    (again, stage.bench.served() - before)
}

fn judge(case: &Case, stage: &Stage, ran: &Ran, served: u64, problems: &mut Vec<String>) {
    let bench = &stage.bench;
    problems.extend(ran.unsound().map(ToOwned::to_owned));
    if (ran.code(), ran.verdict()) != (case.code, case.verdict.clone()) {
        problems.push(format!("it should end with {} {}", case.code, case.verdict));
    }
    match case.served {
        Served::Exactly(bytes) if served != bytes => problems.push(format!("{served} bytes served and not {bytes}")),
        Served::AtMost(bytes) if served > bytes => problems.push(format!("{served} bytes served, over {bytes}")),
        _ => {}
    }
    let kept = ran.code() != 0 && ran.verdict().ends_with("kept");
    if ran.code() == 0 {
        let content = case.content.as_ref().unwrap_or(&case.object.content);
        problems.extend(wrong(content, &bench.file()));
    } else if case.old {
        match fs::read(bench.file()) {
            Ok(bytes) if bytes == OLD => {}
            other => problems.push(format!("the older target was touched: {} bytes", other.map_or(0, |b| b.len()))),
        }
    } else if bench.file().exists() {
        problems.push("something stands at the target".to_owned());
    }
    if kept && !(bench.log().exists() && bench.part().exists()) {
        problems.push("it says that state is kept, and there is none".to_owned());
    }
    let ours = ["file.lhpart", "file.lhlog", "file.lhnext"];
    let mut allowed = BTreeSet::from(["file".to_owned()]);
    if ran.code() != 0 {
        allowed.extend(ours.map(ToOwned::to_owned));
    }
    let strays: Vec<String> = common::names(&bench.folder()).difference(&allowed).cloned().collect();
    if !strays.is_empty() {
        problems.push(format!("these should not be in the folder: {strays:?}"));
    }
    let outside = common::names(bench.root());
    if outside != BTreeSet::from(["out", "runs", "state"].map(ToOwned::to_owned)) {
        problems.push(format!("something was written outside: {outside:?}"));
    }
    for check in &case.checks {
        if let Err(problem) = check(stage, ran) {
            problems.push(problem);
        }
    }
}

fn judge_again(case: &Case, stage: &Stage, ran: &Ran, again: &Ran, served: u64, problems: &mut Vec<String>) {
    let object = case.healthy.as_ref().unwrap_or(&case.object);
    let held = ran.held();
    let want = match &case.then {
        Some(then) => then.clone(),
        None if held > 0 => "validator, resumed".to_owned(),
        None => "validator".to_owned(),
    };
    let mut wrongs: Vec<String> = again.unsound().map(ToOwned::to_owned).into_iter().collect();
    if (again.code(), again.verdict()) != (case.then_code, want.clone()) {
        wrongs.push(format!("it should end with {} {want}", case.then_code));
    }
    if case.then_code == 0 {
        wrongs.extend(wrong(&object.content, &stage.bench.file()));
    }
    if want.ends_with("resumed") && served > object.content.len() - held + SLACK {
        wrongs.push(format!("{served} bytes served although {held} were held"));
    }
    let left = common::names(&stage.bench.folder());
    if case.then_code == 0 && left != BTreeSet::from(["file".to_owned()]) {
        wrongs.push(format!("left in the folder: {left:?}"));
    }
    problems.extend(wrongs.iter().map(|wrong| format!("the run after it: {wrong}\n{}", again.report(&stage.bench))));
}

fn wrong(content: &Content, file: &Path) -> Option<String> {
    match content.first_difference_in_file(file) {
        Ok(None) => None,
        Ok(Some(at)) => Some(format!("the file is wrong from byte {at} on")),
        Err(error) => Some(format!("the file cannot be read: {error}")),
    }
}

/// Fails unless something was said on stderr or in an event.
pub(crate) fn says(what: &'static str) -> impl Fn(&Stage, &Ran) -> Result<(), String> {
    move |_, ran| match ran.stderr.contains(what) || ran.stdout.contains(what) {
        true => Ok(()),
        false => Err(format!("it does not say {what:?}")),
    }
}

/// Fails when the run was over too early.
pub(crate) fn took(least: Duration) -> impl Fn(&Stage, &Ran) -> Result<(), String> {
    move |_, ran| match ran.elapsed >= least {
        true => Ok(()),
        false => Err(format!("it was over after {:?}", ran.elapsed)),
    }
}

//! A server that allows so many connections and refuses others: that is no failure, and the next start knows.

use longhaul_devstore::{Fault, Object};

use super::{LEN, paced};
use crate::common::{Bench, Ran, SIZE};

/// Whatever it answers to those beyond.
fn refusals() -> [(&'static str, Fault); 3] {
    [("503", Fault::status(503)), ("429", Fault::retry_after(429, 2)), ("a reset", Fault::reset())]
}

/// Each connection brings so many MiB a second.
fn crowded(most: usize, refusal: &Fault, rate: u64) -> Bench {
    let bench = Bench::new();
    for path in ["/file", "/next"] {
        bench.origin.put(path, Object::seeded(1, LEN));
        bench.origin.always(path, paced(rate));
        bench.origin.at_most(path, most, refusal.clone());
    }
    bench
}

/// How many requests of a path were not served.
fn refused(bench: &Bench, path: &str) -> usize {
    bench.origin.log().iter().filter(|seen| seen.target == path && seen.status != Some(206)).count()
}

#[test]
fn a_server_that_allows_few_connections_is_no_failure_and_is_remembered() {
    // By itself it asks for one more when one has shown what it can, and much is left; beyond a known limit after 5 s.
    for (most, connections, rate) in [(1, "auto", 10), (2, "4", 16), (4, "8", 16), (1, "16", 16)] {
        for (refusal, fault) in refusals() {
            let case = format!("{most} allowed, -x {connections}, others get {refusal}");
            let bench = crowded(most, &fault, rate);
            let ran = bench.get().connections(connections).run();
            ran.expect(&bench, 0, "validator");
            bench.assert_published(&Object::seeded(1, LEN).content, &ran);
            assert!(refused(&bench, "/file") > 0, "{case}: nothing was refused: {}", ran.report(&bench));
            let limited = ran.event("limited").unwrap_or_else(|| panic!("{case}: {}", ran.report(&bench)));
            assert_eq!(limited["connections"], most, "{case}: {}", ran.report(&bench));
            assert!(limited["reason"].as_str().is_some_and(|reason| reason.len() > 3), "{case}: {limited}");
            assert_eq!(std::fs::read_dir(bench.state().join("hosts")).unwrap().count(), 1, "{case}");

            // Another object of the same origin, in another process.
            let next = bench.get_url(bench.origin.url("/next")).arg("--overwrite").connections(connections).run();
            next.expect(&bench, 0, "validator");
            assert_eq!((refused(&bench, "/next"), told(&next)), (0, 0), "{case}: {}", next.report(&bench));
        }
    }
}

/// Other ways to say so, each of which would be the end if it was said to the only request. Also on resume, where
/// several requests go out before the first one is answered. Nothing is remembered of the host: it may have meant
/// something else.
#[test]
fn a_refusal_of_one_more_is_no_end_whatever_the_status() {
    let page = Fault::status_with(200, &[("Content-Type", "text/html")], "<html>one connection at a time</html>");
    let mut refusals: Vec<(String, Fault)> =
        [400, 401, 403, 404, 410, 416, 501].map(|status| (status.to_string(), Fault::status(status))).into();
    refusals.push(("a page".into(), page));
    for (refusal, fault) in refusals {
        let bench = crowded(1, &fault, 16);
        let ran = bench.get().connections("4").retries(0).run();
        ran.expect(&bench, 0, "validator");
        bench.assert_published(&Object::seeded(1, LEN).content, &ran);
        assert!(refused(&bench, "/file") > 0, "{refusal}: nothing was refused: {}", ran.report(&bench));
        let known = std::fs::read_dir(bench.state().join("hosts")).map_or(0, Iterator::count);
        assert_eq!(known, 0, "{refusal}: {}", ran.report(&bench));

        let held = 12 << 20;
        bench.origin.script("/next", vec![Fault::Cut { after: held }]);
        let get = || bench.get_url(bench.origin.url("/next")).arg("--overwrite").retries(0);
        get().alone().run().expect(&bench, 10, "network, kept");
        bench.origin.script("/next", Vec::new());
        bench.origin.always("/next", paced(16));
        let ran = get().connections("4").run();
        ran.expect(&bench, 0, "validator, resumed");
        assert!(refused(&bench, "/next") > 0, "{refusal}: nothing was refused: {}", ran.report(&bench));
    }
}

fn told(ran: &Ran) -> usize {
    ran.events.iter().filter(|event| event["event"] == "limited").count()
}

/// A refusal while nobody else is served is a failure as it always was: it is waited for, and tells no limit.
#[test]
fn a_refusal_of_the_only_request_is_no_limit() {
    let bench = Bench::new();
    bench.origin.put("/file", Object::seeded(1, SIZE));
    bench.origin.script("/file", vec![Fault::status(503), Fault::reset()]);
    let ran = bench.get().connections("auto").run();
    ran.expect(&bench, 0, "validator, retried");
    assert_eq!(told(&ran), 0, "{}", ran.report(&bench));
}

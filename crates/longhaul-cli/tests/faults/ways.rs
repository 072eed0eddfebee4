//! Where a redirect leads, what is sent there, and pages that take the object's place.

use longhaul_devstore::{Fault, Object, refuse};

use crate::common::{Bench, Get, HALF, Ran, SIZE};
use crate::table::{Case, Stage, case, object, resume, run, says};

const REST: u64 = SIZE - HALF;

fn redirect(location: &str) -> Fault {
    Fault::redirect(302, location)
}

/// `/file` leads to `/real`, where the object lies.
fn led(code: u16, location: &'static str) -> Case {
    case(format!("{code} to {location}")).setup(move |stage| {
        stage.bench.origin.put("/real", object());
        stage.bench.origin.always("/file", Fault::redirect(code, location));
    })
}

fn refused(name: &str, location: &'static str) -> Case {
    resume(name).always(redirect(location)).ends(11, "refused, kept").served(0)
}

/// `/file` leads to another host, where the object lies.
fn abroad(name: &str, location: &'static str) -> Case {
    case(name).setup(move |stage| {
        stage.elsewhere.put("/real", object());
        let location = location.replace("ELSEWHERE", &stage.elsewhere.address().to_string());
        stage.bench.origin.always("/file", redirect(&location));
    })
}

/// The fields of all requests that came elsewhere.
fn arrived(stage: &Stage) -> Vec<(String, String)> {
    let log = stage.elsewhere.log();
    let of = |seen: &longhaul_devstore::Seen| {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        seen.headers.iter().map(|(name, value)| (name.to_lowercase(), text(value))).collect::<Vec<_>>()
    };
    log.iter().flat_map(of).collect()
}

fn nothing_secret_arrived(stage: &Stage, _: &Ran) -> Result<(), String> {
    let fields = arrived(stage);
    let banned = |name: &str| {
        ["authorization", "cookie", "referer", "proxy-authorization"].contains(&name)
            || name.starts_with("x-oss-")
            || name.starts_with("x-amz-")
            || name.starts_with("x-api")
    };
    let leaked = fields.iter().find(|(name, value)| banned(name) || value.contains("s3cret"));
    match (fields.is_empty(), leaked) {
        (true, _) => Err("no request came elsewhere".to_owned()),
        (_, Some(leaked)) => Err(format!("sent to another host: {leaked:?}")),
        _ => Ok(()),
    }
}

fn home_got(name: &'static str, value: &'static str) -> impl Fn(&Stage, &Ran) -> Result<(), String> {
    move |stage, _| match stage.bench.origin.log().iter().all(|seen| seen.header(name) == Some(value)) {
        true => Ok(()),
        false => Err(format!("the origin was not sent {name}: {value}")),
    }
}

#[test]
#[rustfmt::skip] // a line for each case
fn redirects() {
    let hops = |count: usize| move |stage: &Stage| {
        let origin = &stage.bench.origin;
        origin.always("/file", redirect("/hop1"));
        for hop in 1..count {
            origin.always(&format!("/hop{hop}"), redirect(&format!("/hop{}", hop + 1)));
        }
        origin.put(&format!("/hop{count}"), object());
    };
    let secrets = ["-H", "Authorization: Bearer s3cret", "-H", "Cookie: id=s3cret", "-H", "x-oss-security-token: s3cret", "-H", "x-amz-security-token: s3cret", "-H", "X-Api-Key: s3cret"];
    run("redirects", vec![
        led(301, "/real").served(SIZE), led(302, "real").served(SIZE), led(303, "/real?q=1#f").served(SIZE),
        led(307, "/a/../real").served(SIZE), led(308, "//ORIGIN/real").setup(|stage| {
            stage.bench.origin.always("/file", redirect(&format!("//{}/real", stage.bench.origin.address())));
        }).served(SIZE),
        case("20 hops").setup(hops(20)).served(SIZE),
        case("21 hops").setup(hops(21)).ends(11, "refused").served(0),
        refused("to itself", "/file"),
        resume("in a circle of three").always(redirect("/b")).setup(|stage| {
            stage.bench.origin.always("/b", redirect("/c"));
            stage.bench.origin.always("/c", redirect("/file"));
        }).ends(11, "refused, kept").served(0),
        refused("to ftp", "ftp://127.0.0.1/file"),
        refused("to a local file", "file:///etc/passwd"),
        refused("to data", "data:text/plain,hello"),
        refused("to javascript", "javascript:alert(1)"),
        refused("to what is no URL", "http://[nonsense"),
        refused("to an empty Location", ""),
        resume("without a Location").always(Fault::status(302)).ends(11, "refused, kept").served(0),
        resume("to a Location of 100 KB").always(redirect(&"/x".repeat(50_000))).ends(11, "refused, kept").served(0),
        resume("300 with a Location").always(Fault::redirect(300, "/real")).ends(11, "refused, kept"),
        resume("to https where nobody speaks TLS").setup(|stage| {
            let location = format!("https://{}/real", stage.elsewhere.address());
            stage.bench.origin.always("/file", redirect(&location));
        }).ends(10, "network, kept").served(0),
        resume("to a port that refuses").setup(|stage| {
            stage.elsewhere.refuse();
            stage.bench.origin.always("/file", redirect(&stage.elsewhere.url("/real")));
        }).ends(10, "network, kept").served(0),
        resume("to where it is not found").always(redirect("/nothing")).ends(3, "not_found, kept"),
        abroad("to another host", "http://ELSEWHERE/real").check(nothing_secret_arrived),
        abroad("to another host, headers given", "http://ELSEWHERE/real").args(&secrets).check(nothing_secret_arrived).check(home_got("Authorization", "Bearer s3cret")).check(home_got("x-oss-security-token", "s3cret")),
        abroad("to another host, --user given", "http://ELSEWHERE/real").args(&["-u", "me:s3cret"]).check(nothing_secret_arrived).check(home_got("Authorization", "Basic bWU6czNjcmV0")),
        abroad("to another host, userinfo in the URL", "http://ELSEWHERE/real").target("http://me:s3cret@ORIGIN/file").check(nothing_secret_arrived).check(home_got("Authorization", "Basic bWU6czNjcmV0")),
        abroad("to another host, userinfo in the Location", "http://you:s3cret@ELSEWHERE/real").check(nothing_secret_arrived),
        abroad("to another host and home again", "http://ELSEWHERE/back").args(&["-u", "me:s3cret"]).setup(|stage| {
            stage.elsewhere.always("/back", redirect(&stage.bench.origin.url("/real")));
            stage.bench.origin.put("/real", object());
        }).check(nothing_secret_arrived).check(|stage, _| {
            match stage.bench.origin.log().iter().find(|seen| seen.target == "/real").map(|seen| seen.header("Authorization").is_none()) {
                Some(true) => Ok(()),
                other => Err(format!("another host sent us home with credentials: {other:?}")),
            }
        }),
        case("no Referer on the way").setup(|stage| {
            stage.bench.origin.put("/real", object());
            stage.bench.origin.always("/file", redirect("/real"));
        }).check(|stage, _| match stage.bench.origin.log().iter().any(|seen| seen.header("Referer").is_some()) {
            false => Ok(()),
            true => Err("a Referer was sent".to_owned()),
        }),
        resume("a link signed anew at each redirect").setup(|stage| {
            stage.elsewhere.put("/signed", object());
            stage.elsewhere.choose("/signed", |request| {
                // Good for one request.
                match request.query("Signature").is_some_and(|signature| signature == request.nth.to_string()) {
                    true => Fault::Cut { after: 1_000_000 },
                    false => Fault::answer(refuse::expired_link()),
                }
            });
            let elsewhere = stage.elsewhere.url("");
            stage.bench.origin.choose("/file", move |request| {
                redirect(&format!("{elsewhere}/signed?Signature={}", request.nth - 1)) // the run before was the first
            });
        }).ends(0, "validator, resumed, retried"),
        resume("cut behind a redirect: back to the stable URL").setup(|stage| {
            stage.elsewhere.put("/real", object());
            stage.elsewhere.script("/real", vec![Fault::Cut { after: 100_000 }]);
            stage.bench.origin.always("/file", redirect(&stage.elsewhere.url("/real")));
        }).ends(0, "validator, resumed, retried").check(|stage, _| match stage.bench.origin.requests() {
            3 => Ok(()), // the run before, and two of this one
            requests => Err(format!("the stable URL was asked {requests} times")),
        }),
    ]);
}

#[test]
#[rustfmt::skip] // a line for each case
fn portals_and_error_pages() {
    let page = refuse::portal_page();
    let html = Object::new(page.body.clone()).content_type("text/html");
    let checksum = ["--checksum", &format!("sha256:{}", object().content.sha256())];
    let xml = Fault::status_with(200, &[("Content-Type", "application/xml")], "<Error><Code>SlowDown</Code></Error>");
    run("portals and error pages", vec![
        resume("a portal, once").once(Fault::Portal).ends(0, "validator, resumed, retried").served(REST + page.body.len()),
        resume("a portal, always").always(Fault::Portal).ends(5, "portal, kept").check(says("login page")),
        resume("a portal that says 206").always(Fault::Portal.and(Fault::Relabel(206))).ends(11, "refused, kept"),
        resume("a portal that says 511").always(Fault::status(511)).ends(5, "portal, kept"),
        resume("a redirect to a portal").setup(|stage| {
            stage.elsewhere.put("/login", Object::new(refuse::portal_page().body).content_type("text/html").no_validators());
            stage.bench.origin.always("/file", redirect(&stage.elsewhere.url("/login")));
        }).ends(5, "portal, kept"),
        case("a portal between two cuts").faults(vec![Fault::Cut { after: HALF }, Fault::Portal, Fault::Cut { after: 1000 }, Fault::Portal]).ends(0, "validator, retried"),
        case("a portal at first, and a digest").once(Fault::Portal).args(&checksum).ends(0, "sha256, restarted (digest_mismatch)"),
        case("a portal always, and a digest").always(Fault::Portal).args(&checksum).ends(7, "integrity, kept").then("sha256, resumed, restarted (digest_mismatch)"),
        case("an HTML object").object(html.clone()).ends(0, "validator"),
        case("an HTML object that changed").object(Object::seeded(5, SIZE).content_type("text/html")).held(HALF).replaced(html.clone()).ends(0, "validator, resumed, restarted (changed)").is(&html.content),
        resume("an error page that says 200, once").once(xml.clone()).ends(0, "validator, resumed, retried"),
        resume("an error page that says 200, always").always(xml).ends(11, "refused, kept"),
        resume("an HTML page that says 503").once(Fault::status_with(503, &[("Content-Type", "text/html")], "<html>maintenance</html>")).ends(0, "validator, resumed, retried"),
        resume("an HTML page that says 404").always(Fault::status_with(404, &[("Content-Type", "text/html")], "<html>no such page</html>")).ends(3, "not_found, kept"),
    ]);
}

fn get<'b>(bench: &'b Bench, path: &str) -> Get<'b> {
    bench.get_url(bench.origin.url(path)).into_dir(bench.folder()).retries(1)
}

/// A page where a file was asked for by name: told, and refused when a redirect led to it. What may well be a page, or
/// comes under a wrong type, is neither.
#[test]
fn a_page_in_place_of_a_file() {
    let page = || Object::new(refuse::portal_page().body).content_type("text/html; charset=utf-8").no_validators();
    let typed = || object().content_type("text/html");
    let led = |bench: &Bench, to: &str, object: Object| {
        bench.origin.always("/data.zip", redirect(to));
        bench.origin.put(to.split('?').next().unwrap(), object);
    };
    let warns = |ran: &Ran| ran.events.iter().any(|event| event["event"] == "warning");

    for (path, warned) in [
        ("/data.zip", true),
        ("/DATA.TAR.GZ", true),
        ("/paper.pdf", true),
        ("/index.html", false),
        ("/index.htm", false),
        ("/download.php", false),
        ("/view.aspx", false),
        ("/release-1.2", false),
        ("/data", false),
        ("/", false),
    ] {
        let bench = Bench::new();
        bench.origin.put(path, page());
        let ran = get(&bench, path).run();
        ran.expect_code(&bench, 0);
        assert_eq!(warns(&ran), warned, "{path}: {}", ran.report(&bench));
    }

    // The file's own name says it, whatever the address is called; or that a page is wanted.
    let bench = Bench::new();
    bench.origin.put("/uc", page());
    assert!(warns(&bench.get_url(bench.origin.url("/uc?id=7")).to(bench.folder().join("model.tar.gz")).run()));
    bench.origin.put("/notice.zip", page());
    assert!(!warns(&bench.get_url(bench.origin.url("/notice.zip")).to(bench.folder().join("notice.html")).run()));

    // Led to a page: no file, and nothing is kept.
    let bench = Bench::new();
    led(&bench, "/login?next=%2Fdata.zip", page());
    let ran = get(&bench, "/data.zip").run();
    ran.expect(&bench, 5, "portal");
    assert!(ran.stderr.contains("HTML page"), "{}", ran.report(&bench));
    assert!(crate::common::names(&bench.folder()).is_empty(), "{}", ran.report(&bench));

    // Led to the file under another path, which the server calls a page: told, and had.
    for (to, object) in
        [("/mirror/data.zip", typed()), ("/get.php", typed().content_disposition("attachment; filename=\"data.zip\""))]
    {
        let bench = Bench::new();
        led(&bench, to, object);
        let ran = get(&bench, "/data.zip").run();
        ran.expect_code(&bench, 0);
        assert!(warns(&ran), "{to}: {}", ran.report(&bench));
    }

    // A digest decides.
    let bench = Bench::new();
    led(&bench, "/serve.php", typed());
    let sum = format!("sha256:{}", object().content.sha256());
    get(&bench, "/data.zip").args(["--checksum", &sum]).run().expect(&bench, 0, "sha256");
}

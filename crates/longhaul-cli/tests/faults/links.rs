//! Links that expire, credentials that are wanted.

use longhaul_devstore::{Answer, Fault, Object, refuse};

use crate::common::{Bench, HALF, Ran, SIZE};
use crate::table::{Case, Stage, case, object, resume, run, says};

const REST: u64 = SIZE - HALF;

fn refused(name: &str, answer: Answer) -> Case {
    resume(name).always(Fault::answer(answer))
}

/// The same, but of a link that carries a signature.
fn signed(name: &str, answer: Answer) -> Case {
    refused(name, answer).target("/file?Expires=1700000000&OSSAccessKeyId=k&Signature=abcdefghijklmnopqrstuvwx%3D")
}

/// A link that tells its end in the query, and is refused from the beginning.
fn dated(query: &str) -> Case {
    let link = format!("/file?md5=u9Dw3kQ0bZ1xT7rV5yNmAq&{}", query.replace("OVER", "u9Dw3kQ0bZ1xT7rV5yNmAq"));
    let silent = |_: &Stage, ran: &Ran| match format!("{}{}", ran.stdout, ran.stderr).contains("u9Dw3k") {
        true => Err("it tells a secret".to_owned()),
        false => Ok(()),
    };
    case(format!("a link with {query}"))
        .target(link)
        .always(Fault::answer(refuse::denied()))
        .ends(5, "needs_link")
        .check(silent)
}

#[test]
#[rustfmt::skip] // a line for each case
fn refusals() {
    let basic = || object().requires_basic("me", "pw");
    run("links and credentials", vec![
        refused("401", refuse::unauthorized()).ends(5, "needs_link, kept").served_at_most(1000).check(says("or give credentials")),
        refused("403", refuse::denied()).ends(5, "needs_link, kept").check(says("it worked in an earlier run")).check(says("MiB are kept")),
        refused("407", Answer::status(407)).ends(4, "denied, kept"),
        refused("400 ExpiredToken", refuse::expired_token()).ends(5, "needs_link, kept"),
        refused("403 SecurityTokenExpired", refuse::expired_token_oss()).ends(5, "needs_link, kept"),
        refused("403 RequestTimeTooSkewed", refuse::skewed()).ends(5, "needs_link, kept"),
        signed("403 of a signed link, OSS", refuse::expired_link()).ends(5, "needs_link, kept").check(says("fresh link")),
        signed("403 of a signed link, S3", refuse::expired_link_s3()).ends(5, "needs_link, kept"),
        signed("403 of a signed link, wrong signature", refuse::wrong_signature()).ends(5, "needs_link, kept"),
        signed("401 of a signed link", refuse::unauthorized()).ends(5, "needs_link, kept"),
        signed("404 of a signed link", refuse::no_such_key()).ends(3, "not_found, kept"),
        case("a signed link, expired from the beginning").always(Fault::answer(refuse::expired_link())).target("/file?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0123456789abcdef0123456789abcdef").ends(5, "needs_link"),
        dated("expires=1700000000").check(says("by its own words it expired")),
        dated("Expires=1700000000000"),
        dated("e=1700000000&st=OVER"),
        dated("exp=2023-11-14T22:13:20Z"),
        dated("X-Amz-Date=20231114T221320Z&X-Amz-Expires=60"),
        dated("sv=2022-11-02&sig=OVER&se=2023-11-14T22%3A13%3A20Z"),
        dated("hdnea=exp=1700000000~acl=/*~hmac=OVER"),
        dated("expires=9700000000").ends(4, "denied").check(says("access denied")),
        dated("expires=3600").ends(4, "denied"),
        case("a link that is refused in the middle").faults([vec![Fault::Cut { after: HALF }], vec![Fault::answer(refuse::denied()); 9]].concat()).ends(5, "needs_link, kept").check(says("it worked earlier in this run")).check(says("MiB are kept")),
        refused("401 of a download with a password", refuse::unauthorized()).object(basic()).args(&["-u", "me:pw"]).ends(4, "denied, kept").check(says("the user or password was refused")),
        refused("403 of a download with a token", refuse::denied()).args(&["-H", "X-Token: t"]).ends(4, "denied, kept").check(says("with the headers that were given")),
        case("401 from the beginning").always(Fault::answer(refuse::unauthorized())).ends(4, "denied").check(says("--netrc")),
        case("404 from the beginning").always(Fault::answer(refuse::no_such_key())).ends(3, "not_found"),
        case("a 403 without end").always(Fault::status(403).and(Fault::Endless)).ends(4, "denied"),
        case("a password that fits").object(basic()).args(&["-u", "me:pw"]).served(SIZE),
        case("a password in the URL").object(basic()).target("http://me:pw@ORIGIN/file").served(SIZE),
        case("a password that does not").object(basic()).args(&["-u", "me:other"]).ends(4, "denied").healthy(object()).check(says("the user or password was refused")),
        case("a token that fits").object(object().requires_header("Authorization", "Bearer t", refuse::unauthorized())).args(&["-H", "Authorization: Bearer t"]).served(SIZE),
    ]);
}

/// The link expires in the middle; a fresh one, with other query values, goes on where the old one stopped.
#[test]
fn a_fresh_link_resumes_without_fetching_again() {
    for (old, fresh) in [
        (
            "/file?Expires=1700000000&OSSAccessKeyId=k&Signature=b2xkIG9sZCBvbGQgb2xkIG9s",
            "/file?Expires=1800000000&OSSAccessKeyId=k&Signature=bmV3IG5ldyBuZXcgbmV3IG5l",
        ),
        (
            "/file?X-Amz-Date=20200101T000000Z&X-Amz-Expires=60&X-Amz-Signature=00000000000000000000000000000000",
            "/file?X-Amz-Date=20300101T000000Z&X-Amz-Expires=60&X-Amz-Signature=11111111111111111111111111111111",
        ),
    ] {
        let bench = Bench::new();
        let (name, value) = fresh.split(['?', '&']).next_back().unwrap().split_once('=').unwrap();
        let link = |object: Object| object.requires_query(name, value);
        bench.origin.put("/file", object());
        bench.origin.script("/file", vec![Fault::Cut { after: HALF }]);
        bench.get_url(bench.origin.url(old)).retries(0).run().expect(&bench, 10, "network, kept");
        bench.origin.put("/file", link(object()));

        let expired = bench.get_url(bench.origin.url(old)).run();
        expired.expect(&bench, 5, "needs_link, kept");
        assert_eq!(expired.held(), HALF, "{}", expired.report(&bench));

        let before = bench.served();
        let ran = bench.get_url(bench.origin.url(fresh)).run();
        ran.expect(&bench, 0, "validator, resumed");
        assert_eq!(bench.served() - before, REST, "{}", ran.report(&bench));
        bench.assert_published(&object().content, &ran);
    }
}

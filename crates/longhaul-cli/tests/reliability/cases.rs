//! What is done to the clients. A case is a sentence on the page and what the origin does.

use std::ops::Range;

use longhaul_devstore::{Chunks, Connect, Fault, Heeds, Object, Origin, Ranges, refuse};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 8 * MIB + 123;
/// The object for several connections: some pieces for each.
const LARGE: u64 = 40 * MIB + 123;
/// Where it is interrupted.
const HALF: u64 = 5 * MIB + 77;

/// One line of a table.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What is done, in a sentence.
    pub(crate) done: String,
    pub(crate) object: Object,
    /// A run that is killed, and what happens before the next.
    pub(crate) before: Option<Before>,
    /// What is arranged for the run that counts.
    pub(crate) faults: Box<dyn Fn(&Origin) + Send + Sync>,
    /// The version that lies there in the end, if not the first.
    new: Option<Object>,
    /// One that was there between.
    between: Option<Object>,
    /// The client is given the SHA-256 of what lies there in the end.
    pub(crate) digest: bool,
}

/// A run that is killed when so many bytes were received.
pub(crate) struct Before {
    pub(crate) held: u64,
    pub(crate) then: Vec<Then>,
}

/// What happens between two runs.
pub(crate) enum Then {
    /// What lies there in the end takes the object's place.
    Replaced,
    /// The partial file is cut to so many bytes …
    Truncated(u64),
    /// … has zeros there …
    Zeroed(Range<u64>),
    /// … has so many more bytes …
    Extended(u64),
    /// … is gone.
    Deleted,
}

impl Case {
    /// What lies there in the end.
    pub(crate) fn last(&self) -> &Object {
        self.new.as_ref().unwrap_or(&self.object)
    }

    /// Everything that is a right file.
    pub(crate) fn versions(&self) -> impl Iterator<Item = &Object> {
        [&self.object, self.last()].into_iter().chain(&self.between)
    }

    fn object(mut self, object: Object) -> Case {
        self.object = object;
        self
    }

    fn faults(mut self, faults: impl Fn(&Origin) + Send + Sync + 'static) -> Case {
        self.faults = Box::new(faults);
        self
    }

    /// One fault for each request, then correct answers.
    fn script(self, faults: Vec<Fault>) -> Case {
        self.faults(move |origin| origin.script("/file", faults.clone()))
    }

    fn once(self, fault: Fault) -> Case {
        self.script(vec![fault])
    }

    fn always(self, fault: Fault) -> Case {
        self.faults(move |origin| origin.always("/file", fault.clone()))
    }

    fn then(mut self, then: Then) -> Case {
        self.before.get_or_insert(Before { held: HALF, then: Vec::new() }).then.push(then);
        self
    }

    fn replaced(self, object: Object) -> Case {
        self.comes(object).then(Then::Replaced)
    }

    /// The new version comes while the run that counts is under way.
    fn comes(mut self, object: Object) -> Case {
        self.new = Some(object);
        self
    }

    fn between(mut self, object: Object) -> Case {
        self.between = Some(object);
        self
    }

    fn digest(mut self) -> Case {
        self.digest = true;
        self
    }
}

/// One run.
fn case(name: &'static str, done: impl Into<String>) -> Case {
    Case {
        name,
        done: done.into(),
        object: Object::seeded(1, SIZE),
        before: None,
        faults: Box::new(|_| {}),
        new: None,
        between: None,
        digest: false,
    }
}

/// A run that is killed at [`HALF`], and another.
fn killed(name: &'static str, done: impl Into<String>) -> Case {
    let case = case(name, done);
    Case { before: Some(Before { held: HALF, then: Vec::new() }), ..case }
}

fn other() -> Object {
    Object::seeded(2, SIZE)
}

fn blind(object: Object) -> Object {
    object.heeds(Heeds { if_range: false, if_match: false, if_unmodified_since: false, ..Heeds::ALL })
}

fn dated(object: Object, date: &str) -> Object {
    object.no_etag().last_modified(date)
}

/// Cases for clients on one connection.
#[rustfmt::skip] // a case is a paragraph
pub(crate) fn single() -> Vec<Case> {
    let cut = || Fault::Cut { after: HALF };
    let page = || Object::new(refuse::portal_page().body).content_type("text/html").no_validators();
    let chunked = || Fault::IgnoreRange.and(Fault::Chunked(Chunks::default()));
    let by_close = || Fault::IgnoreRange.and(Fault::CloseDelimited);
    // Packed here: a server that packs while clients wait would be the one that is slow.
    let plain = Object::seeded(1, SIZE);
    let packed = plain.clone().with_content(plain.content.gzipped()).content_encoding("gzip");
    let old_date = "Wed, 01 Jan 2020 00:00:00 GMT";
    let new_date = "Thu, 02 Jan 2020 00:00:00 GMT";
    vec![
        // Interrupted, and nothing else.
        killed("killed", "The client is killed (`kill -9`) in the middle and started again."),
        case("cut", "The connection is closed in the middle, once.").once(cut()),
        case("reset", "The connection is reset in the middle, once.").once(Fault::Reset { after: HALF }),
        case("cut again and again", "Every connection is closed after 1 MiB.").always(Fault::Cut { after: MIB }),
        case("stalled", "In the middle the server falls silent and keeps the connection open, once.")
            .once(Fault::Stall { after: HALF }),
        case("connections reset", "The first two connections are reset before anything is answered.")
            .faults(|origin| origin.connects(vec![Connect::Reset, Connect::Reset])),
        case("503 in the middle", "The connection is closed in the middle; the next reply is a 503 with `Retry-After: 1`.")
            .script(vec![cut(), Fault::retry_after(503, 1)]),
        case("429 in the middle", "The same with a 429.").script(vec![cut(), Fault::retry_after(429, 1)]),
        case("404 in the middle", "The connection is closed in the middle; from then on the object does not exist. Later it does again.")
            .faults(move |origin| origin.script_then("/file", vec![Fault::Cut { after: HALF }], Fault::status(404))),
        // The object changes.
        killed("replaced, same size", "Killed in the middle; before the next run the object is replaced by another of the same size, with another ETag.")
            .replaced(other()),
        killed("replaced, longer", "The same, and the new one is longer.").replaced(Object::seeded(3, SIZE + 2 * MIB)),
        killed("replaced, shorter than what is held", "The same, and the new one is shorter than what was received.")
            .replaced(Object::seeded(4, 3 * MIB)),
        killed("replaced, conditions ignored", "Replaced by one of the same size, and the server answers 206 whatever `If-Range` and `If-Match` say.")
            .object(blind(Object::seeded(1, SIZE))).replaced(blind(other())),
        killed("replaced, dates only", "Replaced by one of the same size; there is no ETag, `Last-Modified` is a day later.")
            .object(dated(Object::seeded(1, SIZE), old_date)).replaced(dated(other(), new_date)),
        killed("replaced, weak ETags", "Replaced by one of the same size; the ETags are weak and differ, there are no dates.")
            .object(Object::seeded(1, SIZE).etag("W/\"1\"").no_last_modified()).replaced(other().etag("W/\"2\"").no_last_modified()),
        killed("replaced, no validators", "Replaced by one of the same size; there is neither ETag nor date.")
            .object(Object::seeded(1, SIZE).no_validators()).replaced(other().no_validators()),
        killed("replaced, same ETag", "Replaced by one of the same size under the same strong ETag and date: only a digest could tell.")
            .replaced(Object::seeded(1, SIZE).with_content(other().content)),
        killed("replaced, same ETag, digest given", "The same, and the client is given the SHA-256 of the new one.")
            .replaced(Object::seeded(1, SIZE).with_content(other().content)).digest(),
        case("replaced while it runs", "The object is replaced in the middle of a body, which is then cut.")
            .once(Fault::replace(HALF, other()).and(cut())).comes(other()),
        case("two versions in turn", "A balancer with two versions of the same size answers with one and the other in turn; every reply is cut after 3 MiB. Later there is a third.")
            .faults(|origin| origin.choose("/file", |request| {
                let object = if request.nth.is_multiple_of(2) { Object::seeded(1, SIZE) } else { other() };
                Fault::serve_as(object).and(Fault::Cut { after: 3 * MIB })
            })).between(other()).comes(Object::seeded(3, SIZE)),
        // No validators, or weak ones, and nothing changes.
        killed("no validators", "Killed in the middle; there is neither ETag nor date, and nothing changed.")
            .object(Object::seeded(1, SIZE).no_validators()),
        killed("date only", "The same with `Last-Modified` alone.").object(Object::seeded(1, SIZE).no_etag()),
        killed("no validators, digest given", "Neither ETag nor date, nothing changed, and the client is given the SHA-256.")
            .object(Object::seeded(1, SIZE).no_validators()).digest(),
        // Replies that are not what was asked for.
        killed("no ranges", "Killed in the middle; the server knows no ranges and answers 200 with the whole.")
            .object(Object::seeded(1, SIZE).ranges(Ranges::Ignore)),
        killed("200 in place of 206, once", "Killed in the middle; the first reply to the next run is 200 with the whole, cut after 1 MiB.")
            .once(Fault::IgnoreRange.and(Fault::Cut { after: MIB })),
        killed("206 that starts late", "Killed in the middle; the next reply starts 1000 bytes behind what was asked for, and says so.")
            .once(Fault::LateRange { by: 1000 }),
        killed("206 that starts at 0", "Killed in the middle; the next reply is a 206 from byte 0 on, and says so.")
            .once(Fault::EarlyRange { by: HALF + MIB }),
        killed("206 without Content-Range", "Killed in the middle; the next reply is a 206 of the whole without `Content-Range`.")
            .once(Fault::EarlyRange { by: HALF + MIB }.and(Fault::NoContentRange)),
        killed("206 with other bytes", "Killed in the middle; the next reply has the right head and the bytes that stand 7 further on. The client is given the SHA-256.")
            .once(Fault::OtherBytes { by: 7 }).digest(),
        killed("416 in the middle", "Killed in the middle; the next reply is a 416, once.")
            .once(Fault::NotSatisfiable { content_range: None }),
        killed("gzip put in", "Killed in the middle; somebody on the way answers the next request with gzip bytes under the same ETag, once.")
            .once(Fault::serve_as(packed)),
        killed("login page", "Killed in the middle; the next reply is the HTML page of a captive portal, 200, once.").once(Fault::Portal),
        killed("login page for a while", "The same, as long as the run lasts; later it is the object again.").always(Fault::Portal),
        case("login page at first", "The first reply ever is the page of a captive portal, then the object: nothing tells it from one.")
            .once(Fault::serve_as(page())),
        // Framing.
        case("Content-Length too large", "A reply of 200 that promises 100 bytes more than the object has, and ends; later it is right.")
            .always(Fault::IgnoreRange.and(Fault::LengthOff(100))),
        case("Content-Length too small", "A reply of 200 that promises 100 bytes fewer than the object has: nothing tells.")
            .always(Fault::IgnoreRange.and(Fault::LengthOff(-100))),
        case("chunked, cut", "A 200 in chunks, without a length, closed in the middle, once.").once(chunked().and(cut())),
        case("ended by closing", "A 200 without length, ended by closing the connection.").always(by_close()),
        case("ended by closing, cut", "The same, closed in the middle, once: nothing tells.").once(by_close().and(cut())),
        case("ended by closing, cut, digest given", "The same, and the client is given the SHA-256.").once(by_close().and(cut())).digest(),
        // Links.
        case("links that expire", "The URL redirects to a signed link that is good for one request, and every reply is cut after 3 MiB.")
            .faults(|origin| {
                origin.put("/signed", Object::seeded(1, SIZE));
                origin.choose("/signed", |request| {
                    match request.query("Signature").is_some_and(|signature| signature == request.nth.to_string()) {
                        true => Fault::Cut { after: 3 * MIB },
                        false => Fault::answer(refuse::expired_link()),
                    }
                });
                origin.choose("/file", |request| {
                    Fault::redirect(302, format!("/signed?Signature={}", request.nth))
                });
            }),
        killed("link expired", "Killed in the middle; the link itself is answered with 403 from then on, and later works again.")
            .always(Fault::answer(refuse::expired_link())),
        // The partial file is not what the client left.
        killed("partial truncated", "Killed in the middle; the partial file is truncated to 2 MiB.").then(Then::Truncated(2 * MIB)),
        killed("partial zeroed", "Killed in the middle; a MiB of the partial file is overwritten with zeros, as after a power cut.")
            .then(Then::Zeroed(2 * MIB..3 * MIB)),
        killed("partial extended", "Killed in the middle; 1 MiB of something else is added to the partial file.").then(Then::Extended(MIB)),
        killed("partial deleted", "Killed in the middle; the partial file is deleted, what else the client left is there.").then(Then::Deleted),
    ]
}

/// Cases for clients on several connections.
#[rustfmt::skip] // a case is a paragraph
pub(crate) fn several() -> Vec<Case> {
    let large = || Object::seeded(1, LARGE);
    let new = || Object::seeded(2, LARGE);
    let case = move |name, done: &str| case(name, done).object(large());
    let killed = move |name, done: &str| Case { before: Some(Before { held: LARGE / 2, then: Vec::new() }), ..case(name, done) };
    // Replies differ from each other, not from run to run.
    let in_turn = |first: Object, second: Object| {
        move |origin: &Origin| origin.alternate("/file", vec![first.clone(), second.clone()])
    };
    vec![
        case("4: nothing", "Nothing goes wrong."),
        killed("4: killed", "The client is killed (`kill -9`) when it has half, and started again."),
        case("4: one cut", "The second connection is closed after 1 MiB.")
            .script(vec![Fault::Correct, Fault::Cut { after: MIB }]),
        case("4: cut again and again", "Every connection is closed after 3 MiB.").always(Fault::Cut { after: 3 * MIB }),
        case("4: one stalled", "The second connection falls silent after 1 MiB and stays open.")
            .script(vec![Fault::Correct, Fault::Stall { after: MIB }]),
        case("4: no ranges", "The server knows no ranges and answers 200 with the whole, whatever is asked.")
            .object(large().ranges(Ranges::Ignore)),
        case("4: too many", "Every second request is refused with 503.")
            .faults(|origin| origin.choose("/file", |request| if request.nth.is_multiple_of(2) { Fault::Correct } else { Fault::status(503) })),
        case("4: two versions in turn", "A balancer answers with one version and another of the same size in turn.")
            .faults(in_turn(large(), new())).comes(new()),
        case("4: two versions in turn, conditions ignored", "The same, and `If-Match` and `If-Range` are not looked at.")
            .faults(in_turn(blind(large()), blind(new()))).comes(blind(new())),
        killed("4: replaced, same size", "Killed when it has half; before the next run the object is replaced by another of the same size.")
            .replaced(new()),
        case("4: replaced while it runs", "When the first connection has brought 1 MiB, the object is replaced by another of the same size; connections that are open go on with the old one, cut after 3 MiB.")
            .script(vec![Fault::replace(MIB, new()).and(Fault::Cut { after: 3 * MIB })]).comes(new()),
        killed("4: partial zeroed", "Killed when it has half; a MiB of the partial file is overwritten with zeros.")
            .then(Then::Zeroed(2 * MIB..3 * MIB)),
    ]
}

//! What happens on one connection? Requests are read, named, verified, carried out and answered, one after the other.
//!
//! The order is the service's: addressing, signature, permission, and only then the object. Faults come between
//! permission and work, so that a test spoils only what it named.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::admit::{self, Known};
use super::call::{Call, Reply};
use super::deliver::{self, Manner};
use super::faults::{Ending, Fault};
use super::log::{Ended, Line, redact};
use super::op::Op;
use super::refusal::Refusal;
use super::sign;
use super::stock;
use super::store::Store;
use super::target::{Resource, Target};
use super::variants::Row;
use super::wire::{Body, Head, Length, NoHead, Wire};
use super::{clock, sts, verbs};
use crate::request::Headers;

/// An unread rest of a body up to this is read, so that the connection can be kept.
const REST_MAX: u64 = 256 << 10;

/// Serves a connection until one side has enough.
pub(crate) fn serve(store: &Store, stream: TcpStream, peer: SocketAddr, number: u64) {
    // A trickle is to leave as it is written, and small answers at once.
    let _ = stream.set_nodelay(true);
    let mut wire = Wire::new(stream, store.settings.patience);
    loop {
        match wire.head() {
            Ok(head) => {
                if !answer(store, &mut wire, &head, peer, number) {
                    return;
                }
            }
            Err(NoHead::Gone) => return,
            Err(no_head) => {
                refuse_head(store, &wire, &no_head, number);
                return;
            }
        }
    }
}

/// Says no to what is no request.
fn refuse_head(store: &Store, wire: &Wire, no_head: &NoHead, connection: u64) {
    let refusal = match no_head {
        NoHead::Slow => Refusal::new(400, "RequestTimeout", "The request head was not received in time."),
        NoHead::TooLarge => Refusal::new(400, "RequestHeaderTooLarge", "The request head is too large."),
        NoHead::Malformed | NoHead::Gone => Refusal::bad_request("This is no HTTP request."),
    };
    let request_id = request_id(store);
    let reply = Reply::refusal(&refusal, &request_id, "", false);
    let head = head_bytes(store, &reply, &request_id, false, 0);
    let (bytes_out, ended) = deliver::deliver(wire.stream(), &head, &reply, false, Manner::plain(&store.rest));
    store.log.enter(Line {
        at: clock::exact_iso(store.clock.now_ms()),
        connection,
        request_id,
        status: refusal.status,
        code: refusal.code,
        bytes_out,
        ended,
        ..Line::default()
    });
    deliver::linger(wire.stream(), &store.rest);
}

/// Upper-case hex, 24 digits, each once.
fn request_id(store: &Store) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let seconds = store.clock.now_ms().div_euclid(1000);
    format!("{:08X}{:016X}", seconds as u32, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Answers one request; whether another may follow.
fn answer(store: &Store, wire: &mut Wire, head: &Head, peer: SocketAddr, number: u64) -> bool {
    let began = Instant::now();
    let request_id = request_id(store);
    let host = head.headers.get("Host").unwrap_or_default().to_owned();
    let is_head = head.method == "HEAD";
    let (mut known, mut faults) = (Known::default(), Vec::new());
    let mut keep = head.keeps_alive();
    if wire.set_body_patience().is_err() {
        return false;
    }
    let length = Length::of(&head.headers);
    let expects = head.headers.get("Expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"));
    let mut body = Body::new(wire, length.unwrap_or(Length::Absent), expects && !head.http_1_0, &store.rest);
    let outcome = match length {
        None => Err(Refusal::bad_request("Content-Length and Transfer-Encoding cannot be understood.")),
        Some(length) => work(store, head, &host, length, &mut body, &request_id, peer, &mut known, &mut faults),
    };
    let (mut reply, code) = match outcome {
        Ok(reply) => (reply, String::new()),
        Err(refusal) => {
            let reply = match known.sts {
                Some(format) => sts::refused(&refusal, &request_id, &host, format),
                None => Reply::refusal(&refusal, &request_id, &host, is_head),
            };
            (reply, refusal.code)
        }
    };
    // Also to a refusal: a page is to see why.
    if let Some(meant) = known.resource.as_ref().or(known.addressed.as_ref())
        && let Some(cors) = store.cors(&meant.bucket)
    {
        cors.apply(&head.method, &head.headers, &mut reply.headers);
    }
    // A body that was cut by a fault ends the connection instead of being answered.
    let upload_cut = faults.iter().find_map(|fault| match fault {
        Fault::CutUpload { after, by } if body.taken >= *after && !body.is_over() => Some(*by),
        _ => None,
    });
    keep &= length.is_some() && upload_cut.is_none() && rest_is_read(&mut body);
    let (status, bytes_out, ended) = match upload_cut.or_else(|| lost_answer(&faults)) {
        Some(by) => (0, 0, deliver::end(body.stream(), by, &store.rest)),
        None => send(store, &known, &faults, reply, &request_id, is_head, keep, body.stream(), began),
    };
    let resource = known.resource.unwrap_or(Resource { bucket: String::new(), key: String::new() });
    store.log.enter(Line {
        n: 0,
        at: clock::exact_iso(store.clock.now_ms()),
        connection: number,
        request_id,
        op: known.op.map_or("", Op::name),
        method: head.method.clone(),
        host,
        target: redact(&head.target),
        bucket: resource.bucket,
        key: resource.key,
        access_key_id: known.key.map(|key| key.id).unwrap_or_default(),
        range: head.headers.get("Range").map(str::to_owned),
        status,
        code,
        bytes_in: body.taken,
        bytes_out,
        ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        faults: faults.iter().map(Fault::kind).collect(),
        ended,
    });
    if !keep && ended == Ended::Whole {
        deliver::linger(body.stream(), &store.rest);
    }
    keep && ended == Ended::Whole
}

/// Reads what is left of a body, if it is little and comes without being asked for.
fn rest_is_read(body: &mut Body<'_>) -> bool {
    if body.is_over() {
        return true;
    }
    if body.awaits_leave() {
        return false;
    }
    let taken = body.taken;
    let read = std::io::copy(&mut body.by_ref().take(REST_MAX), &mut std::io::sink()).is_ok() && body.is_over();
    body.taken = taken; // it was dropped, not received
    read
}

fn lost_answer(faults: &[Fault]) -> Option<Ending> {
    faults.iter().find_map(|fault| if let Fault::LoseAnswer { by } = fault { Some(*by) } else { None })
}

/// Names, verifies and carries out.
#[expect(clippy::too_many_arguments, reason = "what is known of one request, used here only")]
fn work(
    store: &Store,
    head: &Head,
    host: &str,
    length: Length,
    body: &mut Body<'_>,
    request_id: &str,
    peer: SocketAddr,
    known: &mut Known,
    faults: &mut Vec<Fault>,
) -> Result<Reply, Refusal> {
    let malformed = || Refusal::new(400, "InvalidURI", "Couldn't parse the specified URI.");
    let plus_is_space = store.variants.says(Row::PlusInPath) == "space";
    let target = Target::parse_with(&head.target, plus_is_space).ok_or_else(malformed)?;
    let admission = admit::admit(store, head, host, &target, body, known)?;
    let (op, resource) = (admission.op, admission.resource);
    *faults = store.faults.strike(op, &resource);
    let mut ignore_range = false;
    for fault in faults.iter() {
        before(store, fault, op, &resource, &target, body)?;
        ignore_range |= *fault == Fault::IgnoreRange;
    }
    let mut call = Call {
        store,
        op,
        resource,
        query: &target.query,
        headers: admission.form.as_ref().map_or(&head.headers, |posted| &posted.headers),
        form: admission.form.as_ref(),
        sts: admission.sts.as_ref(),
        length,
        body,
        key: admission.key,
        request_id,
        client: Some(peer.ip()),
        ignore_range,
    };
    verbs::perform(&mut call)
}

/// What a fault does before the work.
fn before(
    store: &Store,
    fault: &Fault,
    op: Op,
    resource: &Resource,
    target: &Target,
    body: &mut Body<'_>,
) -> Result<(), Refusal> {
    let now_ms = store.clock.now_ms();
    match fault {
        Fault::Latency { ms } => store.rest.take(Duration::from_millis(*ms)),
        Fault::Bandwidth { bytes_per_second } => body.spoil.bytes_per_second = Some(*bytes_per_second),
        Fault::CutUpload { after, .. } => body.spoil.end_after = Some(*after),
        // Behind the fields of a form.
        Fault::FlipUpload { offset } => body.spoil.flip = Some(body.taken.saturating_add(*offset)),
        Fault::Status { status, code, retry_after } => {
            let refusal = Refusal::new(*status, code.as_deref().unwrap_or(usual_code(*status)), "As told by a fault.");
            return Err(match retry_after {
                Some(seconds) => refusal.header("Retry-After", seconds),
                None => refusal,
            });
        }
        Fault::ExpireLink => {
            return Err(Refusal::new(403, "AccessDenied", "Request has expired.")
                .with("Expires", clock::iso(now_ms - 1000))
                .with("ServerTime", clock::iso(now_ms))
                .ec("0002-00000069"));
        }
        Fault::ExpireToken => {
            return Err(Refusal::new(403, "SecurityTokenExpired", "The security token you provided has expired."));
        }
        Fault::Skew => {
            let message = "The difference between the request time and the current time is too large.";
            return Err(Refusal::new(403, "RequestTimeTooSkewed", message)
                .with("MaxAllowedSkewMilliseconds", sign::SKEW_MS)
                .with("ServerTime", clock::iso(now_ms)));
        }
        Fault::RemoveUpload => {
            if let (Some(id), Some(bucket)) = (target.query.get("uploadId"), store.disk.bucket(&resource.bucket))
                && let Some(upload) = bucket.upload(&resource.key, id)
            {
                bucket.abort(&upload)?;
            }
        }
        Fault::Replace { after: None, size } if op.reads_object() => stock::replace(store, resource, *size)?,
        _ => {}
    }
    Ok(())
}

fn usual_code(status: u16) -> &'static str {
    match status {
        403 => "AccessDenied",
        404 => "NoSuchKey",
        408 => "RequestTimeout",
        429 => "TooManyRequests",
        500 => "InternalError",
        502 => "BadGateway",
        503 => "ServiceUnavailable",
        504 => "GatewayTimeout",
        _ => "InjectedFault",
    }
}

/// Sends the answer, spoilt as told.
#[expect(clippy::too_many_arguments, reason = "what is known of one answer, used here only")]
fn send(
    store: &Store,
    known: &Known,
    faults: &[Fault],
    mut reply: Reply,
    request_id: &str,
    is_head: bool,
    keep: bool,
    stream: &TcpStream,
    began: Instant,
) -> (u16, u64, Ended) {
    let mut manner = Manner { bytes_per_second: reply.bytes_per_second, ..Manner::plain(&store.rest) };
    for fault in faults {
        match fault {
            Fault::SlowAnswer { ms } => store.rest.take(Duration::from_millis(*ms)),
            Fault::Bandwidth { bytes_per_second } => {
                manner.bytes_per_second =
                    Some(manner.bytes_per_second.map_or(*bytes_per_second, |rate| rate.min(*bytes_per_second)));
            }
            Fault::Cut { after } => manner.end = Some((*after, Ending::Cut)),
            Fault::Reset { after } => manner.end = Some((*after, Ending::Reset)),
            Fault::Stall { after } => manner.end = Some((*after, Ending::Stall)),
            Fault::Trickle { bytes, ms } => manner.trickle = Some((*bytes, Duration::from_millis(*ms))),
            Fault::Flip { offset } => manner.flips.push(*offset),
            Fault::WrongCrc => alter(&mut reply.headers, "x-oss-hash-crc64ecma", |value| {
                (value.parse::<u64>().unwrap_or(0) ^ 1).to_string()
            }),
            Fault::WrongEtag => alter(&mut reply.headers, "ETag", |value| {
                let swapped = |c| if c == '0' { '1' } else { '0' };
                value.chars().enumerate().map(|(at, c)| if at == 1 { swapped(c) } else { c }).collect()
            }),
            Fault::Replace { after: Some(after), size } => {
                let (resource, size) = (known.resource.clone(), *size);
                manner.between = Some((
                    *after,
                    Box::new(move || {
                        if let Some(resource) = resource {
                            // Should the disk fail, the object stays as it was; the next request shows it.
                            let _ = stock::replace(store, &resource, size);
                        }
                    }),
                ));
            }
            _ => {}
        }
    }
    let head = head_bytes(store, &reply, request_id, keep, began.elapsed().as_millis());
    let (bytes_out, ended) = deliver::deliver(stream, &head, &reply, is_head, manner);
    (reply.status, bytes_out, ended)
}

fn alter(headers: &mut Headers, name: &str, change: impl FnOnce(&str) -> String) {
    if let Some(value) = headers.get(name).map(change) {
        headers.set(name, value);
    }
}

/// Status line and fields.
pub(crate) fn head_bytes(store: &Store, reply: &Reply, request_id: &str, keep: bool, took_ms: u128) -> Vec<u8> {
    let length = reply.content.len();
    let mut head = format!(
        "HTTP/1.1 {} {}\r\nServer: AliyunOSS\r\nDate: {}\r\nConnection: {}\r\nx-oss-request-id: {request_id}\r\n\
         x-oss-server-time: {}\r\n",
        reply.status,
        reason(reply.status),
        clock::http_date(store.clock.now_ms()),
        if keep { "keep-alive" } else { "close" },
        took_ms,
    )
    .into_bytes();
    if !matches!(reply.status, 204 | 304) {
        head.extend_from_slice(format!("Content-Length: {length}\r\n").as_bytes());
    }
    for (name, value) in reply.headers.iter() {
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        // What came as a field goes as a field: it has no line ends.
        head.extend(value.iter().filter(|byte| !matches!(byte, b'\r' | b'\n')));
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        206 => "Partial Content",
        303 => "See Other",
        304 => "Not Modified",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        411 => "Length Required",
        412 => "Precondition Failed",
        416 => "Requested Range Not Satisfiable",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        507 => "Insufficient Storage",
        _ => "Other",
    }
}

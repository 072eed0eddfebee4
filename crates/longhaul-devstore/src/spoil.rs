//! How does a fault bend what is sent?
//!
//! In two steps, with the correct answer between them: [`misread`] changes what the server believes (the request it
//! read, the object it has), [`spoil`] changes the answer it would have given.

use std::ops::Range;

use crate::answer::{Answer, ChunkEnd, Framing, Mark, Pace, Parting, Stop};
use crate::content::Content;
use crate::fault::{Fault, GzipEtag};
use crate::object::Object;
use crate::refuse;
use crate::request::Request;
use crate::respond::{content_range, several};

/// The seed of bytes that belong to no object.
const FILLER_SEED: u64 = 0xf111e7;

/// Changes what the server believes before it answers.
pub(crate) fn misread(fault: &Fault, request: &mut Request, object: &mut Option<Object>) {
    match fault {
        Fault::All(faults) => faults.iter().for_each(|fault| misread(fault, request, object)),
        Fault::As(other) => *object = Some(Object::clone(other)),
        Fault::IgnoreRange => request.headers.remove("Range"),
        _ => {
            if let Some(object) = object {
                change(fault, request, object);
            }
        }
    }
}

fn change(fault: &Fault, request: &Request, object: &mut Object) {
    match fault {
        Fault::ChangingEtag => object.etag = Some(format!("\"changing-{}\"", request.nth)),
        Fault::Flip { offset } => object.content = object.content.flipped(*offset),
        Fault::Gzip(etag) => {
            object.content = object.content.gzipped();
            object.content_encoding = Some("gzip".to_owned());
            object.etag = object.etag.take().map(|plain| match etag {
                GzipEtag::Same => plain,
                GzipEtag::Suffixed => format!("{}-gzip\"", plain.trim_end_matches('"')),
                GzipEtag::Weak => format!("W/{}", plain.trim_start_matches("W/")),
            });
        }
        _ => {}
    }
}

/// Changes the answer.
pub(crate) fn spoil(fault: &Fault, object: Option<&Object>, answer: Answer) -> Answer {
    match fault {
        Fault::All(faults) => faults.iter().fold(answer, |answer, fault| spoil(fault, object, answer)),
        // Done by `misread`.
        Fault::Correct | Fault::As(_) | Fault::IgnoreRange => answer,
        Fault::ChangingEtag | Fault::Gzip(_) | Fault::Flip { .. } => answer,
        Fault::Cut { .. } | Fault::Reset { .. } | Fault::Stall { .. } | Fault::InHead { .. } => stopped(fault, answer),
        Fault::Delay(_) | Fault::SlowHead { .. } | Fault::Trickle { .. } | Fault::Pace { .. } => slowed(fault, answer),
        Fault::Hold { .. } | Fault::Call { .. } | Fault::Replace { .. } => marked(fault, answer),
        Fault::Answer(_) | Fault::Status { .. } | Fault::Relabel(_) | Fault::Portal => replaced(fault, answer),
        Fault::Empty | Fault::NoContent | Fault::NotSatisfiable { .. } => replaced(fault, answer),
        Fault::UnaskedRange(_) | Fault::EarlyRange { .. } | Fault::LateRange { .. } => ranged(fault, object, answer),
        Fault::ShortRange { .. } | Fault::Multipart => ranged(fault, object, answer),
        Fault::OtherBytes { .. } | Fault::SwitchBody { .. } => other_bytes(fault, object, answer),
        Fault::ContentLength(_) | Fault::LengthOff(_) | Fault::Extra(_) => framed(fault, answer),
        Fault::Endless | Fault::CloseDelimited | Fault::Chunked(_) => framed(fault, answer),
        Fault::ContentRange(_) | Fault::NoContentRange | Fault::SecondContentRange(_) => headed(fault, answer),
        Fault::SetHeader(..) | Fault::AddHeader(..) | Fault::RemoveHeader(_) => headed(fault, answer),
        Fault::RawHeader(_) | Fault::BigHeader(_) | Fault::RawHead(_) | Fault::Interim { .. } => headed(fault, answer),
    }
}

fn stopped(fault: &Fault, mut answer: Answer) -> Answer {
    answer.delivery.stop = Some(match *fault {
        Fault::Reset { after } => Stop::InBody(after, Parting::Reset),
        Fault::Stall { after } => Stop::InBody(after, Parting::Stall),
        Fault::Cut { after } => Stop::InBody(after, Parting::Cut),
        Fault::InHead { after, parting } => Stop::InHead(after, parting),
        _ => return answer,
    });
    answer
}

fn slowed(fault: &Fault, mut answer: Answer) -> Answer {
    let delivery = &mut answer.delivery;
    match *fault {
        Fault::Delay(delay) => delivery.delay = delay,
        Fault::SlowHead { bytes, tick } => delivery.head_pace = Some(Pace::Trickle { bytes, tick }),
        Fault::Trickle { bytes, tick } => delivery.body_pace = Some(Pace::Trickle { bytes, tick }),
        Fault::Pace { bytes_per_second } => delivery.body_pace = Some(Pace::Rate { bytes_per_second }),
        _ => {}
    }
    answer
}

fn marked(fault: &Fault, mut answer: Answer) -> Answer {
    let mark = match fault {
        Fault::Hold { after, gate } => (*after, Mark::Hold(gate.clone())),
        Fault::Call { after, hook } => (*after, Mark::Call(hook.clone())),
        Fault::Replace { after, with } => (*after, Mark::Replace(with.clone())),
        _ => return answer,
    };
    answer.delivery.marks.push(mark);
    answer
}

fn replaced(fault: &Fault, mut answer: Answer) -> Answer {
    let other = match fault {
        Fault::Answer(other) => Answer::clone(other),
        Fault::Portal => refuse::portal_page(),
        Fault::Status { code, headers, body } => {
            let mut other = Answer::status(*code);
            other.body = Content::bytes(body.as_bytes());
            headers.iter().fold(other, |other, (name, value)| other.header(name, value))
        }
        Fault::Relabel(code) => {
            answer.status = *code;
            return answer;
        }
        Fault::Empty => emptied(200, answer.clone()),
        Fault::NoContent => emptied(204, answer.clone()),
        Fault::NotSatisfiable { content_range } => {
            let mut other = emptied(416, answer.clone());
            if let Some(content_range) = content_range {
                other.headers.add("Content-Range", content_range);
            }
            other
        }
        _ => return answer,
    };
    // What an earlier fault said about the delivery still holds; what the other answer brings along comes after it.
    let mut delivery = answer.delivery;
    delivery.marks.extend(other.delivery.marks.iter().cloned());
    delivery.delay = delivery.delay.max(other.delivery.delay);
    delivery.head_pace = other.delivery.head_pace.or(delivery.head_pace);
    delivery.body_pace = other.delivery.body_pace.or(delivery.body_pace);
    delivery.stop = other.delivery.stop.or(delivery.stop);
    Answer { delivery, ..other }
}

fn emptied(status: u16, mut answer: Answer) -> Answer {
    answer.status = status;
    answer.headers.remove("Content-Range");
    answer.body = Content::empty();
    answer.shows = None;
    answer
}

fn ranged(fault: &Fault, object: Option<&Object>, answer: Answer) -> Answer {
    let (Some(object), Some(shows)) = (object, answer.shows.clone()) else { return answer };
    let len = object.content.len();
    let partial = answer.status == 206;
    let shows = match fault {
        Fault::UnaskedRange(range) => range.start.min(len)..range.end.min(len),
        Fault::EarlyRange { by } if partial => shows.start.saturating_sub(*by)..shows.end,
        Fault::LateRange { by } if partial => shows.start.saturating_add(*by).min(shows.end)..shows.end,
        Fault::ShortRange { max } if partial => shows.start..shows.end.min(shows.start.saturating_add(*max)),
        Fault::Multipart if partial => {
            let Answer { delivery, framing, close, before_head, .. } = answer;
            return Answer { delivery, framing, close, before_head, ..several(object, &[shows]) };
        }
        _ => return answer,
    };
    showing(object, shows, answer)
}

/// The same answer with other bytes of the object, rightly labelled.
fn showing(object: &Object, shows: Range<u64>, mut answer: Answer) -> Answer {
    answer.status = 206;
    answer.headers.set("Content-Range", content_range(&shows, object.content.len()));
    answer.body = object.content.slice(shows.clone());
    answer.shows = Some(shows);
    answer
}

fn other_bytes(fault: &Fault, object: Option<&Object>, mut answer: Answer) -> Answer {
    let (Some(object), Some(shows)) = (object, answer.shows.clone()) else { return answer };
    let len = answer.body.len();
    let other = match fault {
        Fault::OtherBytes { by } => {
            let from = shows.start.saturating_add(*by);
            object.content.slice(from..from.saturating_add(len))
        }
        Fault::SwitchBody { after, to } => answer.body.switched_at(*after, &to.slice(shows)),
        _ => return answer,
    };
    let missing = len - other.len().min(len);
    answer.body = other.then(&Content::repeated(0, missing));
    answer
}

fn framed(fault: &Fault, mut answer: Answer) -> Answer {
    let len = answer.body.len();
    match fault {
        Fault::ContentLength(values) => answer.framing = Framing::Stated(values.clone()),
        Fault::LengthOff(by) => answer.framing = Framing::Stated(vec![len.saturating_add_signed(*by).to_string()]),
        Fault::Extra(bytes) => {
            if answer.framing == Framing::Length {
                answer.framing = Framing::Stated(vec![len.to_string()]);
            }
            answer.body = answer.body.then(&Content::seeded(FILLER_SEED, *bytes));
        }
        Fault::Endless => {
            if answer.framing == Framing::Length {
                answer.framing = Framing::Close;
            }
            answer.body = answer.body.then(&Content::seeded(FILLER_SEED, Content::ENDLESS));
        }
        Fault::CloseDelimited => answer.framing = Framing::Close,
        Fault::Chunked(chunks) => answer.framing = Framing::Chunked(chunks.clone()),
        _ => {}
    }
    answer
}

fn headed(fault: &Fault, mut answer: Answer) -> Answer {
    match fault {
        Fault::ContentRange(value) => answer.headers.set("Content-Range", value),
        Fault::NoContentRange => answer.headers.remove("Content-Range"),
        Fault::SecondContentRange(value) => answer.headers.add("Content-Range", value),
        Fault::SetHeader(name, value) => answer.headers.set(name, value),
        Fault::AddHeader(name, value) => answer.headers.add(name, value),
        Fault::RemoveHeader(name) => answer.headers.remove(name),
        Fault::RawHeader(line) => answer.headers.add("", line),
        Fault::BigHeader(bytes) => answer.headers.add("X-Filler", vec![b'x'; *bytes]),
        Fault::RawHead(head) => answer.raw_head = Some(head.clone()),
        Fault::Interim { code, count } => {
            let interim = format!("HTTP/1.1 {code} Interim\r\nLink: </style.css>; rel=preload\r\n\r\n");
            answer.before_head.extend_from_slice(interim.repeat(*count).as_bytes());
        }
        _ => {}
    }
    answer
}

/// Whether the connection can carry another request after this answer was delivered whole.
pub(crate) fn reusable(answer: &Answer) -> bool {
    let framing = match &answer.framing {
        Framing::Length => true,
        Framing::Stated(_) | Framing::Close => false,
        Framing::Chunked(chunks) => chunks.end == ChunkEnd::Correct,
    };
    framing && !answer.close && answer.raw_head.is_none()
}

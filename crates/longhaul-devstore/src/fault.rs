//! What can go wrong with an answer? One word for each way a server, a proxy or the network fails.
//!
//! A fault starts from the correct answer and bends it. Faults combine: `Fault::IgnoreRange.and(Fault::Cut { after:
//! 1000 })`. Offsets named `after` count the body bytes of this answer, framing not included; a body that is shorter is
//! delivered whole before the connection ends. How each is carried out is told in `spoil` (what is sent) and `deliver`
//! (how it is sent).

use std::ops::Range;
use std::time::{Duration, SystemTime};

use crate::answer::{Answer, Chunks, Hook, Parting};
use crate::content::Content;
use crate::gate::Gate;
use crate::object::Object;

/// What becomes of one answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The correct answer.
    Correct,
    /// Several, applied in order.
    All(Vec<Fault>),
    /// The correct answer, but for this object: another replica behind the balancer.
    As(Box<Object>),
    /// This answer to every request.
    Answer(Box<Answer>),

    /// FIN after so many body bytes. After `u64::MAX`: a whole answer on a connection that seemed to be kept.
    Cut {
        /// Body bytes sent before.
        after: u64,
    },
    /// RST after so many body bytes, all of which the client's kernel has received.
    Reset {
        /// Body bytes sent before.
        after: u64,
    },
    /// Silence after so many body bytes, on an open connection.
    Stall {
        /// Body bytes sent before.
        after: u64,
    },
    /// The end in the middle of the head; after 0 bytes there is no answer at all.
    InHead {
        /// Bytes of the head sent before.
        after: u64,
        /// The way it ends.
        parting: Parting,
    },

    /// Silence before the head.
    Delay(Duration),
    /// A head that arrives in drops.
    SlowHead {
        /// Bytes at a time.
        bytes: usize,
        /// The rest between.
        tick: Duration,
    },
    /// A body that arrives in drops.
    Trickle {
        /// Bytes at a time.
        bytes: usize,
        /// The rest between.
        tick: Duration,
    },
    /// A body at an even speed.
    Pace {
        /// Body bytes in a second.
        bytes_per_second: u64,
    },
    /// The body waits at a gate.
    Hold {
        /// Body bytes sent before.
        after: u64,
        /// Opened by the test.
        gate: Gate,
    },
    /// A closure is called in the middle of the body.
    Call {
        /// Body bytes sent before.
        after: u64,
        /// What is called.
        hook: Hook,
    },
    /// The object is replaced in the middle of the body, for later requests: this body goes on as it was.
    Replace {
        /// Body bytes sent before.
        after: u64,
        /// The new object.
        with: Box<Object>,
    },

    /// Another status, with these header fields and this body, in place of the object.
    Status {
        /// The status code.
        code: u16,
        /// Header fields.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// The same answer under another status code: a 206 called 200, a 200 called 206, a 200 called 203.
    Relabel(u16),
    /// The page of a captive portal, 200.
    Portal,
    /// 200 with the fields of the object and an empty body.
    Empty,
    /// 204.
    NoContent,
    /// 416, with this `Content-Range` or none.
    NotSatisfiable {
        /// Such as `bytes */1000`.
        content_range: Option<String>,
    },

    /// `Range` is not looked at: 200 and the whole.
    IgnoreRange,
    /// 206 of this range, whichever one was asked for.
    UnaskedRange(Range<u64>),
    /// A 206 begins so many bytes earlier than asked, and says so.
    EarlyRange {
        /// Bytes too many before.
        by: u64,
    },
    /// A 206 begins so many bytes later than asked, and says so.
    LateRange {
        /// Bytes too few before.
        by: u64,
    },
    /// A 206 has at most so many bytes, and says so.
    ShortRange {
        /// Length of the longest range answered.
        max: u64,
    },
    /// The right head, but the bytes that stand so many bytes later; zeros past the end.
    OtherBytes {
        /// How far off.
        by: u64,
    },
    /// One `Content-Range`, with this value.
    ContentRange(String),
    /// No `Content-Range`.
    NoContentRange,
    /// A second `Content-Range` with this value, behind the first.
    SecondContentRange(String),
    /// One range as `multipart/byteranges` with one part.
    Multipart,

    /// A `Content-Length` for each of these values, in place of the true one; none means no such field.
    ContentLength(Vec<String>),
    /// A `Content-Length` that is so much larger or smaller than the body.
    LengthOff(i64),
    /// So many bytes behind the body that the head does not tell of.
    Extra(u64),
    /// A body without end, delimited by the end of the connection or in chunks.
    Endless,
    /// A body delimited by the end of the connection.
    CloseDelimited,
    /// A body in chunks.
    Chunked(Chunks),

    /// Replaces a header field, or adds it.
    SetHeader(String, String),
    /// Adds a header field, also when there is one of that name.
    AddHeader(String, String),
    /// Takes header fields of that name away.
    RemoveHeader(String),
    /// This line among the header fields, not checked.
    RawHeader(Vec<u8>),
    /// A header field with a value of so many bytes.
    BigHeader(usize),
    /// This in place of the whole head; the blank line is yours to write.
    RawHead(Vec<u8>),
    /// Interim replies before the answer (RFC 9110, 15.2).
    Interim {
        /// The status code, 100 to 199.
        code: u16,
        /// How many.
        count: usize,
    },
    /// A new strong ETag with every answer, conditions held against it.
    ChangingEtag,

    /// The object encoded on the way: gzip bytes, `Content-Encoding: gzip`, ranges counted in gzip bytes.
    Gzip(GzipEtag),
    /// The lowest bit of the byte at this offset of the object is flipped; head and validators are the same.
    Flip {
        /// Where in the object.
        offset: u64,
    },
    /// The body goes on with the bytes of another content: an object overwritten in place while it is read.
    SwitchBody {
        /// Body bytes sent before.
        after: u64,
        /// The other version of the whole object.
        to: Content,
    },
}

/// What an encoding on the way does to a strong ETag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GzipEtag {
    /// The plain one, which is wrong (Caddy 2.6).
    Same,
    /// `"1"` becomes `"1-gzip"` (Apache, lighttpd).
    Suffixed,
    /// `"1"` becomes `W/"1"` (nginx).
    Weak,
}

impl Fault {
    /// This fault, then `other`.
    pub fn and(self, other: Fault) -> Fault {
        match self {
            Fault::All(mut faults) => {
                faults.push(other);
                Fault::All(faults)
            }
            first => Fault::All(vec![first, other]),
        }
    }

    /// A request accepted and never answered.
    pub fn no_answer() -> Fault {
        Fault::InHead { after: 0, parting: Parting::Stall }
    }

    /// A request answered by FIN.
    pub fn hang_up() -> Fault {
        Fault::InHead { after: 0, parting: Parting::Cut }
    }

    /// A request answered by RST.
    pub fn reset() -> Fault {
        Fault::InHead { after: 0, parting: Parting::Reset }
    }

    /// Another status alone.
    pub fn status(code: u16) -> Fault {
        Fault::status_with(code, &[], "")
    }

    /// [`Fault::Status`] from literals.
    pub fn status_with(code: u16, headers: &[(&str, &str)], body: &str) -> Fault {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Fault::Status { code, headers, body: body.to_owned() }
    }

    /// A status with `Retry-After` as it is: seconds, a date, or nonsense.
    pub fn retry_after(code: u16, value: impl ToString) -> Fault {
        Fault::status_with(code, &[("Retry-After", &value.to_string())], "")
    }

    /// A status with `Retry-After` as the date so far from now.
    pub fn retry_after_date(code: u16, from_now: Duration) -> Fault {
        Fault::retry_after(code, httpdate::fmt_http_date(SystemTime::now() + from_now))
    }

    /// A redirect to wherever: relative, another origin, another scheme, itself.
    pub fn redirect(code: u16, location: impl AsRef<str>) -> Fault {
        Fault::status_with(code, &[("Location", location.as_ref())], "")
    }

    /// [`Fault::As`].
    pub fn serve_as(object: Object) -> Fault {
        Fault::As(Box::new(object))
    }

    /// [`Fault::Answer`].
    pub fn answer(answer: Answer) -> Fault {
        Fault::Answer(Box::new(answer))
    }

    /// [`Fault::Replace`].
    pub fn replace(after: u64, with: Object) -> Fault {
        Fault::Replace { after, with: Box::new(with) }
    }

    /// [`Fault::Hold`].
    pub fn hold(after: u64, gate: &Gate) -> Fault {
        Fault::Hold { after, gate: gate.clone() }
    }

    /// [`Fault::Call`].
    pub fn call(after: u64, call: impl Fn() + Send + Sync + 'static) -> Fault {
        Fault::Call { after, hook: Hook::new(call) }
    }

    /// [`Fault::SetHeader`].
    pub fn set_header(name: &str, value: &str) -> Fault {
        Fault::SetHeader(name.to_owned(), value.to_owned())
    }

    /// [`Fault::AddHeader`].
    pub fn add_header(name: &str, value: &str) -> Fault {
        Fault::AddHeader(name.to_owned(), value.to_owned())
    }

    /// [`Fault::RemoveHeader`].
    pub fn remove_header(name: &str) -> Fault {
        Fault::RemoveHeader(name.to_owned())
    }

    /// [`Fault::ContentLength`] from literals.
    pub fn content_length(values: &[&str]) -> Fault {
        Fault::ContentLength(values.iter().map(|value| (*value).to_owned()).collect())
    }
}

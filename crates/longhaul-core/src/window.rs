//! Which bytes of the object are wanted, when it is not all of them?
//!
//! A [`Window`] is what was asked for, in the words of RFC 9110, 14.1.2: `100-`, `100-199`, `-100`, several of them
//! separated by commas, with or without `bytes=`. Offsets count from 0, both ends are included. The file that comes out
//! holds these pieces one after the other, in the order given; they may overlap.
//!
//! Once the object's length is known, [`resolve`](Window::resolve) gives its [`Pieces`]: where each lies in the object
//! and where in the file.
//!
//! ```text
//!   object   0 ........ 100 ====== 200 ............ 300 === 340
//!                        |  piece 0  |                | piece 1 |
//!   file                 0 ====== 100 === 140
//! ```
//!
//! Everything that keeps, claims, checks and publishes counts in offsets of the file. Only where a request is made
//! (never for more than one piece) and where a reply is judged
//! ([`judge_part`](crate::reply::judge_part)) do these become offsets of the object.

use std::fmt;

use crate::ranges::Range;

/// Most pieces of one window: each is a request at least.
pub const PIECES_MAX: usize = 1000;
/// Offsets of a window are below this, so that the lengths of all its pieces have a sum.
pub const OFFSET_MAX: u64 = 1 << 53;

/// One piece, as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowPart {
    /// From this offset to the object's end.
    From(u64),
    /// These offsets, as far as the object has them; never empty.
    Span(Range),
    /// The last so many bytes, or all when the object has no more; never 0.
    Last(u64),
}

/// What was asked for. Without parts, it is the whole object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window(Vec<WindowPart>);

/// What is wrong with a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadRange {
    /// A piece is none of the three forms.
    Form,
    /// A piece ends before it begins.
    Backwards,
    /// The last 0 bytes.
    NoBytes,
    /// More than [`PIECES_MAX`] pieces.
    TooMany,
    /// An offset of [`OFFSET_MAX`] or above.
    TooFar,
}

impl fmt::Display for BadRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("a piece is FIRST-LAST, FIRST- or -COUNT, in bytes, counted from 0"),
            Self::Backwards => f.write_str("a piece ends before it begins"),
            Self::NoBytes => f.write_str("a piece of no bytes"),
            Self::TooMany => write!(f, "more than {PIECES_MAX} pieces"),
            Self::TooFar => write!(f, "an offset of {OFFSET_MAX} or above"),
        }
    }
}

impl std::error::Error for BadRange {}

/// Why the pieces cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowUnresolved {
    /// The object has no byte of one of them.
    Outside,
    /// They depend on the object's length.
    LengthUntold,
    /// The object is longer than [`OFFSET_MAX`].
    TooLong,
}

/// A piece of the object, and where it begins in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowPiece {
    /// Its bytes, in offsets of the object.
    pub object: Range,
    /// The offset in the file of its first byte.
    pub file: u64,
}

impl WindowPiece {
    /// One past its last byte, in the file.
    pub fn file_end(self) -> u64 {
        self.file + self.object.len()
    }

    /// The offset in the object of this offset in the file, which lies in the piece or at its end.
    pub fn in_object(self, offset: u64) -> u64 {
        self.object.start + offset.saturating_sub(self.file).min(self.object.len())
    }
}

/// The pieces of a window in one version of an object, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pieces(Vec<WindowPiece>);

impl Pieces {
    fn of(ranges: impl Iterator<Item = Range>) -> Self {
        let mut file = 0;
        let piece = |object: Range| {
            let piece = WindowPiece { object, file };
            file += object.len();
            piece
        };
        Self(ranges.map(piece).collect())
    }

    /// The length of the file in bytes.
    pub fn len(&self) -> u64 {
        self.0.last().map_or(0, |piece| piece.file_end())
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The piece that the byte at this offset of the file is of.
    pub fn at(&self, offset: u64) -> Option<WindowPiece> {
        let after = self.0.partition_point(|piece| piece.file <= offset);
        self.0[..after].last().copied().filter(|piece| offset < piece.file_end())
    }

    /// Whether they are all of an object of this length.
    pub fn are_all_of(&self, length: Option<u64>) -> bool {
        matches!(self.0[..], [WindowPiece { object, .. }] if Some(object.end) == length && object.start == 0)
    }

    /// One past the object's last byte that is wanted.
    pub fn object_end(&self) -> u64 {
        self.0.iter().map(|piece| piece.object.end).max().unwrap_or(0)
    }
}

impl Window {
    /// What was written; see the [module](self).
    ///
    /// # Errors
    /// Why it is no range.
    pub fn parse(text: &str) -> Result<Self, BadRange> {
        let text = text.trim();
        let list = match text.split_at_checked(6) {
            Some((unit, list)) if unit.eq_ignore_ascii_case("bytes=") => list,
            _ => text,
        };
        let mut parts = Vec::new();
        for part in list.split(',') {
            if parts.len() == PIECES_MAX {
                return Err(BadRange::TooMany);
            }
            parts.push(WindowPart::parse(part.trim())?);
        }
        Ok(Self(parts))
    }

    /// These parts; `None` when they are more or larger than a window may have.
    pub fn new(parts: Vec<WindowPart>) -> Option<Self> {
        let sane = |part: &WindowPart| match *part {
            WindowPart::From(start) => start < OFFSET_MAX,
            WindowPart::Span(range) => !range.is_empty() && range.end <= OFFSET_MAX,
            WindowPart::Last(count) => count > 0 && count <= OFFSET_MAX,
        };
        (parts.len() <= PIECES_MAX && parts.iter().all(sane)).then_some(Self(parts))
    }

    /// Whether the whole object was asked for.
    pub fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// What was asked for, in order.
    pub fn parts(&self) -> &[WindowPart] {
        &self.0
    }

    /// The pieces in an object of this length (`None`: not known). An end behind the object's is clipped; of every
    /// piece there must be a byte. But the last bytes of an object without any are none.
    ///
    /// # Errors
    /// Why they cannot be told.
    pub fn resolve(&self, length: Option<u64>) -> Result<Pieces, WindowUnresolved> {
        if length.is_some_and(|length| length > OFFSET_MAX) {
            return Err(WindowUnresolved::TooLong);
        }
        let range = |part: &WindowPart| match (*part, length) {
            (WindowPart::Span(range), None) => Ok(range),
            (WindowPart::From(_) | WindowPart::Last(_), None) => Err(WindowUnresolved::LengthUntold),
            (WindowPart::From(start), Some(length)) if start < length => Ok(Range::new(start, length)),
            (WindowPart::Span(range), Some(length)) if range.start < length => {
                Ok(Range::new(range.start, range.end.min(length)))
            }
            (WindowPart::Last(count), Some(length)) => Ok(Range::new(length.saturating_sub(count), length)),
            (WindowPart::From(_) | WindowPart::Span(_), Some(_)) => Err(WindowUnresolved::Outside),
        };
        let ranges: Vec<Range> = self.0.iter().map(range).collect::<Result<_, _>>()?;
        Ok(Pieces::of(ranges.into_iter()))
    }
}

impl WindowPart {
    fn parse(text: &str) -> Result<Self, BadRange> {
        let (first, last) = text.split_once('-').ok_or(BadRange::Form)?;
        match (first, last) {
            ("", count) => match offset(count)? {
                0 => Err(BadRange::NoBytes),
                count => Ok(Self::Last(count)),
            },
            (first, "") => Ok(Self::From(offset(first)?)),
            (first, last) => {
                let (first, last) = (offset(first)?, offset(last)?);
                if last < first { Err(BadRange::Backwards) } else { Ok(Self::Span(Range::new(first, last + 1))) }
            }
        }
    }
}

fn offset(text: &str) -> Result<u64, BadRange> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(BadRange::Form);
    }
    text.parse().ok().filter(|&offset| offset < OFFSET_MAX).ok_or(BadRange::TooFar)
}

impl fmt::Display for WindowPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::From(start) => write!(f, "{start}-"),
            Self::Span(range) => write!(f, "{}-{}", range.start, range.end - 1),
            Self::Last(count) => write!(f, "-{count}"),
        }
    }
}

impl fmt::Display for Window {
    /// As it would be typed, without `bytes=`; empty for the whole object.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.0.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(f, "{comma}{part}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(text: &str) -> Window {
        Window::parse(text).unwrap()
    }

    /// The pieces as `object@file`.
    fn shown(text: &str, length: Option<u64>) -> String {
        match window(text).resolve(length) {
            Ok(pieces) => {
                let one = |p: &WindowPiece| format!("{}@{}", p.object, p.file);
                pieces.0.iter().map(one).collect::<Vec<_>>().join(" ")
            }
            Err(why) => format!("{why:?}"),
        }
    }

    #[test]
    fn the_four_forms_are_read_and_written() {
        for (text, canonical) in [
            ("100-", "100-"),
            ("bytes=100-200", "100-200"),
            ("-100", "-100"),
            ("0-100,200-300", "0-100,200-300"),
            ("BYTES=0-0, 5-, -1", "0-0,5-,-1"),
            (" 007-8 ", "7-8"),
            ("5-9,0-9", "5-9,0-9"),
        ] {
            let read = window(text);
            assert_eq!(read.to_string(), canonical, "{text}");
            assert_eq!(window(canonical), read);
            assert_eq!(Window::new(read.parts().to_vec()), Some(read));
        }
    }

    #[test]
    fn what_is_no_range_is_refused_with_its_reason() {
        let many = |n: usize| vec!["1-2"; n].join(",");
        assert_eq!(window(&many(PIECES_MAX)).parts().len(), PIECES_MAX);
        for (text, why) in [
            ("", BadRange::Form),
            ("bytes=", BadRange::Form),
            ("5", BadRange::Form),
            ("-", BadRange::Form),
            ("1-2-3", BadRange::Form),
            ("a-b", BadRange::Form),
            ("+1-2", BadRange::Form),
            ("0x1-2", BadRange::Form),
            ("1-2,", BadRange::Form),
            ("1-2 3-4", BadRange::Form),
            ("items=1-2", BadRange::Form),
            ("\u{e4}\u{e4}\u{e4}\u{e4}1-2", BadRange::Form),
            ("9-8", BadRange::Backwards),
            ("-0", BadRange::NoBytes),
            ("9007199254740992-", BadRange::TooFar),
            ("0-99999999999999999999", BadRange::TooFar),
            (&many(PIECES_MAX + 1), BadRange::TooMany),
        ] {
            assert_eq!(Window::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn pieces_lie_one_behind_the_other_and_end_with_the_object() {
        for (text, length, want) in [
            ("100-", Some(150), "100..150@0"),
            ("100-199", Some(150), "100..150@0"),
            ("100-199", None, "100..200@0"),
            ("-100", Some(150), "50..150@0"),
            ("-100", Some(40), "0..40@0"),
            ("-100", Some(0), "0..0@0"),
            ("0-9,20-29,-5", Some(100), "0..10@0 20..30@10 95..100@20"),
            ("20-29,0-9", Some(100), "20..30@0 0..10@10"),
            ("0-9,5-", Some(12), "0..10@0 5..12@10"),
            ("100-", Some(100), "Outside"),
            ("0-", Some(0), "Outside"),
            ("0-9,100-199", Some(100), "Outside"),
            ("100-", None, "LengthUntold"),
            ("-100", None, "LengthUntold"),
            ("-100", Some(u64::MAX), "TooLong"),
        ] {
            assert_eq!(shown(text, length), want, "{text} of {length:?}");
        }
    }

    #[test]
    fn each_byte_of_the_file_is_of_one_piece() {
        let pieces = window("10-19,40-44,0-0").resolve(Some(100)).unwrap();
        assert_eq!(pieces.len(), 16);
        let object: Vec<u64> = (0..16).map(|i| pieces.at(i).unwrap().in_object(i)).collect();
        let want: Vec<u64> = (10..20).chain(40..45).chain([0]).collect();
        assert_eq!(object, want);
        assert_eq!((pieces.at(16), pieces.object_end()), (None, 45));
        assert!(window("0-").resolve(Some(9)).unwrap().are_all_of(Some(9)));
        assert!(!window("0-8").resolve(None).unwrap().are_all_of(None));
        assert!(!window("1-").resolve(Some(9)).unwrap().are_all_of(Some(9)));
        let most = vec!["0-"; PIECES_MAX].join(",");
        assert_eq!(window(&most).resolve(Some(OFFSET_MAX)).unwrap().len(), OFFSET_MAX * PIECES_MAX as u64);
    }
}

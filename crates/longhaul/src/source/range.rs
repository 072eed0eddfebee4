//! Which bytes of an object are wanted?

use std::fmt;
use std::ops::{Range, RangeFrom};
use std::str::FromStr;

use longhaul_core::ranges;
use longhaul_core::window::{Window, WindowPart};

use crate::error::Error;

/// Bytes of an object, in the words of RFC 9110, 14.1.2: `100-199` (both included, counted from 0), `100-` (to its
/// end), `-100` (the last 100, or all when it has no more), or several of them separated by commas; `bytes=` may stand
/// before them. At most 1,000 pieces, offsets below 2^53. Shown without `bytes=`.
///
/// A Rust range is one as well, half-open as usual: `ByteRange::try_from(100..200)` is `100-199`.
#[derive(Clone, PartialEq, Eq)]
pub struct ByteRange(Window);

impl ByteRange {
    pub(crate) fn into_window(self) -> Window {
        self.0
    }
}

impl FromStr for ByteRange {
    type Err = Error;

    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage), saying what is wrong with it.
    fn from_str(text: &str) -> Result<Self, Error> {
        Window::parse(text).map(Self).map_err(|why| Error::usage(format!("the range cannot be used: {why}")))
    }
}

impl TryFrom<Range<u64>> for ByteRange {
    type Error = Error;

    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a range of no bytes, and for offsets of 2^53 or above.
    fn try_from(range: Range<u64>) -> Result<Self, Error> {
        let part = (range.start < range.end).then(|| WindowPart::Span(ranges::Range::new(range.start, range.end)));
        Self::of(part)
    }
}

impl TryFrom<RangeFrom<u64>> for ByteRange {
    type Error = Error;

    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for an offset of 2^53 or above.
    fn try_from(range: RangeFrom<u64>) -> Result<Self, Error> {
        Self::of(Some(WindowPart::From(range.start)))
    }
}

impl ByteRange {
    fn of(part: Option<WindowPart>) -> Result<Self, Error> {
        let window = part.and_then(|part| Window::new(vec![part]));
        window
            .map(Self)
            .ok_or_else(|| Error::usage("the range cannot be used: no bytes, or an offset of 2^53 or above"))
    }
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ByteRange({self})")
    }
}

/// A range as it was asked for; `None` for all of an object.
pub(crate) fn range_text(window: &Window) -> Option<String> {
    (!window.is_whole()).then(|| window.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_texts_and_ranges() {
        for (text, shown) in [("bytes=100-199", "100-199"), ("0-9, -5", "0-9,-5"), ("7-", "7-")] {
            assert_eq!(text.parse::<ByteRange>().unwrap().to_string(), shown);
        }
        assert_eq!(ByteRange::try_from(100..200).unwrap(), "100-199".parse().unwrap());
        assert_eq!(ByteRange::try_from(7..).unwrap(), "7-".parse().unwrap());
        let error = "9-1".parse::<ByteRange>().unwrap_err();
        assert_eq!(error.to_string(), "the range cannot be used: a piece ends before it begins");
        for range in [5..5, Range { start: 9, end: 5 }, 0..(1 << 53) + 1, u64::MAX - 1..u64::MAX] {
            assert!(ByteRange::try_from(range.clone()).is_err(), "{range:?}");
        }
        assert!(ByteRange::try_from(1 << 53..).is_err() && ByteRange::try_from(0..1 << 53).is_ok());
    }
}

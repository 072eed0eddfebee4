//! What is wanted of the object: all of it, or pieces. The oracle cuts them out of a version by itself; the core is
//! told in the words that a user would type.

use longhaul_core::window::Window;

use super::content::{CAP, Content};
use crate::rng::Rng;

#[derive(Debug, Clone, Copy)]
enum WindowPiece {
    From(usize),
    /// First and last.
    Span(usize, usize),
    Last(usize),
}

/// Pieces of an object, in the order of the file; none: the object.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pieces: Vec<WindowPiece>,
}

impl Wanted {
    /// Of an object of about this length; never more than `CAP` bytes, however long it becomes.
    pub(crate) fn draw(rng: &mut Rng, len: usize) -> Self {
        const SHORT: u64 = 16;
        let start = |rng: &mut Rng| match rng.one_in(24) {
            true => rng.below(CAP as u64) as usize,
            false => rng.below(len as u64 * 3 / 4 + 1) as usize,
        };
        let mut pieces = Vec::new();
        for _ in 1..rng.pick(&[1, 1, 2, 2, 3]) {
            let count = rng.between(1, SHORT) as usize;
            pieces.push(match rng.one_in(6) {
                true => WindowPiece::Last(count),
                false => {
                    let start = start(rng);
                    WindowPiece::Span(start, start + count - 1)
                }
            });
        }
        let long = CAP as u64 - 2 * SHORT;
        pieces.push(match rng.below(4) {
            0 => WindowPiece::From(start(rng)),
            1 => WindowPiece::Last(rng.between(1, long) as usize),
            _ => {
                let start = start(rng);
                WindowPiece::Span(start, start + rng.below(long) as usize)
            }
        });
        let at = rng.below(pieces.len() as u64) as usize;
        pieces.rotate_left(at);
        Self { pieces }
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(crate) fn is_several(&self) -> bool {
        self.pieces.len() > 1
    }

    /// As a user types it.
    pub(crate) fn window(&self) -> Window {
        if self.is_whole() {
            return Window::default();
        }
        let text: Vec<String> = self
            .pieces
            .iter()
            .map(|piece| match piece {
                WindowPiece::From(start) => format!("{start}-"),
                WindowPiece::Span(first, last) => format!("{first}-{last}"),
                WindowPiece::Last(count) => format!("-{count}"),
            })
            .collect();
        match Window::parse(&format!("bytes={}", text.join(","))) {
            Ok(window) => window,
            Err(why) => unreachable!("{why}"),
        }
    }

    /// As if the pieces were one, of the same length, from where the first begins in an object of this length; or,
    /// unless `shifted`, from the object's first byte. Only a liar says so.
    pub(crate) fn confused(&self, shifted: bool, len: usize) -> Window {
        let Some(first) = self.pieces.first() else { return Window::default() };
        let start = match *first {
            _ if !shifted => 0,
            WindowPiece::From(start) | WindowPiece::Span(start, _) => start,
            WindowPiece::Last(count) => len.saturating_sub(count),
        };
        let count = |piece: &WindowPiece| match *piece {
            WindowPiece::From(_) => None,
            WindowPiece::Span(first, last) => Some(last + 1 - first),
            WindowPiece::Last(count) => Some(count),
        };
        let piece = match self.pieces.iter().map(count).sum::<Option<usize>>() {
            Some(count) => WindowPiece::Span(start, start + count - 1),
            None => WindowPiece::From(start),
        };
        Self { pieces: vec![piece] }.window()
    }

    /// What the file of a version must hold; `None` when a piece lies outside of it.
    pub(crate) fn cut(&self, content: &Content) -> Option<Vec<u8>> {
        let bytes = content.slice();
        if self.is_whole() {
            return Some(bytes.to_vec());
        }
        let mut out = Vec::new();
        for piece in &self.pieces {
            let cut = match *piece {
                WindowPiece::From(start) => bytes.get(start..).filter(|cut| !cut.is_empty())?,
                WindowPiece::Span(first, last) if first < bytes.len() => &bytes[first..bytes.len().min(last + 1)],
                WindowPiece::Span(..) => return None,
                WindowPiece::Last(count) => &bytes[bytes.len().saturating_sub(count)..],
            };
            out.extend_from_slice(cut);
        }
        Some(out)
    }

    /// Whether a file that holds these bytes is of this version.
    pub(crate) fn is_cut_of(&self, bytes: &[u8], content: &Content) -> bool {
        if self.is_whole() { content.slice() == bytes } else { self.cut(content).as_deref() == Some(bytes) }
    }
}

#[test]
fn pieces_are_cut_out_in_order() {
    let content = Content::new(0, 10);
    let b = content.slice();
    let wanted = |pieces: &[WindowPiece]| Wanted { pieces: pieces.to_vec() }.cut(&content);
    assert_eq!(wanted(&[]), Some(b.to_vec()));
    assert_eq!(
        wanted(&[WindowPiece::Span(8, 12), WindowPiece::From(9), WindowPiece::Last(2)]),
        Some([&b[8..], &b[9..], &b[8..]].concat())
    );
    assert_eq!(wanted(&[WindowPiece::Last(99)]), Some(b.to_vec()));
    assert_eq!((wanted(&[WindowPiece::From(10)]), wanted(&[WindowPiece::Span(10, 10)])), (None, None));
}

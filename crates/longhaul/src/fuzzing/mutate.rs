//! Small damage to a seed, from a number.

/// Words that formats care about.
const WORDS: [&[u8]; 16] = [
    b"\0",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"bytes ",
    b"*",
    b"-",
    b"/",
    b"\"",
    b"\\",
    b"\n",
    b"%",
    b"''",
    b"18446744073709551616",
    b"<a>",
    b"&#0;",
    b"[",
];

/// Pseudo random numbers (SplitMix64; Steele, Lea, Flood 2014).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }
}

/// A seed with one to eight wounds; `other` is what pieces may come from.
pub(crate) fn mutated(seed: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=dice.below(8) {
        let at = dice.below(bytes.len() + 1);
        match dice.below(8) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            2 if at < bytes.len() => bytes[at] = dice.below(256) as u8,
            3 => {
                let end = at + dice.below(bytes.len() - at + 1).min(64);
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            4 => drop(bytes.drain(at..at + dice.below(bytes.len() - at + 1).min(64))),
            5 => {
                let from = dice.below(other.len() + 1);
                let end = from + dice.below(other.len() - from + 1).min(64);
                bytes.splice(at..at, other[from..end].iter().copied());
            }
            _ => drop(bytes.splice(at..at, WORDS[dice.below(WORDS.len())].iter().copied())),
        }
    }
    bytes
}

/// Every file in a folder, in the order of their names.
pub(crate) fn files(folder: &std::path::Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().filter_map(|path| std::fs::read(path).ok()).collect()
}

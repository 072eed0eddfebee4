//! aria2's control file, `FILE.aria2`: which pieces of an unfinished file are there.
//!
//! The format is that of the chapter "Control File" in aria2's technical notes (doc/xml/aria2.1.txt of its sources):
//!
//! ```text
//! version 2 | extension 4 | info hash length 4 | info hash | piece length 4 | total length 8 | upload length 8 |
//! bitfield length 4 | bitfield | number of pieces in flight 4 | for each: index 4 | length 4 | bitfield length 4 | bitfield
//! ```
//!
//! Numbers are big-endian in version 1, and of the machine's own order in version 0. The first piece is the highest bit
//! of the first byte. A piece in flight has a bit for each block of 16 KiB.

use longhaul_core::ranges::Range;

/// The length of the blocks of a piece in flight.
const BLOCK_LEN: u64 = 16 << 10;

/// What a control file says.
#[derive(Debug, PartialEq)]
pub(super) struct Control {
    /// The object's length in bytes.
    pub(super) total: u64,
    /// What is there of it, in order and apart.
    pub(super) ranges: Vec<Range>,
}

/// Reads all of a control file. The error says what is wrong with it.
pub(super) fn parse(bytes: &[u8]) -> Result<Control, &'static str> {
    let version = bytes.get(..2).ok_or(SHORT)?;
    let big = match version {
        [0, 0] => cfg!(target_endian = "big"),
        [0, 1] => true,
        _ => return Err("it is of a version that is not known"),
    };
    let mut rest = Rest { bytes: &bytes[2..], big };
    let extension = rest.take(4)?;
    let hash_len = rest.u32()?;
    if extension.last().is_some_and(|last| last & 1 != 0) || hash_len != 0 {
        return Err("it is of a BitTorrent download");
    }
    let piece_len = u64::from(rest.u32()?);
    let total = rest.u64()?;
    rest.u64()?; // what was uploaded
    if piece_len == 0 || total == 0 {
        return Err("it tells no length");
    }
    let pieces = total.div_ceil(piece_len);
    let bitfield_len = u64::from(rest.u32()?);
    if bitfield_len != pieces.div_ceil(8) {
        return Err("its bitfield does not have the length that the object's pieces need");
    }
    let bitfield = rest.take(bitfield_len)?;
    let mut found = Vec::new();
    for piece in set_bits(bitfield) {
        if piece >= pieces {
            return Err("it tells of pieces behind the object's end");
        }
        let start = piece * piece_len;
        add(&mut found, Range::new(start, (start + piece_len).min(total)));
    }
    for _ in 0..rest.u32()? {
        let (index, len) = (u64::from(rest.u32()?), u64::from(rest.u32()?));
        let start = index.checked_mul(piece_len).filter(|_| index < pieces).ok_or(IN_FLIGHT)?;
        if len == 0 || len > piece_len.min(total - start) {
            return Err(IN_FLIGHT);
        }
        let blocks = len.div_ceil(BLOCK_LEN);
        let bitfield_len = u64::from(rest.u32()?);
        if bitfield_len != blocks.div_ceil(8) {
            return Err(IN_FLIGHT);
        }
        for block in set_bits(rest.take(bitfield_len)?) {
            if block >= blocks {
                return Err(IN_FLIGHT);
            }
            let from = block * BLOCK_LEN;
            add(&mut found, Range::new(start + from, start + (from + BLOCK_LEN).min(len)));
        }
    }
    if !rest.bytes.is_empty() {
        return Err("there is more behind its end");
    }
    Ok(Control { total, ranges: united(found) })
}

const SHORT: &str = "it ends too early";
const IN_FLIGHT: &str = "what it says of pieces in flight contradicts the rest";

struct Rest<'a> {
    bytes: &'a [u8],
    big: bool,
}

impl<'a> Rest<'a> {
    fn take(&mut self, len: u64) -> Result<&'a [u8], &'static str> {
        let len = usize::try_from(len).map_err(|_| SHORT)?;
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or(SHORT)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, &'static str> {
        let bytes: [u8; 4] = self.take(4)?.try_into().map_err(|_| SHORT)?;
        Ok(if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn u64(&mut self) -> Result<u64, &'static str> {
        let bytes: [u8; 8] = self.take(8)?.try_into().map_err(|_| SHORT)?;
        Ok(if self.big { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    }
}

fn set_bits(bitfield: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let bits = |(i, byte): (usize, &u8)| {
        let byte = *byte;
        (0..8).filter(move |bit| byte & (0x80 >> bit) != 0).map(move |bit| i as u64 * 8 + bit)
    };
    bitfield.iter().enumerate().flat_map(bits)
}

/// Pieces in a row are one range, so that there are not many.
fn add(found: &mut Vec<Range>, range: Range) {
    match found.last_mut().filter(|last| last.end == range.start) {
        Some(last) => last.end = range.end,
        None => found.push(range),
    }
}

fn united(mut found: Vec<Range>) -> Vec<Range> {
    found.sort_by_key(|r| r.start);
    let mut ranges: Vec<Range> = Vec::new();
    for range in found {
        match ranges.last_mut().filter(|last| range.start <= last.end) {
            Some(last) => last.end = last.end.max(range.end),
            None => ranges.push(range),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of version 1, with pieces of 1 MiB and these pieces in flight.
    fn control(total: u64, bitfield: &[u8], in_flight: &[(u32, u32, &[u8])]) -> Vec<u8> {
        let mut out = vec![0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        out.extend((1u32 << 20).to_be_bytes());
        out.extend(total.to_be_bytes());
        out.extend(0u64.to_be_bytes());
        out.extend((bitfield.len() as u32).to_be_bytes());
        out.extend(bitfield);
        out.extend((in_flight.len() as u32).to_be_bytes());
        for (index, len, bits) in in_flight {
            out.extend(index.to_be_bytes());
            out.extend(len.to_be_bytes());
            out.extend((bits.len() as u32).to_be_bytes());
            out.extend(*bits);
        }
        out
    }

    const MIB: u64 = 1 << 20;

    #[test]
    fn pieces_and_pieces_in_flight_are_found() {
        let total = 10 * MIB + 5;
        // 0, 1, 8 and the short last one; of piece 2 its first block, of piece 5 its last.
        let mut last_block = vec![0; 8];
        last_block[7] = 1;
        let in_flight: [(u32, u32, &[u8]); 2] =
            [(2, MIB as u32, &[0x80, 0, 0, 0, 0, 0, 0, 0]), (5, MIB as u32, &last_block)];
        let read = parse(&control(total, &[0b1100_0000, 0b1010_0000], &in_flight)).unwrap();
        let ranges: Vec<_> = read.ranges.iter().map(|r| (r.start, r.end)).collect();
        assert_eq!(read.total, total);
        assert_eq!(
            ranges,
            [(0, 2 * MIB + BLOCK_LEN), (6 * MIB - BLOCK_LEN, 6 * MIB), (8 * MIB, 9 * MIB), (10 * MIB, total)]
        );
    }

    #[test]
    #[allow(clippy::host_endian_bytes, reason = "version 0 is written in the order of the machine")]
    fn version_0_has_the_order_of_the_machine() {
        let mut old = vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        old.extend((1u32 << 20).to_ne_bytes());
        old.extend((2 * MIB).to_ne_bytes());
        old.extend(0u64.to_ne_bytes());
        old.extend(1u32.to_ne_bytes());
        old.push(0x40);
        old.extend(0u32.to_ne_bytes());
        assert_eq!(parse(&old).unwrap().ranges, [Range::new(MIB, 2 * MIB)]);
    }

    #[test]
    fn lies_are_refused() {
        let total = 3 * MIB;
        assert!(parse(&control(total, &[0xe0], &[])).is_ok());
        let refused = |bytes: &[u8]| assert!(parse(bytes).is_err(), "{bytes:?}");
        refused(&control(total, &[0xf0], &[])); // a piece behind the end
        refused(&control(total, &[0xe0, 0], &[])); // a bitfield that is too long
        refused(&control(u64::MAX, &[0xe0], &[]));
        refused(&control(0, &[], &[]));
        refused(&control(total, &[0], &[(3, 1, &[0x80])]));
        refused(&control(total, &[0], &[(u32::MAX, 1, &[0x80])]));
        refused(&control(total, &[0], &[(0, u32::MAX, &[0x80])]));
        refused(&control(total, &[0], &[(0, 5, &[0x40])])); // a block behind the piece's end
        refused(&control(total, &[0], &[(0, 0, &[])]));
        let mut longer = control(total, &[0], &[]);
        longer.push(0);
        refused(&longer);
        let mut torrent = control(total, &[0], &[]);
        torrent[5] = 1;
        assert_eq!(parse(&torrent), Err("it is of a BitTorrent download"));
        let whole = control(total, &[0xa0], &[(1, MIB as u32, &[1; 8])]);
        for cut in 0..whole.len() {
            refused(&whole[..cut]);
        }
        let mut many = control(total, &[0], &[]);
        let at = many.len() - 4;
        many[at..].fill(0xff); // four thousand million pieces in flight, and none follows
        refused(&many);
    }

    /// Any byte of a good file may be any other: it is read, or refused, and what is read lies in the object.
    #[test]
    fn no_bytes_make_it_panic() {
        let whole = control(10 * MIB + 5, &[0xa0, 0x20], &[(1, MIB as u32, &[1; 8])]);
        for at in 0..whole.len() {
            for with in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bent = whole.clone();
                bent[at] = with;
                super::super::fuzz(&bent);
            }
        }
    }
}

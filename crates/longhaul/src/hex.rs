//! Bytes as hexadecimal digits.

/// Two digits a byte, in lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| char::from(DIGITS[usize::from(half)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn both_halves_of_a_byte_have_their_digit() {
        assert_eq!(super::hex(&[0x00, 0x0f, 0xa9, 0xff]), "000fa9ff");
    }
}

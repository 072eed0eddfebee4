//! Amounts in the words of messages.

/// Bytes in powers of 1024: `175.8 MiB`, `512 bytes`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return if count == 1 { "1 byte".to_owned() } else { format!("{count} bytes") };
    }
    let (mut value, mut unit) = (count as f64, "");
    for next in UNITS {
        if value < 1023.95 {
            break;
        }
        (value, unit) = (value / 1024.0, next);
    }
    format!("{value:.1} {unit}")
}

/// A time in its two largest units: `48 s`, `5 m 03 s`, `3 h 07 m`, `4 d 02 h`.
pub(crate) fn seconds(s: u64) -> String {
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} m {:02} s", s / 60, s % 60),
        3600..86_400 => format!("{} h {:02} m", s / 3600, s / 60 % 60),
        _ => format!("{} d {:02} h", s / 86_400, s / 3600 % 24),
    }
}

/// `; 175.8 MiB are kept`, or nothing where there is nothing to keep: the end of a message.
pub(crate) fn kept(held: u64) -> String {
    match held {
        0 => String::new(),
        1 => "; 1 byte is kept".to_owned(),
        held => format!("; {} are kept", bytes(held)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_told_in_units_that_fit() {
        for (count, want) in
            [(0, "0 bytes"), (1, "1 byte"), (1023, "1023 bytes"), (1024, "1.0 KiB"), ((1 << 20) - 1, "1.0 MiB")]
        {
            assert_eq!(bytes(count), want);
        }
        assert_eq!(bytes(u64::MAX), "16.0 EiB");
        for (s, want) in
            [(0, "0 s"), (59, "59 s"), (60, "1 m 00 s"), (3599, "59 m 59 s"), (3660, "1 h 01 m"), (90_000, "1 d 01 h")]
        {
            assert_eq!(seconds(s), want);
        }
        assert_eq!(
            (kept(0).as_str(), kept(1).as_str(), kept(2048).as_str()),
            ("", "; 1 byte is kept", "; 2.0 KiB are kept")
        );
    }
}

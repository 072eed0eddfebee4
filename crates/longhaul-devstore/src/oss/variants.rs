//! What is not known about the service, and how else it may be?
//!
//! The documentation of OSS is silent in places, or contradicts itself. There the store does what seems likeliest, and
//! can be told to do the other thing: a client that is right either way need not know. Chosen by flags before the start
//! and by the admin endpoint while the store runs.

use std::sync::atomic::{AtomicU8, Ordering};

macro_rules! rows {
    ($($(#[$doc:meta])* $row:ident = $name:literal: $($value:literal),+;)*) => {
        /// One thing that is not known.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Row { $($(#[$doc])* $row,)* }

        /// Their names and values; the first value is what the store does by itself.
        const ROWS: &[(&str, &[&str])] = &[$(($name, &[$($value),+]),)*];

        const COUNT: usize = ROWS.len();
    };
}

rows! {
    /// `/a+b`: a plus by the standard, a space by what people report of the service. SDKs write `%2B` and `%20`.
    PlusInPath = "plus-in-path": "plus", "space";
    /// `bytes=0-9,20-29`.
    SeveralRanges = "several-ranges": "first", "416";
    /// `byte=0-9`, with the standard's rules asked for.
    MalformedRange = "malformed-range": "everything", "416", "400";
    /// `bytes=-2000` of 1000 bytes, with the standard's rules.
    LongSuffix = "long-suffix": "206", "416", "everything";
    /// Any range of an object without bytes, with the standard's rules.
    EmptyObject = "range-of-empty-object": "416", "everything";
    /// `bytes=500-2000` of 1000 bytes, with OSS's own rules: one page of the documentation against the others.
    EndPastObject = "end-past-object": "everything", "416";
    /// By RFC 9110 a date is not looked at beside an ETag.
    Conditions = "conditions": "rfc9110", "all";
    /// `x-oss-hash-crc64ecma` of GetObjectMeta.
    MetaCrc = "meta-crc64": "sent", "left-out";
    /// Conditions of a copy's source that a GET would answer with 304.
    CopyNotModified = "copy-not-modified": "412", "304";
    /// The code for a number that is not the next one in a sequential upload.
    NotSequential = "part-not-sequential": "PartNotSequential", "InvalidPartOrder";
    /// A signature in the header and one in the query.
    TwoSignatures = "two-signatures": "InvalidArgument", "AccessDenied", "header";
    /// The element in `SignatureDoesNotMatch` of version 4.
    CanonicalRequest = "canonical-request": "shown", "left-out";
    /// `${crc64} ${contentMd5} ${clientIp} ${reqId} ${operation}`.
    CallbackVariables = "callback-variables": "all", "old";
    /// Which fields of a form its policy has to name: one page says those of a version 4 signature, another one all.
    FormFields = "form-fields": "of-signature", "all";
}

/// What was chosen.
#[derive(Debug)]
pub(crate) struct Variants([AtomicU8; COUNT]);

impl Default for Variants {
    fn default() -> Variants {
        Variants([const { AtomicU8::new(0) }; COUNT])
    }
}

impl Variants {
    /// The value of a row.
    pub(crate) fn says(&self, row: Row) -> &'static str {
        let chosen = usize::from(self.0[row as usize].load(Ordering::Relaxed));
        ROWS[row as usize].1[chosen]
    }

    /// Chooses, by the words of flags and of the admin endpoint.
    ///
    /// # Errors
    /// In words, naming what there is instead.
    pub(crate) fn choose(&self, name: &str, value: &str) -> Result<(), String> {
        let Some(row) = ROWS.iter().position(|(have, _)| *have == name) else {
            let names: Vec<&str> = ROWS.iter().map(|(name, _)| *name).collect();
            return Err(format!("there is no variant {name}; there are {}", names.join(", ")));
        };
        let values = ROWS[row].1;
        let Some(chosen) = values.iter().position(|have| *have == value).and_then(|at| u8::try_from(at).ok()) else {
            return Err(format!("{name} is one of {}", values.join(", ")));
        };
        self.0[row].store(chosen, Ordering::Relaxed);
        Ok(())
    }

    /// What is not as the store does it by itself.
    pub(crate) fn chosen(&self) -> Vec<(&'static str, &'static str)> {
        let other = |(name, chosen, values): (_, _, &[&'static str])| (values[0] != chosen).then_some((name, chosen));
        self.list().into_iter().filter_map(other).collect()
    }

    /// All names with what was chosen and what could be, for the admin endpoint.
    pub(crate) fn list(&self) -> Vec<(&'static str, &'static str, &'static [&'static str])> {
        let chosen = |at: usize| usize::from(self.0[at].load(Ordering::Relaxed));
        ROWS.iter().enumerate().map(|(at, (name, values))| (*name, values[chosen(at)], *values)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_chosen_is_said_and_what_there_is_not_is_refused() {
        let variants = Variants::default();
        assert_eq!(variants.says(Row::Conditions), "rfc9110");
        variants.choose("conditions", "all").unwrap();
        assert_eq!((variants.says(Row::Conditions), variants.says(Row::SeveralRanges)), ("all", "first"));
        assert_eq!(variants.chosen(), [("conditions", "all")]);
        assert!(variants.choose("conditions", "none").unwrap_err().contains("rfc9110, all"));
        assert!(variants.choose("nothing", "all").unwrap_err().contains("several-ranges"));
        assert!(variants.list().contains(&("conditions", "all", &["rfc9110", "all"])));
    }
}

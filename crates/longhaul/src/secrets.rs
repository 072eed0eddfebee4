//! What was this program given that no text from outside may repeat?
//!
//! A store that shows which signature it expected, a proxy that repeats a header: texts of others go into errors, logs
//! and events, and what looks like a secret is taken out by [`redact_for_display`]. That cannot know a secret that
//! looks like none. So values that were given as secrets are remembered, for the whole process (errors come from
//! everywhere), in memory, and struck out of such a text wherever they stand in it, also percent-encoded or in base64.
//!
//! Deliberately not done: our own texts are left alone, in which a value may be part of a name; so are parts of a
//! value.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use longhaul_core::names::is_deceptive;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::source::{WebUrl, redact_for_display};
use crate::sync::locked;

/// Shorter values are too likely to be a word of an innocent text.
const LEN_MIN: usize = 8;
/// How many values are known at once, the latest ones: keys that are renewed for weeks must not pile up.
const KNOWN_MAX: usize = 512;
/// What stands in place of one.
const STRUCK: &str = "[secret]";

static KNOWN: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// A value that must not be repeated, of at least eight bytes. Of one with several words (`Bearer …`) each word counts
/// as well.
pub(crate) fn learn(value: &str) {
    let mut known = known();
    let value = value.trim();
    for secret in std::iter::once(value).chain(value.split_ascii_whitespace()).filter(|secret| secret.len() >= LEN_MIN)
    {
        if known.iter().any(|k| k == secret) {
            continue;
        }
        if known.len() == KNOWN_MAX {
            known.pop_front();
        }
        known.push_back(secret.to_owned());
    }
}

/// The values in a link that are not shown.
pub(crate) fn learn_link(link: &WebUrl) {
    let shown = link.to_string();
    for (_, value) in link.address().query_pairs().filter(|(_, value)| !shown.contains(value.as_ref())) {
        learn(&value); // of a signed link, say
    }
}

/// User and password, as they are and as `Authorization: Basic` has them (RFC 7617, 2).
pub(crate) fn learn_login(user: &str, password: &str) {
    if password.is_empty() {
        return;
    }
    learn(password);
    learn(&BASE64.encode(format!("{user}:{password}")));
}

/// A text of somebody else's as it may be shown: one line of at most `chars_max` characters that a terminal shows as
/// they are, without what was given as a secret and what looks like one.
pub(crate) fn shown(text: &str, chars_max: usize) -> String {
    // Struck out first: a secret that is cut is not found any more.
    let text = strike(text.to_owned());
    let plain: String = text.chars().map(|c| if is_deceptive(c) { ' ' } else { c }).take(chars_max).collect();
    redact_for_display(&plain)
}

fn strike(mut text: String) -> String {
    let mut secrets: Vec<String> = known().iter().cloned().collect();
    // The longest first: one may be part of another.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    for secret in secrets {
        let encoded = utf8_percent_encode(&secret, NON_ALPHANUMERIC).to_string();
        for form in [encoded, BASE64.encode(&secret), secret] {
            if text.contains(&form) {
                text = text.replace(&form, STRUCK);
            }
        }
    }
    text
}

fn known() -> MutexGuard<'static, VecDeque<String>> {
    locked(&KNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_is_struck_out_in_every_form_and_innocent_text_stays() {
        learn("zq-Secret/One+two=");
        learn("Bearer zq-token-value-1");
        learn("zq");
        learn_login("zq-user", "zq-pass-word");
        let basic = BASE64.encode("zq-user:zq-pass-word");
        for text in [
            "you sent zq-Secret/One+two= today".to_owned(),
            "percent zq%2DSecret%2FOne%2Btwo%3D".to_owned(),
            format!("base64 {}", BASE64.encode("zq-Secret/One+two=")),
            "Bearer zq-token-value-1".to_owned(),
            "token=zq-token-value-1,".to_owned(),
            "the password zq-pass-word is wrong".to_owned(),
            format!("Basic {basic}"),
        ] {
            let shown = shown(&text, 200);
            assert!(shown.contains(STRUCK), "{text} -> {shown}");
            for secret in ["zq-Secret", "zq%2D", "zq-token", "zq-pass", &basic] {
                assert!(!shown.contains(secret), "{text} -> {shown}");
            }
        }
        assert_eq!(shown("zq is too short, zq-user is no secret", 200), "zq is too short, zq-user is no secret");
        // Cut only after it was struck out.
        assert!(!shown(&format!("{}zq-Secret/One+two=", "x ".repeat(48)), 100).contains("zq-"));
    }

    #[test]
    fn a_text_of_others_is_one_line_that_shows_what_is_there() {
        let text = "a\nb\u{2028}c\u{85}d\u{1b}[2Je\u{202e}f\u{2066}g\u{200f}h\u{61c}i";
        assert_eq!(shown(text, 100), "a b c d [2Je f g h i");
        assert_eq!(shown("b\u{fc}cher \u{65e5}\u{672c}", 8), "b\u{fc}cher \u{65e5}");
    }

    #[test]
    fn keys_that_are_renewed_do_not_pile_up() {
        (0..2 * KNOWN_MAX).for_each(|n| learn(&format!("zr-renewed-{n:05}")));
        assert_eq!(known().len(), KNOWN_MAX);
        assert!(shown(&format!("zr-renewed-{:05}", 2 * KNOWN_MAX - 1), 100).contains(STRUCK));
    }
}

//! ListObjects and ListObjectsV2: keys in order, folded at a delimiter, a page at a time.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::bucket::owner;
use crate::oss::call::{Call, Naming, Reply};
use crate::oss::clock;
use crate::oss::disk::{Bucket, Object};
use crate::oss::refusal::Refusal;
use crate::oss::xml::Writer;

/// What is on a page.
pub(crate) struct Page<T> {
    pub(crate) entries: Vec<T>,
    /// Names that were folded, each once, in order.
    pub(crate) prefixes: Vec<String>,
    /// The last name on it, when there are more.
    pub(crate) next: Option<String>,
}

/// Folds names that arrive in order into a page.
pub(super) struct Folding<'a, T> {
    prefix: &'a str,
    delimiter: &'a str,
    max: usize,
    page: Page<T>,
    last: String,
}

impl<'a, T> Folding<'a, T> {
    pub(super) fn new(prefix: &'a str, delimiter: &'a str, max: usize) -> Self {
        let page = Page { entries: Vec::new(), prefixes: Vec::new(), next: None };
        Folding { prefix, delimiter, max, page, last: String::new() }
    }

    /// The name under which this one would be folded.
    pub(super) fn fold(&self, name: &str) -> Option<String> {
        let rest = name.strip_prefix(self.prefix)?;
        let at = (!self.delimiter.is_empty()).then(|| rest.find(self.delimiter)).flatten()?;
        Some(name[..self.prefix.len() + at + self.delimiter.len()].to_owned())
    }

    /// Takes the next name; `false` when the page is full and the name was not taken.
    pub(super) fn take(&mut self, name: &str, entry: impl FnOnce() -> T) -> bool {
        let folded = self.fold(name);
        if folded.is_some() && self.page.prefixes.last() == folded.as_ref() {
            return true;
        }
        if self.page.entries.len() + self.page.prefixes.len() >= self.max {
            self.page.next = Some(self.last.clone());
            return false;
        }
        match folded {
            Some(prefix) => {
                self.last.clone_from(&prefix);
                self.page.prefixes.push(prefix);
            }
            None => {
                self.last = name.to_owned();
                self.page.entries.push(entry());
            }
        }
        true
    }

    pub(super) fn finish(self) -> Page<T> {
        self.page
    }
}

pub(crate) fn page(bucket: &Bucket, prefix: &str, delimiter: &str, after: &str, max: usize) -> Page<Arc<Object>> {
    let mut folding = Folding::new(prefix, delimiter, max);
    if max == 0 {
        return folding.finish();
    }
    bucket.scan(prefix.max(after), |object| {
        let key = object.facts.key.as_str();
        if !key.starts_with(prefix) {
            return key < prefix; // past them all
        }
        // A marker that is a folded name stands for all that was folded into it.
        if key <= after || folding.fold(key).is_some_and(|folded| folded.as_str() <= after) {
            return true;
        }
        folding.take(key, || object.clone())
    });
    folding.finish()
}

pub(super) fn v1(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    let bucket = call.bucket()?;
    let naming = call.naming()?;
    let get = |name: &str| call.query.get(name).unwrap_or_default();
    let (prefix, delimiter, marker) = (get("prefix"), get("delimiter"), get("marker"));
    let max = call.number("max-keys", 0..=1000, 100)? as usize;
    let page = page(&bucket, prefix, delimiter, marker, max);
    let mut xml = Writer::new("ListBucketResult");
    xml.leaf("Name", &bucket.name);
    xml.leaf("Prefix", naming.write(prefix));
    xml.leaf("Marker", naming.write(marker));
    xml.leaf("MaxKeys", max);
    xml.leaf("Delimiter", naming.write(delimiter));
    if naming.encoded {
        xml.leaf("EncodingType", "url");
    }
    xml.leaf("IsTruncated", page.next.is_some());
    if let Some(next) = &page.next {
        xml.leaf("NextMarker", naming.write(next));
    }
    contents(&mut xml, &page, naming, true);
    Ok(Reply::xml(xml.finish()))
}

pub(super) fn v2(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    let bucket = call.bucket()?;
    let naming = call.naming()?;
    let get = |name: &str| call.query.get(name).unwrap_or_default();
    let (prefix, delimiter, start) = (get("prefix"), get("delimiter"), get("start-after"));
    let token = get("continuation-token");
    let max = call.number("max-keys", 1..=1000, 100)? as usize;
    let from_token = if token.is_empty() {
        None
    } else {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let wrong = || Refusal::invalid_argument("continuation-token", token, "The continuation token is not ours.");
        Some(bytes.ok_or_else(wrong)?)
    };
    let after = from_token.as_deref().unwrap_or(start);
    let page = page(&bucket, prefix, delimiter, after, max);
    let mut xml = Writer::new("ListBucketResult");
    xml.leaf("Name", &bucket.name);
    xml.leaf("Prefix", naming.write(prefix));
    xml.leaf("StartAfter", naming.write(start));
    xml.leaf("MaxKeys", max);
    xml.leaf("Delimiter", naming.write(delimiter));
    if naming.encoded {
        xml.leaf("EncodingType", "url");
    }
    xml.leaf("IsTruncated", page.next.is_some());
    if !token.is_empty() {
        xml.leaf("ContinuationToken", token);
    }
    if let Some(next) = &page.next {
        xml.leaf("NextContinuationToken", URL_SAFE_NO_PAD.encode(next));
    }
    xml.leaf("KeyCount", page.entries.len() + page.prefixes.len());
    contents(&mut xml, &page, naming, get("fetch-owner") == "true");
    Ok(Reply::xml(xml.finish()))
}

fn contents(xml: &mut Writer, page: &Page<Arc<Object>>, naming: Naming, with_owner: bool) {
    for object in &page.entries {
        let facts = &object.facts;
        xml.begin("Contents");
        xml.leaf("Key", naming.write(&facts.key));
        xml.leaf("LastModified", clock::iso(facts.modified_ms));
        xml.leaf("ETag", format!("\"{}\"", facts.etag));
        xml.leaf("Type", format!("{:?}", facts.kind));
        xml.leaf("Size", facts.size);
        xml.leaf("StorageClass", &facts.storage_class);
        if with_owner {
            owner(xml);
        }
        xml.end();
    }
    for prefix in &page.prefixes {
        xml.begin("CommonPrefixes");
        xml.leaf("Prefix", naming.write(prefix));
        xml.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(names: &[&str], prefix: &str, delimiter: &str, max: usize) -> (Vec<String>, Vec<String>, Option<String>) {
        let mut folding = Folding::new(prefix, delimiter, max);
        for name in names {
            if !folding.take(name, || (*name).to_owned()) {
                break;
            }
        }
        let page = folding.finish();
        (page.entries, page.prefixes, page.next)
    }

    #[test]
    fn names_are_folded_and_pages_end_where_the_next_begins() {
        let names = ["a", "d/1", "d/2", "e/1", "z"];
        let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(fold(&names, "", "", 10), (of(&names), vec![], None));
        assert_eq!(fold(&names, "", "/", 10), (of(&["a", "z"]), of(&["d/", "e/"]), None));
        assert_eq!(fold(&names, "", "/", 2), (of(&["a"]), of(&["d/"]), Some("d/".into())));
        assert_eq!(fold(&names, "", "/", 4), (of(&["a", "z"]), of(&["d/", "e/"]), None));
        assert_eq!(fold(&names[1..3], "d/", "/", 1), (of(&["d/1"]), vec![], Some("d/1".into())));
    }
}

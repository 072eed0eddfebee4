//! Which parts does the store have? GET `?uploadId`.

use std::sync::atomic::Ordering;

use longhaul_core::digest::{Digest, DigestKind};
use longhaul_core::upload::step::ListedPart;

use crate::store::cloud::request::{Request, Verb};
use crate::store::cloud::xml::Element;
use crate::store::cloud::{Cloud, Refusal, checksums, facts};

/// Parts a page: the most that stores give.
const PAGE_LEN: u32 = 1000;

/// One page of a store's list of parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartsPage {
    /// The parts, by number.
    pub(crate) parts: Vec<ListedPart>,
    /// After which number the next page begins; `None`: this was the last.
    pub(crate) next: Option<u32>,
}

impl Cloud {
    /// One page of the parts that the store has, those with a higher number than `after`.
    pub(crate) async fn list_parts(&self, upload_id: &str, after: u32) -> Result<PartsPage, Refusal> {
        let mut request = Request::new(Verb::ListParts).with("uploadId", upload_id).with("max-parts", PAGE_LEN);
        if after > 0 {
            request = request.with("part-number-marker", after);
        }
        let answer = self.request(request).await?;
        let encrypted = self.encrypted.load(Ordering::Relaxed) || facts::is_encrypted(answer.headers());
        let document = self.document(Verb::ListParts, answer, "ListPartsResult").await?;
        read(&document, after, encrypted).ok_or_else(|| Refusal::unreadable("the store's list of parts makes no sense"))
    }
}

/// Parts by number, all behind `after`; a list that says that it goes on has to get on.
pub(in crate::store::cloud) fn read(document: &Element, after: u32, encrypted: bool) -> Option<PartsPage> {
    let parts: Option<Vec<ListedPart>> = document.all("Part").map(|part| read_part(part, encrypted)).collect();
    let mut parts = parts?;
    // A store that ignores the marker begins from the first again.
    parts.retain(|part| part.number > after);
    parts.sort_by_key(|part| part.number);
    if parts.windows(2).any(|pair| pair[0].number == pair[1].number) {
        return None;
    }
    let next = match document.is_truncated() {
        false => None,
        true => {
            let marker = document.text_of("NextPartNumberMarker").and_then(decimal);
            let last = parts.last().map(|part| part.number);
            // Behind the last that is there, whatever a store says that begins its pages by itself.
            Some(marker.max(last).filter(|&next| next > after)?)
        }
    };
    Some(PartsPage { parts, next })
}

fn read_part(part: &Element, encrypted: bool) -> Option<ListedPart> {
    let etag = part.text_of("ETag").unwrap_or_default().to_owned();
    let mut digests = Vec::new();
    facts::add(&mut digests, part.text_of("HashCrc64ecma").and_then(crc64));
    facts::add(&mut digests, Some(()).filter(|()| !encrypted).and_then(|()| facts::md5_of(&etag)));
    checksums::told(|name| part.text_of(name)).for_each(|digest| facts::add(&mut digests, Some(digest)));
    Some(ListedPart {
        number: decimal(part.text_of("PartNumber")?).filter(|&number| number > 0)?,
        len: part.text_of("Size")?.parse().ok()?,
        etag,
        digests,
    })
}

fn crc64(text: &str) -> Option<Digest> {
    Digest::new(DigestKind::Crc64, text.parse::<u64>().ok()?.to_be_bytes())
}

fn decimal(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::cloud::xml;

    const MD5: &str = "0CC175B9C0F1B6A831C399E269772661";

    fn page(body: &str, after: u32) -> Option<PartsPage> {
        read(&xml::parse(format!("<ListPartsResult>{body}</ListPartsResult>").as_bytes()).unwrap(), after, false)
    }

    fn part(number: &str, size: &str, rest: &str) -> String {
        format!("<Part><PartNumber>{number}</PartNumber><Size>{size}</Size>{rest}</Part>")
    }

    #[test]
    fn parts_are_read_with_what_is_told_of_them() {
        let oss = format!("<ETag>&quot;{MD5}&quot;</ETag><HashCrc64ecma>11051210869376104954</HashCrc64ecma>");
        let sums = "<ETag>opaque</ETag><ChecksumCRC64NVME>rosUhgp5mIg=</ChecksumCRC64NVME>";
        let list = part("2", "9", &oss) + &part("1", "5", "<ETag></ETag>") + &part("7", "0", sums);
        let page = page(&list, 0).unwrap();
        assert_eq!(page.next, None);
        let told: Vec<_> = page.parts.iter().map(|part| (part.number, part.len, part.etag.as_str())).collect();
        assert_eq!(told, [(1, 5, ""), (2, 9, "\"0CC175B9C0F1B6A831C399E269772661\""), (7, 0, "opaque")]);
        let kinds: Vec<Vec<_>> =
            page.parts.iter().map(|part| part.digests.iter().map(|digest| digest.kind().name()).collect()).collect();
        assert_eq!(kinds, [vec![], vec!["md5", "crc64"], vec!["crc64nvme"]]);
    }

    #[test]
    fn a_list_goes_on_where_it_says_and_has_to_get_on() {
        let two = part("1", "1", "") + &part("2", "1", "");
        let more = "<IsTruncated>true</IsTruncated>";
        for (body, after, want) in [
            (format!("{two}<IsTruncated>false</IsTruncated>"), 0, Some((2, None))),
            (format!("{two}{more}<NextPartNumberMarker>2</NextPartNumberMarker>"), 0, Some((2, Some(2)))),
            (format!("{two}{more}"), 0, Some((2, Some(2)))),
            (format!("{more}<NextPartNumberMarker>5</NextPartNumberMarker>"), 2, Some((0, Some(5)))),
            (format!("{two}{more}<NextPartNumberMarker>2</NextPartNumberMarker>"), 2, None),
            (format!("{two}{more}<NextPartNumberMarker>0</NextPartNumberMarker>"), 0, Some((2, Some(2)))),
            (more.to_owned(), 0, None),
            (two.clone(), 1, Some((1, None))),
            (String::new(), 0, Some((0, None))),
            (part("1", "1", "") + &part("1", "2", ""), 0, None),
            (part("0", "1", ""), 0, None),
            (part("x", "1", ""), 0, None),
            (part("-1", "1", ""), 0, None),
            (part("1", "-1", ""), 0, None),
            (part("99999999999", "1", ""), 0, None),
            ("<Part><PartNumber>1</PartNumber></Part>".to_owned(), 0, None),
        ] {
            assert_eq!(page(&body, after).map(|page| (page.parts.len(), page.next)), want, "{body}");
        }
    }
}

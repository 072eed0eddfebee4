//! Which multipart uploads are open? GET `?uploads`, of the bucket.

use crate::source::Dialect;
use crate::store::cloud::request::{Request, Verb};
use crate::store::cloud::xml::Element;
use crate::store::cloud::{Cloud, Refusal};

/// Uploads a page: the most that stores give.
const PAGE_LEN: u32 = 1000;

/// One page of the multipart uploads in a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UploadsPage {
    /// By key, and for one key as the store likes.
    pub(crate) uploads: Vec<ListedUpload>,
    /// Where the next page begins; `None`: this was the last.
    pub(crate) next: Option<UploadsMarker>,
}

/// A multipart upload that is neither complete nor aborted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedUpload {
    /// Of which key.
    pub(crate) key: String,
    /// Its id.
    pub(crate) upload_id: String,
    /// When it began, in seconds since the Unix epoch, if the store says so.
    pub(crate) initiated_unix_s: Option<i64>,
}

/// Behind which upload a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UploadsMarker {
    /// The key.
    pub(crate) key: String,
    /// The upload of that key; may be empty.
    pub(crate) upload_id: String,
}

impl Cloud {
    /// One page of the multipart uploads of keys that begin with `prefix`.
    pub(crate) async fn list_uploads(
        &self,
        prefix: &str,
        after: Option<&UploadsMarker>,
    ) -> Result<UploadsPage, Refusal> {
        let mut request = Request::new(Verb::ListUploads)
            .with("uploads", "")
            .with("encoding-type", "url")
            .with("max-uploads", PAGE_LEN)
            .with("prefix", prefix);
        if let Some(after) = after {
            request = request.with("key-marker", &after.key).with("upload-id-marker", &after.upload_id);
        }
        let answer = self.request(request).await?;
        let document = self.document(Verb::ListUploads, answer, "ListMultipartUploadsResult").await?;
        read(&document, self.object.dialect())
            .ok_or_else(|| Refusal::unreadable("the store's list of uploads makes no sense"))
    }
}

pub(in crate::store::cloud) fn read(document: &Element, dialect: Dialect) -> Option<UploadsPage> {
    let encoded = document.encoding(dialect);
    let upload = |upload: &Element| {
        let initiated = upload.text_of("Initiated").and_then(|time| time.parse::<jiff::Timestamp>().ok());
        Some(ListedUpload {
            key: upload.key_of("Key", encoded)?,
            upload_id: upload.text_of("UploadId")?.to_owned(),
            initiated_unix_s: initiated.map(jiff::Timestamp::as_second),
        })
    };
    let uploads: Option<Vec<ListedUpload>> = document.all("Upload").map(upload).collect();
    let uploads = uploads?;
    let named = || {
        let key = document.key_of("NextKeyMarker", encoded).filter(|key| !key.is_empty())?;
        let upload_id = document.text_of("NextUploadIdMarker").unwrap_or_default().to_owned();
        Some(UploadsMarker { key, upload_id })
    };
    // A store that does not say where it goes on goes on behind the last.
    let last = || uploads.last().map(|last| UploadsMarker { key: last.key.clone(), upload_id: last.upload_id.clone() });
    let next = match document.is_truncated() {
        false => None,
        true => Some(named().or_else(last)?),
    };
    Some(UploadsPage { uploads, next })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::cloud::xml;

    fn page(body: &str) -> Option<UploadsPage> {
        read(&xml::parse(format!("<R>{body}</R>").as_bytes()).unwrap(), Dialect::Oss)
    }

    #[test]
    fn uploads_are_read_with_their_keys_decoded_only_when_said_so() {
        let upload =
            "<Upload><Key>a%20b</Key><UploadId>X</UploadId><Initiated>2025-11-13T03:25:45.000Z</Initiated></Upload>";
        let listed = |key: &str| ListedUpload {
            key: key.to_owned(),
            upload_id: "X".to_owned(),
            initiated_unix_s: Some(1_763_004_345),
        };
        assert_eq!(page(upload).unwrap().uploads, [listed("a%20b")]);
        let page_of = page(&format!("<EncodingType>url</EncodingType>{upload}")).unwrap();
        assert_eq!((page_of.uploads, page_of.next), (vec![listed("a b")], None));
    }

    #[test]
    fn a_list_that_goes_on_says_where() {
        let next =
            "<IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker>";
        let marker = UploadsMarker { key: "k".into(), upload_id: "u".into() };
        assert_eq!(page(next).unwrap().next, Some(marker));
        assert_eq!(page("<IsTruncated>true</IsTruncated>"), None);
        let last = "<Upload><Key>k</Key><UploadId>u</UploadId></Upload><IsTruncated>true</IsTruncated>";
        assert_eq!(page(last).unwrap().next, Some(UploadsMarker { key: "k".into(), upload_id: "u".into() }));
        assert_eq!(page("<Upload><Key>k</Key></Upload>"), None);
    }
}

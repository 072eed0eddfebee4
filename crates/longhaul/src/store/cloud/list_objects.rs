//! Which objects are there? GET `?list-type=2`, of the bucket.

use super::request::{Request, Verb};
use super::xml::Element;
use super::{Cloud, Refusal};

/// Objects a page: the most that both vendors give.
const PAGE_LEN: u32 = 1000;

/// One page of the objects in a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectsPage {
    /// By key.
    pub(crate) objects: Vec<ListedObject>,
    /// Where the next page begins; `None`: this was the last.
    pub(crate) next: Option<String>,
}

/// An object in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedObject {
    /// Its key.
    pub(crate) key: String,
    /// Its length in bytes.
    pub(crate) len: u64,
    /// Its ETag as told; empty when there is none.
    pub(crate) etag: String,
}

impl Cloud {
    /// One page of the objects whose keys begin with `prefix`; `after` is the `next` of the page before.
    pub(crate) async fn list_objects(&self, prefix: &str, after: Option<&str>) -> Result<ObjectsPage, Refusal> {
        let mut request = Request::new(Verb::ListObjects)
            .with("list-type", 2)
            .with("encoding-type", "url")
            .with("max-keys", PAGE_LEN)
            .with("prefix", prefix);
        if let Some(after) = after {
            request = request.with("continuation-token", after);
        }
        let answer = self.request(request).await?;
        let document = self.document(Verb::ListObjects, answer, "ListBucketResult").await?;
        let page = read(&document).filter(|page| page.next.is_none() || page.next.as_deref() != after);
        page.ok_or_else(|| Refusal::unreadable("the store's list of objects makes no sense"))
    }
}

fn read(document: &Element) -> Option<ObjectsPage> {
    let encoded = document.is_encoded();
    let object = |object: &Element| {
        Some(ListedObject {
            key: object.key_of("Key", encoded)?,
            len: object.text_of("Size")?.parse().ok()?,
            etag: object.text_of("ETag").unwrap_or_default().to_owned(),
        })
    };
    let objects: Option<Vec<ListedObject>> = document.all("Contents").map(object).collect();
    let next = match document.is_truncated() {
        false => None,
        true => Some(document.text_of("NextContinuationToken")?.to_owned()),
    };
    Some(ObjectsPage { objects: objects?, next })
}

#[cfg(test)]
mod tests {
    use super::super::xml;
    use super::*;

    fn page(body: &str) -> Option<ObjectsPage> {
        read(&xml::parse(format!("<R>{body}</R>").as_bytes()).unwrap())
    }

    #[test]
    fn objects_are_read_with_every_blank_of_their_keys() {
        let body = "<Contents><Key> a/%2B </Key><Size>7</Size><ETag>\"E\"</ETag></Contents>\
                    <IsTruncated>true</IsTruncated><NextContinuationToken>T==</NextContinuationToken>";
        let listed = |key: &str| ListedObject { key: key.to_owned(), len: 7, etag: "\"E\"".to_owned() };
        assert_eq!(page(body), Some(ObjectsPage { objects: vec![listed(" a/%2B ")], next: Some("T==".into()) }));
        let encoded = page(&format!("<EncodingType>url</EncodingType>{body}")).unwrap();
        assert_eq!(encoded.objects, [listed(" a/+ ")]);
        assert_eq!(page("<IsTruncated>true</IsTruncated>"), None);
        assert_eq!(page("<Contents><Key>k</Key><Size>x</Size></Contents>"), None);
        assert_eq!(page(""), Some(ObjectsPage { objects: vec![], next: None }));
    }
}

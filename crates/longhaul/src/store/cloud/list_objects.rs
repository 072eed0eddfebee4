//! Which objects are there? GET `?list-type=2`, of the bucket.

use super::request::{Request, Verb};
use super::xml::Element;
use super::{Cloud, Refusal};
use crate::source::Dialect;

/// Objects a page: the most that both vendors give.
const PAGE_LEN: u32 = 1000;

/// One page of the objects in a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectsPage {
    /// By key.
    pub(crate) objects: Vec<ListedObject>,
    /// Where the next page begins; `None`: this was the last.
    pub(crate) next: Option<Onward>,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Onward {
    /// Where the store knows by this.
    Token(String),
    /// Behind this key: the store speaks the first version of the verb, which has no tokens.
    Behind(String),
}

impl Onward {
    /// As it is sent.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Token(text) | Self::Behind(text) => text,
        }
    }
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
    pub(crate) async fn list_objects(&self, prefix: &str, after: Option<&Onward>) -> Result<ObjectsPage, Refusal> {
        let mut request = Request::new(Verb::ListObjects)
            .with("list-type", 2)
            .with("encoding-type", "url")
            .with("max-keys", PAGE_LEN)
            .with("prefix", prefix);
        request = match after {
            None => request,
            Some(Onward::Token(token)) => request.with("continuation-token", token),
            // By the names of both versions.
            Some(Onward::Behind(key)) => request.with("start-after", key).with("marker", key),
        };
        let answer = self.request(request).await?;
        let document = self.document(Verb::ListObjects, answer, "ListBucketResult").await?;
        read(&document, self.object.dialect())
            .ok_or_else(|| Refusal::unreadable("the store's list of objects makes no sense"))
    }
}

pub(super) fn read(document: &Element, dialect: Dialect) -> Option<ObjectsPage> {
    let encoded = document.encoding(dialect);
    let object = |object: &Element| {
        Some(ListedObject {
            key: object.key_of("Key", encoded)?,
            len: object.text_of("Size")?.parse().ok()?,
            etag: object.text_of("ETag").unwrap_or_default().to_owned(),
        })
    };
    let objects: Option<Vec<ListedObject>> = document.all("Contents").map(object).collect();
    let objects = objects?;
    let token = document.text_of("NextContinuationToken").map(|token| Onward::Token(token.to_owned()));
    let marker = || document.key_of("NextMarker", encoded).filter(|key| !key.is_empty());
    let last = || objects.last().map(|object| object.key.clone());
    // A store that gives a token, and does not say that the list ends here, has more.
    let next = match document.goes_on().unwrap_or(token.is_some()) {
        false => None,
        true => Some(token.or_else(|| marker().or_else(last).map(Onward::Behind))?),
    };
    Some(ObjectsPage { objects, next })
}

#[cfg(test)]
mod tests {
    use super::super::xml;
    use super::*;

    fn page(body: &str) -> Option<ObjectsPage> {
        read(&xml::parse(format!("<R>{body}</R>").as_bytes()).unwrap(), Dialect::S3)
    }

    #[test]
    fn objects_are_read_with_every_blank_of_their_keys() {
        let body = "<Contents><Key> a/%2B </Key><Size>7</Size><ETag>\"E\"</ETag></Contents>\
                    <IsTruncated>true</IsTruncated><NextContinuationToken>T==</NextContinuationToken>";
        let listed = |key: &str| ListedObject { key: key.to_owned(), len: 7, etag: "\"E\"".to_owned() };
        assert_eq!(
            page(body),
            Some(ObjectsPage { objects: vec![listed(" a/%2B ")], next: Some(Onward::Token("T==".into())) })
        );
        let encoded = page(&format!("<EncodingType>url</EncodingType>{body}")).unwrap();
        assert_eq!(encoded.objects, [listed(" a/+ ")]);
        assert_eq!(page("<IsTruncated>true</IsTruncated>"), None);
        let token = "<NextContinuationToken>T</NextContinuationToken>";
        assert_eq!(page(token).unwrap().next, Some(Onward::Token("T".into())));
        assert_eq!(page(&format!("{token}<IsTruncated>false</IsTruncated>")).unwrap().next, None);
        // Without tokens: behind the key that is named, or behind the last.
        let old = "<IsTruncated>true</IsTruncated><Contents><Key>a</Key><Size>1</Size></Contents>";
        assert_eq!(page(old).unwrap().next, Some(Onward::Behind("a".into())));
        let named = format!("{old}<NextMarker>b</NextMarker>");
        assert_eq!(page(&named).unwrap().next, Some(Onward::Behind("b".into())));
        assert_eq!(page("<Contents><Key>k</Key><Size>x</Size></Contents>"), None);
        assert_eq!(page(""), Some(ObjectsPage { objects: vec![], next: None }));
    }
}

//! How does the store say no? Status, code and message as OSS has them, and the elements that come with some codes.

use super::xml::Writer;

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    /// OSS's finer number for the same, where it is known.
    pub(crate) ec: &'static str,
    /// Further elements of the body.
    pub(crate) elements: Vec<(&'static str, String)>,
    /// Header fields that come with it.
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Refusal {
        Refusal {
            status,
            code: code.into(),
            message: message.into(),
            ec: "",
            elements: Vec::new(),
            headers: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, element: &'static str, value: impl ToString) -> Refusal {
        self.elements.push((element, value.to_string()));
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl ToString) -> Refusal {
        self.headers.push((name, value.to_string()));
        self
    }

    pub(crate) fn ec(mut self, ec: &'static str) -> Refusal {
        self.ec = ec;
        self
    }

    /// The XML body.
    pub(crate) fn body(&self, request_id: &str, host: &str) -> Vec<u8> {
        let mut xml = Writer::new("Error");
        xml.leaf("Code", &self.code);
        xml.leaf("Message", &self.message);
        xml.leaf("RequestId", request_id);
        xml.leaf("HostId", host);
        for (name, value) in &self.elements {
            xml.leaf(name, value);
        }
        if !self.ec.is_empty() {
            xml.leaf("EC", self.ec);
        }
        xml.finish()
    }

    pub(crate) fn invalid_argument(name: &str, value: &str, message: &str) -> Refusal {
        Refusal::new(400, "InvalidArgument", message).with("ArgumentName", name).with("ArgumentValue", value)
    }

    pub(crate) fn bad_request(message: &str) -> Refusal {
        Refusal::new(400, "InvalidRequest", message)
    }

    pub(crate) fn denied(message: &str) -> Refusal {
        Refusal::new(403, "AccessDenied", message).ec("0003-00000001")
    }

    pub(crate) fn no_such_bucket(bucket: &str) -> Refusal {
        Refusal::new(404, "NoSuchBucket", "The specified bucket does not exist.")
            .with("BucketName", bucket)
            .ec("0015-00000101")
    }

    pub(crate) fn no_such_key(key: &str) -> Refusal {
        Refusal::new(404, "NoSuchKey", "The specified key does not exist.").with("Key", key).ec("0026-00000001")
    }

    pub(crate) fn no_such_upload(id: &str) -> Refusal {
        let message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been \
                       aborted or completed.";
        Refusal::new(404, "NoSuchUpload", message).with("UploadId", id).ec("0042-00000203")
    }

    pub(crate) fn malformed_xml() -> Refusal {
        Refusal::new(400, "MalformedXML", "The XML you provided was not well-formed or did not validate.")
    }

    pub(crate) fn precondition(header: &'static str) -> Refusal {
        Refusal::new(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold.")
            .with("Condition", header)
    }

    pub(crate) fn not_implemented(what: &str) -> Refusal {
        Refusal::new(501, "NotImplemented", format!("This store does not implement {what}."))
    }

    pub(crate) fn method_not_allowed(method: &str) -> Refusal {
        Refusal::new(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
            .with("Method", method)
    }

    pub(crate) fn file_already_exists() -> Refusal {
        Refusal::new(409, "FileAlreadyExists", "The object you specified already exists and can not be overwritten.")
            .ec("0026-00000012")
    }

    /// The disk failed us. What exactly goes to the operator, not to the client.
    pub(crate) fn internal(what: &str) -> Refusal {
        Refusal::new(500, "InternalError", format!("The store could not {what}."))
    }
}

/// A failing disk is an internal error; the operator's line names the cause.
impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Refusal {
        match error.kind() {
            std::io::ErrorKind::StorageFull => Refusal::new(507, "InsufficientStorage", "The store's disk is full."),
            kind => Refusal::internal(&format!("use its disk ({kind})")),
        }
    }
}

//! A client with a key: signs requests in version 1 and forms in both versions, by the documentation and not by the
//! store's own code.

#![allow(unreachable_pub, reason = "for the other files of this suite")]

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

use crate::client::{Bench, Heard};

/// Who signs.
#[derive(Clone)]
pub struct Signer {
    pub id: String,
    pub secret: String,
    pub token: Option<String>,
}

pub fn hmac_sha1(key: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

pub fn hmac_sha256(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Signer {
    pub fn owner(bench: &Bench) -> Signer {
        let server = bench.server();
        Signer { id: server.access_key_id(), secret: server.access_key_secret(), token: None }
    }

    /// Asks with a signature of version 1. The line has the path and at most the sub-resource that is signed; the
    /// fields of the object, a line each, are signed when they begin with `x-oss-`.
    pub fn ask(&self, bench: &Bench, line: &str, fields: &str, body: &[u8]) -> Heard {
        let (method, resource) = line.split_once(' ').unwrap();
        let date = httpdate::fmt_http_date(SystemTime::now());
        let mut ours: Vec<(String, String)> = fields
            .lines()
            .filter_map(|field| field.split_once(": "))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.to_owned()))
            .collect();
        ours.extend(self.token.iter().map(|token| ("x-oss-security-token".to_owned(), token.clone())));
        ours.sort();
        let given = |wanted: &str| ours.iter().find(|(name, _)| name == wanted).map_or("", |(_, value)| value);
        let signed: String = ours
            .iter()
            .filter(|(name, _)| name.starts_with("x-oss-"))
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        // A bucket is signed with a slash behind it.
        let (path, query) = resource.split_once('?').map_or((resource, None), |(path, query)| (path, Some(query)));
        let slash = if path.len() > 1 && !path[1..].contains('/') { "/" } else { "" };
        let query = query.map_or(String::new(), |query| format!("?{query}"));
        let text = format!("{method}\n\n{}\n{date}\n{signed}{path}{slash}{query}", given("content-type"));
        let mut fields = format!("Date: {date}\nAuthorization: OSS {}:{}\n", self.id, hmac_sha1(&self.secret, &text));
        for (name, value) in &ours {
            fields.push_str(&format!("{name}: {value}\n"));
        }
        bench.ask(line, &fields, body)
    }

    /// The fields of a form that is signed in version 1.
    pub fn form_v1(&self, policy: &str) -> Vec<(String, String)> {
        let policy = STANDARD.encode(policy);
        let signature = hmac_sha1(&self.secret, &policy);
        let mut fields = vec![
            ("OSSAccessKeyId".to_owned(), self.id.clone()),
            ("policy".to_owned(), policy),
            ("Signature".to_owned(), signature),
        ];
        fields.extend(self.token.iter().map(|token| ("x-oss-security-token".to_owned(), token.clone())));
        fields
    }

    /// The same in version 4, signed at `date` (`20251113T032545Z`). The policy has to have the first three as
    /// conditions: [`Signer::v4_conditions`].
    pub fn form_v4(&self, policy: &str, date: &str) -> Vec<(String, String)> {
        let policy = STANDARD.encode(policy);
        let key = [&date[..8], "cn-hangzhou", "oss", "aliyun_v4_request"]
            .iter()
            .fold(format!("aliyun_v4{}", self.secret).into_bytes(), |key, word| hmac_sha256(&key, word));
        let mut fields = self.v4_parts(date);
        fields
            .extend([("x-oss-signature".to_owned(), hex(&hmac_sha256(&key, &policy))), ("policy".to_owned(), policy)]);
        fields.extend(self.token.iter().map(|token| ("x-oss-security-token".to_owned(), token.clone())));
        fields
    }

    fn v4_parts(&self, date: &str) -> Vec<(String, String)> {
        let credential = format!("{}/{}/cn-hangzhou/oss/aliyun_v4_request", self.id, &date[..8]);
        [("x-oss-signature-version", "OSS4-HMAC-SHA256"), ("x-oss-credential", &credential), ("x-oss-date", date)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec()
    }

    /// What the policy of a form in version 4 has to say, followed by a comma.
    pub fn v4_conditions(&self, date: &str) -> String {
        self.v4_parts(date).iter().map(|(name, value)| format!("{{\"{name}\":\"{value}\"}},")).collect()
    }
}

//! Who asks for what, and may they? Addressing, signature and permission, in the order of the service; what a request
//! means is known when it comes out here, and no object was looked at yet.

use super::dialect;
use super::form::Form;
use super::keys::Key;
use super::op::{self, Op};
use super::post_policy::{Lengths, PostPolicy};
use super::refusal::Refusal;
use super::sign::{self, Asked, Rules};
use super::store::Store;
use super::sts;
use super::target::{Resource, Target};
use super::variants::Row;
use super::wire::{Body, Head};
use crate::request::Headers;

/// A request that may be carried out.
pub(crate) struct Admission {
    pub(crate) op: Op,
    pub(crate) resource: Resource,
    /// The key that signed; `None` for an anonymous request.
    pub(crate) key: Option<Key>,
    pub(crate) form: Option<Posted>,
    pub(crate) sts: Option<sts::Asked>,
}

/// A form that keeps to its policy.
pub(crate) struct Posted {
    pub(crate) form: Form,
    /// Its fields, as a PUT would have them.
    pub(crate) headers: Headers,
    pub(crate) lengths: Lengths,
}

/// What becomes known of a request on the way, also of one that is refused.
#[derive(Default)]
pub(crate) struct Known {
    /// What the line means by itself.
    pub(crate) addressed: Option<Resource>,
    pub(crate) op: Option<Op>,
    pub(crate) resource: Option<Resource>,
    pub(crate) key: Option<Key>,
    /// How STS is to answer, when it was asked.
    pub(crate) sts: Option<sts::Format>,
}

/// Names and verifies.
///
/// # Errors
/// The refusals of the service. `known` then has what was found out before.
pub(crate) fn admit(
    store: &Store,
    head: &Head,
    host: &str,
    target: &Target,
    body: &mut Body<'_>,
    known: &mut Known,
) -> Result<Admission, Refusal> {
    let names: Vec<String> = store.disk.buckets().iter().map(|bucket| bucket.name.clone()).collect();
    let mut resources = store.settings.hosts.resources(host, &target.path, &names);
    known.addressed = resources.first().cloned();
    dialect::refuse_s3(&head.headers, &target.query)?;
    if head.method == "OPTIONS" {
        return preflight(resources.swap_remove(0), known);
    }
    if sts::is_asked(head, &resources[0], target) {
        return assume_role(store, head, resources.swap_remove(0), target, body, known);
    }
    let rules = Rules { now_ms: store.clock.now_ms(), region: &store.settings.region, variants: &store.variants };
    if Form::is_told(&head.headers)
        && op::of(&head.method, &resources[0], &target.query, &head.headers) == Ok(Op::PostObject)
    {
        return post(store, head, host, resources.swap_remove(0), body, &rules, known);
    }
    let resource = if store.settings.anonymous {
        // No signature says more than the line does.
        resources.swap_remove(0)
    } else {
        let asked = Asked { method: &head.method, query: &target.query, headers: &head.headers };
        let signer = sign::verify(&asked, &resources, &store.keys, &rules)?;
        known.key = signer.key;
        resources.swap_remove(signer.resource)
    };
    let op = op::of(&head.method, &resource, &target.query, &head.headers)?;
    known.op = Some(op);
    known.resource = Some(resource.clone());
    // Which keys are meant stands in the body; there each is asked about.
    if op != Op::DeleteMultipleObjects {
        store.allow(known.key.as_ref(), op, &resource)?;
    }
    Ok(Admission { op, resource, key: known.key.clone(), form: None, sts: None })
}

/// STS has signatures of its own.
fn assume_role(
    store: &Store,
    head: &Head,
    resource: Resource,
    target: &Target,
    body: &mut Body<'_>,
    known: &mut Known,
) -> Result<Admission, Refusal> {
    known.op = Some(Op::AssumeRole);
    let format = known.sts.insert(sts::Format::Json);
    let keys = (!store.settings.anonymous).then_some(&store.keys);
    let asked = sts::read(head, target, body, keys, store.clock.now_ms(), format)?;
    known.key = asked.key.clone();
    Ok(Admission { op: Op::AssumeRole, resource, key: known.key.clone(), form: None, sts: Some(asked) })
}

/// A browser asks without a key.
fn preflight(resource: Resource, known: &mut Known) -> Result<Admission, Refusal> {
    if resource.bucket.is_empty() {
        return Err(Refusal::method_not_allowed("OPTIONS"));
    }
    known.op = Some(Op::OptionObject);
    known.resource = Some(resource.clone());
    Ok(Admission { op: Op::OptionObject, resource, key: None, form: None, sts: None })
}

/// The same for a form, whose key and proof stand in front of its file.
fn post(
    store: &Store,
    head: &Head,
    host: &str,
    bucket: Resource,
    body: &mut Body<'_>,
    rules: &Rules<'_>,
    known: &mut Known,
) -> Result<Admission, Refusal> {
    known.op = Some(Op::PostObject);
    known.resource = Some(bucket.clone());
    super::call::check_data_length(super::wire::Length::of(&head.headers))?;
    let form = Form::read(body, &head.headers)?;
    dialect::refuse_s3_form(&form)?;
    let resource = Resource { key: form.key()?, ..bucket };
    known.resource = Some(resource.clone());
    if !store.settings.anonymous {
        known.key = sign::form::verify(&form, &store.keys, rules)?;
    }
    let lengths = match form.get("policy") {
        Some(policy) => {
            let all = store.variants.says(Row::FormFields) == "all";
            PostPolicy::parse(policy)?.check(&form, &resource.bucket, rules.now_ms, all)?
        }
        None => Lengths { min: 0, max: u64::MAX },
    };
    store.allow(known.key.as_ref(), Op::PostObject, &resource)?;
    let mut headers = form.as_headers()?;
    headers.set("Host", host);
    let form = Some(Posted { form, headers, lengths });
    Ok(Admission { op: Op::PostObject, resource, key: known.key.clone(), form, sts: None })
}

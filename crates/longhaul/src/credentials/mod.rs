//! Who signs requests to a store?
//!
//! What a provider of keys is stands in [`keys`](crate::keys); here are those that look for keys by themselves.

mod chain;
mod environment;
mod ini;
mod oss;
mod s3;
mod search;
mod settings;
#[cfg(test)]
mod tests;
mod world;

use std::sync::Arc;

use crate::error::Error;
pub use crate::keys::{BoxFuture, Credentials, Keys, Secret, Static};
use crate::source::Dialect;
use chain::{Chain, Found, Times};
pub use environment::Environment;
pub(crate) use settings::settings_of;
pub use settings::{Signature, StoreSettings};
pub(crate) use world::World;

/// The keys that a user's variables, files, and machine offer, looked for when they are needed and again in time. With
/// `profile`, only what stands under that name in the vendors' files.
pub(crate) fn of_environment(world: Arc<World>, dialect: Dialect, profile: Option<String>) -> Arc<dyn Credentials> {
    chain(world, dialect, profile, Times::default())
}

fn chain(world: Arc<World>, dialect: Dialect, profile: Option<String>, times: Times) -> Arc<dyn Credentials> {
    let search = move || -> BoxFuture<'static, Result<Found, Error>> {
        let (world, profile) = (Arc::clone(&world), profile.clone());
        Box::pin(async move {
            let look = world.look();
            let answer = match dialect {
                Dialect::Oss => oss::search(&look, profile.as_deref()).await?,
                Dialect::S3 => s3::search(&look, profile.as_deref()).await?,
            };
            let files = look.files();
            Ok(match answer {
                Some(answer) => Found { keys: Some(answer.keys), expires: answer.expires, files },
                None => Found { keys: None, expires: None, files },
            })
        })
    };
    Arc::new(Chain::new(times, Box::new(search)))
}

/// Both halves of a key, or neither.
fn pair<'a>(
    id: Option<&'a str>,
    secret: Option<&'a str>,
    id_name: &str,
    secret_name: &str,
) -> Result<Option<(&'a str, &'a str)>, Error> {
    match (id, secret) {
        (Some(id), Some(secret)) => Ok(Some((id, secret))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(Error::usage(format!("{id_name} is there and {secret_name} is not"))),
        (None, Some(_)) => Err(Error::usage(format!("{secret_name} is there and {id_name} is not"))),
    }
}

/// For [`fuzzing`](crate::fuzzing).
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let ini = ini::Ini::parse(&text);
    for name in ["default", "profile x", "Credentials"] {
        let _ = ini.section(name);
    }
    let _ = oss::ossutil_section(&ini, None);
    let _ = oss::ossutil_section(&ini, Some("x"));
}

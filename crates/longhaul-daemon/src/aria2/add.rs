//! How do entries come into the list, and get other links and options?

use std::path::{Path, PathBuf};

use longhaul::Source;
use longhaul::manager::{Entry, Existing, NewEntry, Options, Place, State, Target};
use serde_json::{Map, Value, json};

use super::methods::{Asker, Rpc, fault};
use super::options::Wish;
use super::params::Params;
use super::status::Stage;
use super::wire::Fault;

/// What aria2 fetches, and longhaul does not.
const OTHER_SCHEMES: [&str; 4] = ["magnet:", "ftp:", "ftps:", "sftp:"];

/// `addUri(uris, options, position)`: several links are mirrors of one object.
pub(super) async fn uris(rpc: &Rpc, asker: &Asker, params: &Params) -> Result<Value, Fault> {
    let uris = params.texts(0)?;
    if uris.is_empty() {
        return Err(Fault::new("URI is not provided."));
    }
    let options = params.options_if_given(1)?;
    let place = place(rpc, params, 2)?;
    let sources = sources(&uris)?;
    let new = entry(rpc, asker, sources, &options)?.place(place);
    let added = rpc.manager().add(new).await.map_err(|error| fault(&error))?;
    Ok(added.gid.to_string().into())
}

/// `addMetalink(metalink, options, position)`: refused, so that a front-end says so.
pub(super) fn metalink(params: &Params) -> Result<Value, Fault> {
    params.text(0)?;
    Err(Fault::new("a Metalink cannot be added by this RPC: add its links"))
}

/// The links that can be fetched; what is none of any kind is passed over, as aria2 does.
fn sources(uris: &[&str]) -> Result<Vec<Source>, Fault> {
    let scheme = |uri: &&&str| OTHER_SCHEMES.into_iter().find(|scheme| begins_with(uri, scheme));
    if let Some(scheme) = uris.iter().find_map(|uri| scheme(&uri)) {
        return Err(Fault::new(format!("{scheme} cannot be fetched; http, https, oss and s3 can")));
    }
    let sources: Vec<Source> = uris.iter().filter_map(|uri| uri.trim().parse().ok()).collect();
    if sources.is_empty() { Err(Fault::new("No URI to download.")) } else { Ok(sources) }
}

fn begins_with(text: &str, beginning: &str) -> bool {
    text.trim().get(..beginning.len()).is_some_and(|start| start.eq_ignore_ascii_case(beginning))
}

/// A place among those that wait, as a place in the list.
fn place(rpc: &Rpc, params: &Params, at: usize) -> Result<Place, Fault> {
    let Some(position) = params.integer_if_given(at)? else { return Ok(Place::Bottom) };
    let too_small = |_| Fault::new("Position must be greater than or equal to 0.");
    let position = usize::try_from(position).map_err(too_small)?;
    Ok(rpc.waiting().get(position).map_or(Place::Bottom, |id| Place::Before(*id)))
}

fn entry(rpc: &Rpc, asker: &Asker, sources: Vec<Source>, options: &Map<String, Value>) -> Result<NewEntry, Fault> {
    // aria2 renames what would stand in the way of another file, unless it is told not to.
    let usual = Options { existing: Existing::Rename, ..Options::default() };
    let wish = Wish::read(options, usual)?;
    let target = target(rpc, asker, wish.dir.as_deref(), wish.out)?;
    let mut new = NewEntry::download(sources, target).hold(wish.pause).options(wish.options);
    if let Some(gid) = wish.gid {
        new = new.gid(gid);
    }
    Ok(match wish.secrets {
        Some(secrets) => new.secrets(secrets.into()),
        None => new,
    })
}

/// Where it is saved: callers by TCP write below the roots only, whatever they ask for.
fn target(rpc: &Rpc, asker: &Asker, dir: Option<&Path>, out: Option<PathBuf>) -> Result<Target, Fault> {
    let folder = folder(rpc, asker, dir)?;
    let Some(out) = out else { return Ok(Target::Folder(folder)) };
    if !asker.is_local_user() {
        rpc.app.guard.roots.below(&folder.join(&out)).map_err(Fault::new)?;
    }
    Ok(Target::Below { root: folder, path: out })
}

/// The folder that a caller names, or the usual one.
pub(super) fn folder(rpc: &Rpc, asker: &Asker, dir: Option<&Path>) -> Result<PathBuf, Fault> {
    let usual = usual_folder(rpc);
    match dir {
        None => usual.ok_or_else(|| Fault::new("no folder is set for downloads; give --dir")),
        Some(dir) if asker.is_local_user() => Ok(usual.unwrap_or_default().join(dir)),
        Some(dir) => Ok(rpc.app.guard.roots.below(dir).map_err(Fault::new)?.whole()),
    }
}

/// Where downloads go that name no folder.
pub(super) fn usual_folder(rpc: &Rpc) -> Option<PathBuf> {
    let roots = &rpc.app.guard.roots;
    rpc.manager().settings().folder.clone().or_else(|| roots.first().map(Path::to_owned))
}

/// `changeUri(gid, fileIndex, delUris, addUris, position)`: also of an entry that failed or needs a link, which goes on
/// with it.
pub(super) async fn change_uri(rpc: &Rpc, params: &Params) -> Result<Value, Fault> {
    let entry = rpc.entry(params)?;
    let index = params.integer_from(1, 1)?;
    let (without, with) = (params.texts(2)?, params.texts(3)?);
    let position = params.integer_if_given(4)?;
    let refused = || Fault::new(format!("Cannot remove URIs from GID#{}", entry.gid));
    if index != 1 || matches!(entry.state, State::Done(_) | State::Cancelled) {
        return Err(refused());
    }
    let mut links = rpc.manager().links(entry.id);
    let mut removed = 0;
    for uri in without {
        if let Some(at) = links.iter().position(|link| link == uri) {
            links.remove(at);
            removed += 1;
        }
    }
    let added: Vec<String> =
        with.iter().filter(|uri| uri.trim().parse::<Source>().is_ok()).map(|uri| uri.trim().to_owned()).collect();
    let count = added.len();
    let at = position.and_then(|position| usize::try_from(position).ok()).unwrap_or(links.len()).min(links.len());
    links.splice(at..at, added);
    if links.is_empty() {
        return Err(Fault::new(format!("GID#{}: its last URI cannot be removed", entry.gid)));
    }
    if (removed, count) != (0, 0) {
        let sources = links.iter().filter_map(|link| link.parse().ok()).collect();
        rpc.manager().relink(entry.id, sources).await.map_err(|error| fault(&error))?;
    }
    Ok(json!([removed, count]))
}

/// `changeOption(gid, options)`.
pub(super) async fn change_option(rpc: &Rpc, params: &Params) -> Result<Value, Fault> {
    let entry = rpc.entry(params)?;
    let options = params.options(1)?;
    let refused = || Fault::new(format!("Cannot change option for GID#{}", entry.gid));
    if Stage::of(&entry.state).is_stopped() && entry.state.is_over() {
        return Err(refused());
    }
    let wish = Wish::read(options, entry.options.clone())?;
    if wish.options == entry.options && wish.secrets.is_none() {
        return said_what_cannot_be(&entry, &wish);
    }
    let changed = rpc.manager().set_options(entry.id, wish.options.clone(), wish.secrets.clone().map(Into::into)).await;
    changed.map_err(|error| fault(&error))?;
    said_what_cannot_be(&entry, &wish)
}

/// The place of a file is chosen when it is added.
fn said_what_cannot_be(entry: &Entry, wish: &Wish) -> Result<Value, Fault> {
    let name = entry.name.as_deref();
    if wish.out.as_deref().is_some_and(|out| Some(out) != name) {
        return Err(Fault::new(format!(
            "GID#{}: --out cannot be changed; add it anew under the other name",
            entry.gid
        )));
    }
    if wish.dir.as_deref().is_some_and(|dir| dir != entry.folder) {
        return Err(Fault::new(format!("GID#{}: --dir cannot be changed; add it anew in the other folder", entry.gid)));
    }
    Ok("OK".into())
}

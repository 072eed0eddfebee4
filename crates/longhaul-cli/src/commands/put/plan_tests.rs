//! Files and folders against the keys that they become.
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;

fn folder_with(files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    folder
}

fn planned(inputs: &[PathBuf], dest: &str, recursive: bool, follow_symlinks: bool, globs: &Globs) -> Plan {
    let inputs: Vec<Input> = inputs.iter().cloned().map(Input::Path).collect();
    plan(&inputs, &dest.parse().unwrap(), Walk { recursive, globs, follow_symlinks }).unwrap()
}

fn keys(plan: &Plan) -> Vec<String> {
    plan.items.iter().filter_map(|item| item.to.as_ref().ok().map(ToString::to_string)).collect()
}

fn failures(plan: &Plan) -> Vec<&Failure> {
    plan.items.iter().filter_map(|item| item.to.as_ref().err()).collect()
}

#[test]
fn a_folder_becomes_keys_in_the_order_of_names() {
    let folder = folder_with(&["b", "a/z", "a/b/c", ".hidden", "c d?#%"]);
    fs::create_dir(folder.path().join("empty")).unwrap();
    for dest in ["oss://films/p", "oss://films/p/"] {
        let plan = planned(&[folder.path().into()], dest, true, false, &Globs::default());
        let expected = [".hidden", "a/b/c", "a/z", "b", "c d?#%"].map(|name| format!("oss://films/p/{name}"));
        assert_eq!(keys(&plan), expected, "{dest}");
        assert!(plan.left_out.is_empty() && failures(&plan).is_empty());
    }
    let plan = planned(&[folder.path().into()], "s3://films", true, false, &Globs::default());
    assert_eq!(keys(&plan)[0], "s3://films/.hidden");
    let globs = Globs::new(&["*".to_owned()], &["a/**".to_owned(), ".*".to_owned()]).unwrap();
    let plan = planned(&[folder.path().into()], "s3://films", true, false, &globs);
    assert_eq!(keys(&plan), ["s3://films/b", "s3://films/c d?#%"]);
}

#[test]
fn files_keep_their_names_below_a_prefix_and_take_the_key_otherwise() {
    let folder = folder_with(&["x", "d/y"]);
    let (x, y) = (folder.path().join("x"), folder.path().join("d/y"));
    let none = Globs::default();
    assert_eq!(keys(&planned(std::slice::from_ref(&x), "oss://bkt/k", false, false, &none)), ["oss://bkt/k"]);
    assert_eq!(
        keys(&planned(&[x.clone(), y], "oss://bkt/k/", false, false, &none)),
        ["oss://bkt/k/x", "oss://bkt/k/y"]
    );
    assert_eq!(keys(&planned(&[x], "oss://bkt", true, false, &none)), ["oss://bkt/x"]);
}

#[test]
fn links_to_files_are_followed_and_links_to_folders_when_asked() {
    let folder = folder_with(&["real/file", "walk/own"]);
    let walk = folder.path().join("walk");
    symlink("../real/file", walk.join("file")).unwrap();
    symlink("../real", walk.join("folder")).unwrap();
    symlink(".", walk.join("loop")).unwrap();
    symlink("nowhere", walk.join("dangling")).unwrap();
    symlink("itself", walk.join("itself")).unwrap();
    let plan = planned(std::slice::from_ref(&walk), "oss://bkt", true, false, &Globs::default());
    assert_eq!(keys(&plan), ["oss://bkt/file", "oss://bkt/own"]);
    assert_eq!(plan.left_out.len(), 2, "{:?}", plan.left_out);
    let failed = failures(&plan);
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert!(failed.iter().all(|failure| failure.exit == Exit::LocalFile));
    let plan = planned(&[walk], "oss://bkt", true, true, &Globs::default());
    assert_eq!(keys(&plan), ["oss://bkt/file", "oss://bkt/folder/file", "oss://bkt/own"]);
    assert!(plan.left_out.len() == 1 && plan.left_out[0].contains("leads back"), "{:?}", plan.left_out);
}

#[test]
fn what_cannot_be_uploaded_is_told_and_the_rest_goes_on() {
    let folder = folder_with(&["a", "c"]);
    fs::write(folder.path().join(OsStr::from_bytes(b"b\xff")), b"").unwrap();
    std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    let inputs = [folder.path().into(), folder.path().join("missing")];
    let plan = planned(&inputs, "oss://bkt", true, false, &Globs::default());
    assert_eq!(keys(&plan), ["oss://bkt/a", "oss://bkt/c"]);
    let messages: Vec<&str> = failures(&plan).iter().map(|failure| failure.message.as_str()).collect();
    assert!(
        messages.len() == 2 && messages[0].contains("not UTF-8") && messages[1].contains("missing"),
        "{messages:?}"
    );
    assert!(plan.left_out[0].contains("neither file nor folder"));
    let plan = planned(&[folder.path().into()], "oss://bkt/", false, false, &Globs::default());
    assert_eq!(failures(&plan)[0].exit, Exit::Usage);
    let odd = folder.path().join(OsStr::from_bytes(b"b\xff"));
    assert_eq!(
        keys(&planned(std::slice::from_ref(&odd), "oss://bkt/k", false, false, &Globs::default())),
        ["oss://bkt/k"]
    );
    assert_eq!(failures(&planned(&[odd], "oss://bkt/", false, false, &Globs::default())).len(), 1);
}

#[test]
fn two_files_for_one_key_are_refused_before_anything_is_sent() {
    let folder = folder_with(&["a/x", "b/x"]);
    let inputs = ["a/x", "b/x"].map(|name| Input::Path(folder.path().join(name)));
    let walk = Walk { recursive: false, globs: &Globs::default(), follow_symlinks: false };
    let failure = plan(&inputs, &"oss://films/".parse().unwrap(), walk).unwrap_err();
    assert!(failure.exit == Exit::Usage && failure.message.contains("oss://films/x"), "{failure:?}");
}

//! Goal: whatever a crash leaves in the folder, the next start finds the old state or the new one, and no litter.
//! Method: the states between two steps are made by hand, then the folder is opened.

use std::io::Read;
use std::path::Path;

use super::*;
use crate::oss::labels::{Acl, Labels, Tags};
use crate::oss::sums::{Sums, multipart_etag};

const KEY: &str = "dir/film";

fn open(root: &Path) -> (Disk, Arc<Bucket>) {
    let disk = Disk::open(root, true).unwrap();
    let facts = BucketFacts::new(0);
    let bucket = disk.make_bucket("films", facts).unwrap();
    (disk, bucket)
}

fn upload(bucket: &Bucket, parts: &[(u32, &[u8])]) -> Arc<Upload> {
    let facts = UploadFacts {
        key: KEY.into(),
        initiated_ms: 5,
        headers: Vec::new(),
        storage_class: "Standard".into(),
        forbid_overwrite: false,
        sequential: false,
        labels: Labels::default(),
    };
    let upload = bucket.make_upload(facts).unwrap().unwrap();
    for (number, bytes) in parts {
        let mut draft = upload.draft().unwrap();
        draft.write_all(bytes).unwrap();
        let added = upload.add(*number, draft, &Sums::of(bytes), 7, |_| true).unwrap();
        assert!(matches!(added, Added::Part(_)));
    }
    upload
}

fn complete(bucket: &Bucket, upload: &Upload) {
    let mut state = upload.state();
    let parts: Vec<Arc<Part>> = state.parts.values().cloned().collect();
    let etags: Vec<String> = parts.iter().map(|part| part.etag.clone()).collect();
    let facts = ObjectFacts {
        key: KEY.into(),
        size: parts.iter().map(|part| part.size).sum(),
        etag: multipart_etag(&etags),
        crc64: 0,
        content_md5: None,
        modified_ms: 9,
        kind: Kind::Multipart,
        storage_class: "Standard".into(),
        headers: Vec::new(),
        upload: Some(upload.id.clone()),
        labels: upload.facts.labels.clone(),
    };
    assert!(bucket.complete(upload, &mut state, &parts, facts, |_| true).is_ok());
}

fn content(object: &Object) -> Vec<u8> {
    let mut bytes = Vec::new();
    for segment in &object.segments {
        segment.open().unwrap().read_to_end(&mut bytes).unwrap();
    }
    bytes
}

/// Files of the bucket by their paths, without the names that are drawn by lot.
fn count(root: &Path, folder: &str) -> usize {
    fs::read_dir(root.join("buckets/films").join(folder)).unwrap().count()
}

#[test]
fn an_upload_whose_completion_did_not_reach_its_object_is_alive_again() {
    let root = tempfile::tempdir().unwrap();
    let (disk, bucket) = open(root.path());
    let id = upload(&bucket, &[(1, b"one"), (2, b"two")]).id.clone();
    let films = root.path().join("buckets/films");
    fs::rename(films.join("uploads").join(&id), films.join("data").join(&id)).unwrap();
    drop((disk, bucket));
    let (_disk, bucket) = open(root.path());
    let upload = bucket.upload(KEY, &id).expect("the upload is given back");
    assert_eq!(upload.state().parts.len(), 2);
    assert!(bucket.object(KEY).is_none());
    complete(&bucket, &upload);
    assert_eq!(content(&bucket.object(KEY).unwrap()), b"onetwo");
}

#[test]
fn what_a_completion_did_not_clear_away_is_swept_up_and_the_object_stays() {
    let root = tempfile::tempdir().unwrap();
    let (disk, bucket) = open(root.path());
    let upload = upload(&bucket, &[(1, b"one"), (2, b"two")]);
    let id = upload.id.clone();
    complete(&bucket, &upload);
    let home = root.path().join("buckets/films/data").join(&id);
    // As if the process had died before these were removed.
    fs::write(home.join(Upload::FILE), "{}").unwrap();
    fs::write(home.join("00003-00000009-ABC-0-0"), "a part that was not named").unwrap();
    fs::write(root.path().join("buckets/films/data/litter"), "x").unwrap();
    drop((disk, bucket, upload));
    let (_disk, bucket) = open(root.path());
    assert_eq!(content(&bucket.object(KEY).unwrap()), b"onetwo");
    assert!(bucket.upload(KEY, &id).is_none() && bucket.uploads().is_empty());
    assert_eq!((fs::read_dir(&home).unwrap().count(), count(root.path(), "data")), (2, 1));
}

#[test]
fn labels_that_are_changed_are_the_old_ones_or_the_new_ones_and_the_bytes_stay() {
    let root = tempfile::tempdir().unwrap();
    let (disk, bucket) = open(root.path());
    complete(&bucket, &upload(&bucket, &[(1, b"one"), (2, b"two")]));
    let reader = bucket.object(KEY).unwrap();
    let tagged = |text: &str| Labels { tags: Tags::of_field(text).unwrap(), acl: Acl::PublicRead };
    assert!(matches!(bucket.amend(KEY, |labels| *labels = tagged("a=1")), Ok(true)));
    assert!(matches!(bucket.amend("none", |_| {}), Ok(false)));
    let objects = root.path().join("buckets/films/objects");
    let record = fs::read_dir(&objects).unwrap().next().unwrap().unwrap().path();
    let old = fs::read(&record).unwrap();
    assert!(matches!(bucket.amend(KEY, |labels| *labels = tagged("b=2")), Ok(true)));
    // Nothing of a version that readers have goes with a change of what is said of it.
    assert_eq!(content(&reader), b"onetwo");
    drop((disk, bucket, reader));
    let (disk, bucket) = open(root.path());
    let object = bucket.object(KEY).unwrap();
    assert_eq!((object.facts.labels.clone(), content(&object)), (tagged("b=2"), b"onetwo".to_vec()));
    drop((disk, bucket, object));
    // As if the process had died before the new record took the place of the old one.
    fs::rename(&record, objects.join("0123.new")).unwrap();
    fs::write(&record, old).unwrap();
    let (_disk, bucket) = open(root.path());
    let object = bucket.object(KEY).unwrap();
    assert_eq!((object.facts.labels.clone(), content(&object)), (tagged("a=1"), b"onetwo".to_vec()));
    assert_eq!(count(root.path(), "objects"), 1, "what was not finished is swept up");
}

#[test]
fn what_was_begun_and_not_finished_is_swept_up() {
    let root = tempfile::tempdir().unwrap();
    let (disk, bucket) = open(root.path());
    let upload = upload(&bucket, &[(1, b"old"), (1, b"new")]);
    let films = root.path().join("buckets/films");
    let folder = films.join("uploads").join(&upload.id);
    fs::write(folder.join("NOT-RENAMED"), "half a part").unwrap();
    // The part that was replaced, as if it had not been removed yet.
    let sums = Sums::of(b"old");
    fs::write(folder.join(format!("00001-{:08x}-{}-{:016x}-7", 1, sums.etag(), sums.crc64)), "old").unwrap();
    fs::write(films.join("objects/ABC.new"), "half a record").unwrap();
    fs::create_dir(films.join("uploads/BEGUN")).unwrap();
    fs::create_dir_all(root.path().join("buckets/begun/objects")).unwrap();
    let id = upload.id.clone();
    drop((disk, bucket, upload));
    let (disk, bucket) = open(root.path());
    assert_eq!(disk.buckets().len(), 1);
    assert_eq!((count(root.path(), "objects"), count(root.path(), "uploads")), (0, 1));
    assert_eq!(fs::read_dir(films.join("uploads").join(&id)).unwrap().count(), 2);
    let upload = bucket.upload(KEY, &id).unwrap();
    complete(&bucket, &upload);
    assert_eq!(content(&bucket.object(KEY).unwrap()), b"new", "the last of two wins");
}

#[test]
fn a_file_that_cannot_be_understood_is_named_and_not_thrown_away() {
    for (file, text) in [
        ("bucket.json", "{"),
        ("objects/0000.json", "{}"),
        (
            "objects/0000.json",
            r#"{"key":"k","size":1,"etag":"","crc64":0,"modified_ms":0,"kind":"Normal","storage_class":"","headers":[],"segments":[]}"#,
        ),
    ] {
        let root = tempfile::tempdir().unwrap();
        drop(open(root.path()));
        let path = root.path().join("buckets/films").join(file);
        fs::write(&path, text).unwrap();
        let error = Disk::open(root.path(), true).err().unwrap();
        assert!(error.to_string().contains(file.rsplit('/').next().unwrap()), "{error}");
        assert!(path.exists());
    }
}

#[test]
fn segments_outside_the_folder_are_not_believed() {
    let root = tempfile::tempdir().unwrap();
    let (disk, bucket) = open(root.path());
    complete(&bucket, &upload(&bucket, &[(1, b"one")]));
    let objects = root.path().join("buckets/films/objects");
    let path = fs::read_dir(&objects).unwrap().next().unwrap().unwrap().path();
    let mut record: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    drop((disk, bucket));
    for name in ["../../keys.json", "/etc/passwd", "a/b/c", "..", ""] {
        record["segments"][0][0] = name.into();
        fs::write(&path, record.to_string()).unwrap();
        assert!(Disk::open(root.path(), true).is_err(), "{name}");
    }
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let theirs = root.path().join("buckets/photos/2024");
    fs::create_dir_all(&theirs).unwrap();
    fs::write(theirs.join("one.jpg"), "precious").unwrap();
    let error = Disk::open(root.path(), true).err().unwrap();
    assert!(error.to_string().contains("not made by a store"), "{error}");
    // Also where a store has been: what looks like half a bucket has to be one.
    let root = tempfile::tempdir().unwrap();
    drop(open(root.path()));
    let theirs = root.path().join("buckets/photos");
    fs::create_dir(&theirs).unwrap();
    fs::write(theirs.join("one.jpg"), "precious").unwrap();
    let error = Disk::open(root.path(), true).err().unwrap();
    assert!(error.to_string().contains("one.jpg") && theirs.join("one.jpg").exists(), "{error}");
    fs::remove_dir_all(&theirs).unwrap();
    fs::write(root.path().join("buckets/.DS_Store"), "").unwrap();
    assert_eq!(Disk::open(root.path(), true).unwrap().buckets().len(), 1, "a name that no bucket has is passed by");
}

#[cfg(unix)]
#[test]
fn links_in_the_folder_lead_nowhere() {
    use std::os::unix::fs::symlink;
    let elsewhere = tempfile::tempdir().unwrap();
    let secret = elsewhere.path().join("secret");
    fs::write(&secret, "one").unwrap();
    // Folders.
    for place in ["buckets/linked", "buckets/films/data", "buckets/films/uploads", "buckets/films/uploads/ABC"] {
        let root = tempfile::tempdir().unwrap();
        drop(open(root.path()));
        let path = root.path().join(place);
        let _ = fs::remove_dir(&path);
        symlink(elsewhere.path(), &path).unwrap();
        let error = Disk::open(root.path(), true).err().unwrap();
        assert!(error.to_string().contains("it is no folder"), "{place}: {error}");
    }
    // A part, and an object's bytes.
    let root = tempfile::tempdir().unwrap();
    let (disk, bucket) = open(root.path());
    complete(&bucket, &upload(&bucket, &[(1, b"one")]));
    let object = bucket.object(KEY).unwrap();
    assert!(object.check(&(0..3)).is_ok());
    let path = object.segments[0].path.clone();
    fs::remove_file(&path).unwrap();
    symlink(&secret, &path).unwrap();
    assert!(object.check(&(0..3)).is_err(), "a link is not followed");
    let going = upload(&bucket, &[(1, b"one")]);
    let part = bucket.uploads_folder().join(&going.id).join(format!("00002-00000002-{}-0-0", "A".repeat(32)));
    symlink(&secret, part).unwrap();
    drop((disk, bucket, going, object));
    let error = Disk::open(root.path(), true).err().unwrap();
    assert!(error.to_string().contains("it is no file"), "{error}");
}

#[test]
fn bytes_that_a_power_cut_took_are_missed_before_they_are_promised() {
    let root = tempfile::tempdir().unwrap();
    let (disk, bucket) = open(root.path());
    complete(&bucket, &upload(&bucket, &[(1, b"one"), (2, b"two")]));
    drop((disk, bucket));
    let (_disk, bucket) = open(root.path());
    let object = bucket.object(KEY).unwrap();
    File::options().write(true).open(&object.segments[1].path).unwrap().set_len(1).unwrap();
    assert!(object.check(&(0..3)).is_ok() && object.check(&(2..4)).is_err() && object.check(&(0..6)).is_err());
    fs::remove_file(&object.segments[1].path).unwrap();
    assert!(object.check(&(3..4)).is_err());
}

#[test]
fn nothing_is_added_to_a_bucket_that_is_gone() {
    let root = tempfile::tempdir().unwrap();
    let (disk, bucket) = open(root.path());
    assert_eq!(disk.remove_bucket("films").unwrap(), Some(true));
    let facts = UploadFacts {
        key: KEY.into(),
        initiated_ms: 0,
        headers: Vec::new(),
        storage_class: "Standard".into(),
        forbid_overwrite: false,
        sequential: false,
        labels: Labels::default(),
    };
    assert!(bucket.make_upload(facts).unwrap().is_none());
    let facts = ObjectFacts {
        key: KEY.into(),
        size: 0,
        etag: String::new(),
        crc64: 0,
        content_md5: None,
        modified_ms: 0,
        kind: Kind::Normal,
        storage_class: "Standard".into(),
        headers: Vec::new(),
        upload: None,
        labels: Labels::default(),
    };
    let published = bucket.publish(Object { facts, segments: Vec::new() }, |_| true);
    assert!(matches!(published, Err(Unpublished::NoBucket)));
    assert!(bucket.set_facts(|_| {}).is_err() && !root.path().join("buckets/films").exists());
}

#[test]
fn what_could_not_be_published_leaves_no_bytes() {
    let root = tempfile::tempdir().unwrap();
    let (_disk, bucket) = open(root.path());
    complete(&bucket, &upload(&bucket, &[(1, b"one")]));
    let mut draft = Draft::new(&bucket.data()).unwrap();
    draft.write_all(b"other").unwrap();
    let segment = Arc::new(draft.finish(5, true).unwrap());
    let before = bucket.object(KEY).unwrap();
    let facts = before.facts.clone();
    // As an append that came too late: its own piece goes, the others belong to the object.
    let segments = vec![before.segments[0].clone(), segment];
    assert!(matches!(bucket.publish(Object { facts, segments }, |_| false), Err(Unpublished::Refused)));
    drop(before);
    assert_eq!((count(root.path(), "data"), content(&bucket.object(KEY).unwrap())), (1, b"one".to_vec()));
}

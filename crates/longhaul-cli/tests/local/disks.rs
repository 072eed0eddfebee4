//! Disks that are full or read-only. They are tmpfs mounts: without root, or where mounting is not allowed, the tests
//! say so and pass.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use longhaul_devstore::{Fault, Gate, Object};

use crate::common::{Bench, HALF, SIZE, SOON, names};

const MIB: u64 = 1 << 20;

/// A small file system at `out`, until it is dropped.
struct Disk(PathBuf);

impl Disk {
    fn at(path: &Path, mebibytes: u64) -> Option<Disk> {
        let size = format!("size={mebibytes}m");
        let mounted = mount(&["-t", "tmpfs", "-o", &size, "longhaul-test"], path);
        if !mounted {
            println!("skipped: no tmpfs can be mounted here");
        }
        mounted.then(|| Disk(path.to_owned()))
    }

    fn remount(&self, options: &str) {
        assert!(mount(&["-o", &format!("remount,{options}")], &self.0), "remount {options}");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A child that was killed may be in the middle of its death: lazily.
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).output();
        assert!(unmounted.is_ok_and(|output| output.status.success()), "umount {}", self.0.display());
    }
}

fn mount(args: &[&str], path: &Path) -> bool {
    Command::new("mount").args(args).arg(path).output().is_ok_and(|output| output.status.success())
}

fn bench() -> Bench {
    let bench = Bench::new();
    bench.origin.put("/file", Object::seeded(1, SIZE));
    bench
}

#[test]
fn too_small_a_disk_is_told_before_the_first_byte() {
    let bench = bench();
    let Some(disk) = Disk::at(&bench.folder(), 3) else { return };
    let ran = bench.get().run();
    ran.expect(&bench, 8, "no_space");
    assert!(names(&bench.folder()).is_empty(), "{}", ran.report(&bench));
    disk.remount("size=8m");
    let ran = bench.get().run();
    ran.expect(&bench, 0, "validator");
    bench.assert_published(&Object::seeded(1, SIZE).content, &ran);
}

#[test]
fn a_disk_that_fills_up_meanwhile_keeps_what_came() {
    let bench = bench();
    let Some(_disk) = Disk::at(&bench.folder(), 8) else { return };
    let gate = Gate::new();
    bench.origin.script("/file", vec![Fault::hold(HALF, &gate)]);
    let running = bench.get().start();
    assert!(gate.reached(SOON));
    let ballast = bench.folder().join("ballast");
    let free = 8 * MIB - HALF;
    let filled = fs::write(&ballast, vec![1; usize::try_from(free).unwrap()]);
    gate.open();
    let ran = running.wait();
    ran.expect(&bench, 8, "no_space, kept");
    assert!(ran.held() > 0 && !bench.file().exists(), "{filled:?} {}", ran.report(&bench));

    // Still full: the same again, and nothing is lost.
    let still = bench.get().run();
    still.expect_code(&bench, 8);
    fs::remove_file(&ballast).unwrap();
    let before = bench.served();
    let again = bench.get().run();
    again.expect(&bench, 0, "validator, resumed");
    assert!(bench.served() - before <= SIZE - ran.held(), "{}", again.report(&bench));
    bench.assert_published(&Object::seeded(1, SIZE).content, &again);
}

#[test]
fn a_body_without_end_ends_with_the_disk() {
    let bench = bench();
    let Some(_disk) = Disk::at(&bench.folder(), 6) else { return };
    bench.origin.always("/file", Fault::IgnoreRange.and(Fault::Endless));
    let ran = bench.get().run();
    ran.expect_code(&bench, 8);
    assert!(!bench.file().exists(), "{}", ran.report(&bench));
}

#[test]
fn a_read_only_disk_is_told_and_the_download_goes_on_when_it_is_not() {
    let bench = bench();
    let Some(disk) = Disk::at(&bench.folder(), 16) else { return };
    disk.remount("ro");
    bench.get().run().expect_code(&bench, 8);
    disk.remount("rw");
    bench.hold(HALF);
    disk.remount("ro");
    let before = bench.origin.requests();
    let ran = bench.get().run();
    ran.expect_code(&bench, 8);
    assert_eq!(bench.origin.requests(), before, "{}", ran.report(&bench));
    disk.remount("rw");
    let before = bench.served();
    let ran = bench.get().run();
    ran.expect(&bench, 0, "validator, resumed");
    assert_eq!(bench.served() - before, SIZE - HALF, "{}", ran.report(&bench));
    bench.assert_published(&Object::seeded(1, SIZE).content, &ran);
}

/// The folder of the state directory is full or read-only: the download itself needs none of it.
#[test]
fn a_state_directory_without_space_stops_no_download() {
    let bench = bench();
    let Some(disk) = Disk::at(&bench.state(), 1) else { return };
    bench.hold(HALF);
    let filled = fs::write(bench.state().join("ballast"), vec![1; 2 << 20]);
    assert!(filled.is_err());
    let ran = bench.get().run();
    assert!(ran.unsound().is_none() && [0, 8].contains(&ran.code()), "{}", ran.report(&bench));
    fs::remove_file(bench.state().join("ballast")).unwrap();
    let again = bench.get().run();
    again.expect_code(&bench, 0);
    bench.assert_published(&Object::seeded(1, SIZE).content, &again);
    drop(disk);
}

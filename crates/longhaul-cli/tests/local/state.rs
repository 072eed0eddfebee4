//! The state directory is a list and a drawer of receipts: whatever becomes of it, downloads go on.

use std::fs;
use std::os::unix::fs::symlink;

use longhaul_devstore::Object;

use crate::common::{Bench, Dice, HALF, SIZE, tree};

fn held() -> Bench {
    let bench = Bench::new();
    bench.origin.put("/file", Object::seeded(1, SIZE));
    bench.hold(HALF);
    bench
}

#[test]
fn without_it_a_download_resumes() {
    let bench = held();
    fs::remove_dir_all(bench.state()).unwrap();
    let ran = bench.get().run();
    ran.expect(&bench, 0, "validator, resumed");
    bench.assert_published(&Object::seeded(1, SIZE).content, &ran);
}

#[test]
fn garbage_in_it_stops_nothing() {
    type Spoil = fn(&Bench);
    let table: [(&str, Spoil); 4] = [
        ("all files garbled", |bench| {
            let mut dice = Dice(7);
            for file in tree(&bench.state()).iter().filter(|path| path.is_file()) {
                let garbage: Vec<u8> = (0..300).map(|_| u8::try_from(dice.below(256)).unwrap()).collect();
                fs::write(file, garbage).unwrap();
            }
        }),
        ("all files emptied", |bench| {
            tree(&bench.state()).iter().filter(|path| path.is_file()).for_each(|file| fs::write(file, b"").unwrap());
        }),
        ("all files links elsewhere", |bench| {
            let victim = bench.root().join("victim");
            fs::write(&victim, b"somebody's").unwrap();
            for file in tree(&bench.state()).iter().filter(|path| path.is_file()) {
                fs::remove_file(file).unwrap();
                symlink(&victim, file).unwrap();
            }
        }),
        ("all files folders", |bench| {
            for file in tree(&bench.state()).iter().filter(|path| path.is_file()) {
                fs::remove_file(file).unwrap();
                fs::create_dir(file).unwrap();
            }
        }),
    ];
    for (name, spoil) in table {
        let bench = held();
        spoil(&bench);
        let list = bench.longhaul(["list", "--state-dir", bench.state().to_str().unwrap()]);
        assert_eq!(list.unsound(), None, "{name}: {}", list.report(&bench));
        let ran = bench.get().run();
        assert_eq!(ran.unsound(), None, "{name}: {}", ran.report(&bench));
        ran.expect(&bench, 0, "validator, resumed");
        bench.assert_published(&Object::seeded(1, SIZE).content, &ran);
        let victim = fs::read(bench.root().join("victim"));
        assert!(victim.is_err() || victim.unwrap() == b"somebody's", "{name}: a link was followed");
        // The receipts may be spoilt as well: the file is then somebody's, or it is recognised.
        spoil(&bench);
        let again = bench.get().run();
        assert_eq!(again.unsound(), None, "{name}: {}", again.report(&bench));
        assert!([0, 8].contains(&again.code()), "{name}: {}", again.report(&bench));
        assert_eq!(Object::seeded(1, SIZE).content.first_difference_in_file(bench.file()).unwrap(), None, "{name}");
    }
}

#[test]
fn a_state_directory_that_cannot_be_used_is_told() {
    let bench = held();
    let file = bench.root().join("no-folder");
    fs::write(&file, b"").unwrap();
    let ran = bench.get().state_dir(&file).run();
    ran.expect_code(&bench, 8);
    bench.get().run().expect(&bench, 0, "validator, resumed");
}

#[test]
fn the_same_command_after_success_is_one_request_and_no_transfer() {
    let bench = Bench::new();
    bench.origin.put("/file", Object::seeded(1, SIZE));
    bench.get().run().expect(&bench, 0, "validator");
    for _ in 0..2 {
        let before = (bench.served(), bench.origin.requests());
        let ran = bench.get().run();
        ran.expect(&bench, 0, "validator, already");
        let after = (bench.served(), bench.origin.requests());
        assert!(after.1 == before.1 + 1 && after.0 <= before.0 + 1, "{}", ran.report(&bench));
        bench.assert_published(&Object::seeded(1, SIZE).content, &ran);
    }
    // Changed by somebody, it is not the finished file any more.
    fs::write(bench.file(), b"changed").unwrap();
    let ran = bench.get().run();
    ran.expect(&bench, 8, "exists");
    assert_eq!(fs::read(bench.file()).unwrap(), b"changed");
    // A new version on the server replaces what is ours, when it is whole.
    bench.get().arg("--overwrite").run().expect_code(&bench, 0);
    bench.origin.put("/file", Object::seeded(2, SIZE));
    let ran = bench.get().run();
    ran.expect_code(&bench, 0);
    bench.assert_published(&Object::seeded(2, SIZE).content, &ran);
}

#![allow(clippy::unwrap_used)]

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn failure(env: &[(&str, &str)], data: &Path) -> Failure {
    find(&Env::of(env), data).err().unwrap()
}

#[test]
fn both_are_made_once_for_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("deep/data");

    let first = find(&Env::default(), &data).unwrap();
    let second = find(&Env::default(), &data).unwrap();

    let made =
        [(Kind::AdminToken, data.join("admin-token")), (Kind::MasterKey, data.join("master-key"))];
    assert_eq!(first.made, made);
    assert_eq!(first.doubts, Vec::<String>::new());
    assert!(second.made.is_empty());
    assert_eq!(first.secrets.admin_token, second.secrets.admin_token);
    assert_eq!(*first.secrets.master_key.text(), *second.secrets.master_key.text());
    assert_eq!(mode(&data), 0o700);
    assert_eq!((mode(&made[0].1), mode(&made[1].1)), (0o600, 0o600));
    assert_eq!(fs::read_dir(&data).unwrap().count(), 2, "something was left behind");
}

#[test]
fn two_first_starts_agree_on_one_secret() {
    let folder = tempfile::tempdir().unwrap();

    let (one, other) = std::thread::scope(|scope| {
        let start = || find(&Env::default(), folder.path()).unwrap().secrets.admin_token;
        let (one, other) = (scope.spawn(start), scope.spawn(start));
        (one.join().unwrap(), other.join().unwrap())
    });

    assert_eq!(one, other);
}

#[test]
fn the_environment_is_asked_first_and_nothing_is_made_then() {
    let folder = tempfile::tempdir().unwrap();
    let key = MasterKey::generate().unwrap().text();
    let file = folder.path().join("given");
    fs::write(&file, "a-token-of-their-own\n").unwrap();
    let env = [
        ("POTLUCK_ADMIN_TOKEN_FILE", file.to_str().unwrap()),
        ("POTLUCK_MASTER_KEY", key.as_str()),
    ];

    let found = find(&Env::of(&env), &folder.path().join("data")).unwrap();

    assert_eq!(found.secrets.admin_token, "a-token-of-their-own");
    assert_eq!(*found.secrets.master_key.text(), *key);
    assert!(found.made.is_empty());
}

#[test]
fn faults_are_told_without_the_secret() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let missing = missing.to_str().unwrap();
    let table: [(&[(&str, &str)], &str); 6] = [
        (&[("POTLUCK_ADMIN_TOKEN", "hunter2")], "POTLUCK_ADMIN_TOKEN: the admin token needs 16"),
        (&[("POTLUCK_ADMIN_TOKEN", "hunter2 hunter2 hunter2")], "POTLUCK_ADMIN_TOKEN: the admin"),
        (&[("POTLUCK_MASTER_KEY", "hunter2")], "POTLUCK_MASTER_KEY: "),
        (&[("POTLUCK_MASTER_KEY_FILE", missing)], "POTLUCK_MASTER_KEY_FILE: "),
        (
            &[("POTLUCK_MASTER_KEY", "hunter2"), ("POTLUCK_MASTER_KEY_FILE", missing)],
            "POTLUCK_MASTER_KEY and POTLUCK_MASTER_KEY_FILE are both set",
        ),
        (&[("POTLUCK_ADMIN_TOKEN_FILE", missing)], "POTLUCK_ADMIN_TOKEN_FILE: "),
    ];
    for (env, start) in table {
        let Failure::Settings(faults) = failure(env, folder.path()) else { panic!("{env:?}") };
        assert!(faults.len() == 1 && faults[0].starts_with(start), "{faults:?}");
        assert!(!faults[0].contains("hunter2"), "{faults:?}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "half a start was left behind");
}

#[test]
fn no_master_key_is_made_beside_a_database() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("any.db"), b"SQLite format 3\0 and more").unwrap();

    let Failure::Run(sentence) = failure(&[], folder.path()) else { panic!() };

    assert!(sentence.contains("master-key is missing"), "{sentence}");
    assert!(!folder.path().join("master-key").exists());
}

#[test]
fn a_folder_that_cannot_be_made_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();

    let Failure::Run(sentence) = failure(&[], &file.join("data")) else { panic!() };

    assert!(sentence.starts_with("Cannot write in the data folder "), "{sentence}");
}

#[test]
fn a_file_open_to_everybody_is_told() {
    let folder = tempfile::tempdir().unwrap();
    find(&Env::default(), folder.path()).unwrap();
    let path = folder.path().join("master-key");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();

    let found = find(&Env::default(), folder.path()).unwrap();

    assert_eq!(found.doubts.len(), 1);
    assert!(found.doubts[0].contains("master-key can be read by everybody"));
}

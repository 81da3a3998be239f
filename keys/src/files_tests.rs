use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn entries(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn bits(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn new_files_have_their_content_their_mode_and_no_leftovers() {
    let dir = tempfile::tempdir().unwrap();
    for (name, mode, expected) in [("a", Mode::Private, 0o600), ("b", Mode::Public, 0o644)] {
        let path = dir.path().join(name);
        write_new(&path, b"content", mode).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"content");
        assert_eq!(bits(&path), expected);
    }
    assert_eq!(entries(dir.path()), ["a", "b"]);
}

#[test]
fn new_files_never_overwrite_anything() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, "precious").unwrap();
    let dangling = dir.path().join("dangling");
    symlink("nowhere", &dangling).unwrap();
    let link = dir.path().join("link");
    symlink("key", &link).unwrap();
    for path in [&file, &dangling, &link, &dir.path().to_owned()] {
        assert!(matches!(write_new(path, b"x", Mode::Private), Err(FileError::AlreadyExists { .. })), "{path:?}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    assert_eq!(entries(dir.path()), ["dangling", "key", "link"]);
}

#[test]
fn the_last_step_does_not_overwrite_what_appeared_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    let temporary = Place::of(&file).unwrap().write(b"new", Mode::Private).unwrap();
    std::fs::write(&file, "precious").unwrap();
    assert!(matches!(temporary.become_new(), Err(FileError::AlreadyExists { .. })));
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    assert_eq!(entries(dir.path()), ["key"]);
}

#[test]
fn of_many_writers_of_one_new_file_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let winners: usize = std::thread::scope(|scope| {
        let writer = |i: u8| {
            scope.spawn({
                let path = &path;
                move || usize::from(write_new(path, &[i; 100], Mode::Private).is_ok())
            })
        };
        let threads: Vec<_> = (0..8).map(writer).collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert_eq!(winners, 1);
    assert_eq!(entries(dir.path()), ["key"]);
    assert_eq!(std::fs::read(&path).unwrap().len(), 100);
}

#[test]
fn replacing_changes_plain_files_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("crl");
    replace(&path, b"one", Mode::Public).unwrap();
    replace(&path, b"two", Mode::Private).unwrap();
    assert_eq!((std::fs::read(&path).unwrap().as_slice(), bits(&path)), (&b"two"[..], 0o600));
    let link = dir.path().join("link");
    symlink("crl", &link).unwrap();
    assert!(matches!(replace(&link, b"x", Mode::Public), Err(FileError::NotRegular { .. })));
    assert!(matches!(replace(dir.path(), b"x", Mode::Public), Err(FileError::NotRegular { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), b"two");
}

#[test]
fn reading_is_limited_to_plain_files_of_a_size() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, [7; 100]).unwrap();
    assert_eq!(read_limited(&path, 100).unwrap(), [7; 100]);
    assert!(matches!(read_limited(&path, 99), Err(FileError::TooLarge { max_bytes: 99, .. })));
    let link = dir.path().join("link");
    symlink("file", &link).unwrap();
    assert!(matches!(read_limited(&link, 100), Err(FileError::NotRegular { .. })));
    assert!(matches!(read_limited(dir.path(), 100), Err(FileError::NotRegular { .. })));
    assert!(matches!(read_limited(Path::new("/dev/zero"), 100), Err(FileError::NotRegular { .. })));
    assert!(matches!(read_limited(&dir.path().join("none"), 100), Err(FileError::NotFound { .. })));
}

#[test]
fn a_pipe_is_refused_without_waiting_for_a_writer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    fs::mknodat(fs::CWD, &path, FileType::Fifo, Bits::RUSR | Bits::WUSR, 0).unwrap();
    assert!(matches!(read_limited(&path, 100), Err(FileError::NotRegular { .. })));
    assert!(matches!(replace(&path, b"x", Mode::Public), Err(FileError::NotRegular { .. })));
}

#[test]
fn a_missing_directory_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let refused = write_new(&dir.path().join("no/key"), b"x", Mode::Private).unwrap_err();
    assert!(matches!(refused, FileError::NotFound { .. }));
    assert_eq!(refused.path(), dir.path().join("no"));
}

#[test]
fn a_full_disk_has_its_own_error() {
    let full = FileError::new(Path::new("/x"), Errno::NOSPC);
    assert!(matches!(full, FileError::NoSpace { .. }));
    assert_eq!(full.to_string(), "there is no space left to write /x");
}

#[test]
fn private_directories_are_private_and_may_exist() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secrets");
    create_private_dir(&path).unwrap();
    assert_eq!(bits(&path), 0o700);
    create_private_dir(&path).unwrap();
    assert!(matches!(create_new_private_dir(&path), Err(FileError::AlreadyExists { .. })));
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(create_private_dir(&file), Err(FileError::AlreadyExists { .. })));
}

#[test]
fn a_directory_moves_to_a_free_or_empty_name_only() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for name in ["one", "two", "empty"] {
        std::fs::create_dir(at(name)).unwrap();
    }
    std::fs::write(at("one/file"), "1").unwrap();
    std::fs::write(at("two/file"), "2").unwrap();
    assert!(matches!(move_dir(&at("one"), &at("two")), Err(FileError::AlreadyExists { .. })));
    assert_eq!(std::fs::read(at("two/file")).unwrap(), b"2");
    move_dir(&at("one"), &at("empty")).unwrap();
    move_dir(&at("empty"), &at("free")).unwrap();
    assert_eq!(std::fs::read(at("free/file")).unwrap(), b"1");
}

#[test]
fn links_to_plain_files_are_followed_for_what_was_named_and_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    // As Kubernetes mounts a secret.
    std::fs::create_dir(at("..2026")).unwrap();
    std::fs::write(at("..2026/token"), "secret").unwrap();
    symlink("..2026", at("..data")).unwrap();
    symlink("..data/token", at("token")).unwrap();
    symlink("..data", at("directory")).unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    for read in [read_named, read_input] {
        assert_eq!(read(&at("token"), 6).unwrap(), b"secret");
        assert!(matches!(read(&at("token"), 5), Err(FileError::TooLarge { max_bytes: 5, .. })));
        assert!(matches!(read(&at("directory"), 100), Err(FileError::NotRegular { .. })));
        assert!(matches!(read(&at("dangling"), 100), Err(FileError::NotFound { .. })));
    }
    assert!(matches!(read_limited(&at("token"), 100), Err(FileError::NotRegular { .. })));
    assert!(matches!(replace(&at("token"), b"x", Mode::Private), Err(FileError::NotRegular { .. })));
    assert_eq!(std::fs::read(at("..2026/token")).unwrap(), b"secret");
}

#[test]
fn a_pipe_is_an_input_with_a_bound_and_nothing_that_a_service_waits_for() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    fs::mkfifoat(fs::CWD, &pipe, Bits::RUSR | Bits::WUSR).unwrap();
    assert!(matches!(read_named(&pipe, 100), Err(FileError::NotRegular { .. })));
    for (length, fits) in [(100, true), (101, false)] {
        let got = std::thread::scope(|scope| {
            scope.spawn(|| std::fs::write(&pipe, vec![b'a'; length]).unwrap());
            read_input(&pipe, 100)
        });
        match got {
            Ok(bytes) => assert!(fits && bytes.len() == length),
            Err(error) => assert!(!fits && matches!(error, FileError::TooLarge { max_bytes: 100, .. })),
        }
    }
    assert!(matches!(read_input(Path::new("/dev/zero"), 100), Err(FileError::TooLarge { .. })));
    assert_eq!(read_input(Path::new("/dev/null"), 100).unwrap(), b"");
}

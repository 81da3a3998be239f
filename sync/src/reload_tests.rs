use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;
use tokio::net::UnixListener;

use super::*;

fn hook(command: &str, timeout: u64) -> Reload {
    Reload::Hook { command: command.to_owned(), timeout }
}

async fn run(reload: Reload, temp: &TempDir) -> Result<(), Problem> {
    reload.run(&temp.path().join("crl.pem"), b"LISTS\n").await
}

#[test]
fn a_signal_target_is_a_file_and_a_signal_that_reloads() {
    let parse = |text: &str| text.parse::<SignalTarget>();
    assert_eq!(parse("/run/nginx.pid:HUP"), Ok(SignalTarget { pid_file: "/run/nginx.pid".into(), name: "HUP" }));
    assert_eq!(parse("a:b:SIGUSR2").unwrap().pid_file, PathBuf::from("a:b"));
    for wrong in ["/run/nginx.pid", ":HUP", "x:KILL", "x:", "x:hup", "x:9"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn a_hook_sees_the_files_name_and_its_exit_code_counts() {
    let temp = tempfile::tempdir().unwrap();
    let said = temp.path().join("said");
    run(hook(&format!("echo \"$SIGNET_CRL\" >{}", said.display()), 10), &temp).await.unwrap();
    let expected = format!("{}\n", temp.path().join("crl.pem").display());
    assert_eq!(std::fs::read_to_string(&said).unwrap(), expected);
    let failed = run(hook("exit 7", 10), &temp).await.unwrap_err();
    assert!(failed.code == "hook_failed" && failed.message.contains("7"), "{failed:?}");
}

/// The grandchild holds the writing end of a pipe; its end shows that it is gone.
#[tokio::test]
async fn a_hook_that_hangs_is_ended_with_everything_that_it_started() {
    let temp = tempfile::tempdir().unwrap();
    let pipe = temp.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read(pipe).unwrap()
    });
    let command = format!("(exec 3>{0}; exec sleep 1000) & exec sleep 1000", pipe.display());
    let failed = run(hook(&command, 1), &temp).await.unwrap_err();
    assert!(failed.message.contains("took longer than 1 s"), "{failed:?}");
    assert!(reader.join().unwrap().is_empty());
}

#[tokio::test]
async fn a_signal_reaches_the_process_of_the_file_and_nothing_else_is_signalled() {
    let temp = tempfile::tempdir().unwrap();
    let (pid, ready) = (temp.path().join("pid"), temp.path().join("ready"));
    let target = || Reload::Signal(format!("{}:HUP", pid.display()).parse().unwrap());
    for wrong in ["", "0\n", "1\n", "-1\n", "nginx\n", "999999999\n"] {
        std::fs::write(&pid, wrong).unwrap();
        let failed = run(target(), &temp).await.unwrap_err();
        assert_eq!(failed.code, "signal_failed", "{wrong}");
    }
    std::fs::remove_file(&pid).unwrap();
    assert!(run(target(), &temp).await.is_err());
    assert!(Command::new("mkfifo").arg(&ready).status().unwrap().success());
    let script = format!("trap 'exit 42' HUP; echo >{}; while :; do sleep 0.01; done", ready.display());
    let mut service = Command::new("/bin/sh").arg("-c").arg(script).spawn().unwrap();
    std::fs::read(&ready).unwrap();
    std::fs::write(&pid, format!("{}\n", service.id())).unwrap();
    run(target(), &temp).await.unwrap();
    assert_eq!(service.wait().unwrap().code(), Some(42));
}

/// Answers each connection with the next line, and gives back what was asked.
fn haproxy(temp: &TempDir, answers: &'static [&str]) -> (Reload, tokio::task::JoinHandle<Vec<String>>) {
    let socket = temp.path().join("admin.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o600)).unwrap();
    let served = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut piece = [0; 4096];
            let count = stream.read(&mut piece).await.unwrap();
            asked.push(String::from_utf8_lossy(&piece[..count]).into_owned());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        asked
    });
    (Reload::Haproxy(socket), served)
}

#[tokio::test]
async fn haproxy_gets_the_lists_in_one_transaction() {
    let temp = tempfile::tempdir().unwrap();
    let (reload, served) = haproxy(&temp, &["New transaction created!\n\n", "Committing x.\nSuccess!\n\n"]);
    run(reload, &temp).await.unwrap();
    let name = temp.path().join("crl.pem").display().to_string();
    let expected = [format!("set ssl crl-file {name} <<\nLISTS\n\n"), format!("commit ssl crl-file {name}\n")];
    assert_eq!(served.await.unwrap(), expected);
}

#[tokio::test]
async fn haproxys_refusal_is_told_in_its_words_and_leaves_no_transaction() {
    let temp = tempfile::tempdir().unwrap();
    let (reload, served) =
        haproxy(&temp, &["Can't replace a CRL file which is not referenced by the configuration!\n"]);
    let failed = run(reload, &temp).await.unwrap_err();
    assert!(failed.message.contains("not referenced"), "{failed:?}");
    assert_eq!(served.await.unwrap().len(), 1);
    std::fs::remove_file(temp.path().join("admin.sock")).unwrap();
    let (reload, served) = haproxy(&temp, &["Transaction updated\n", "Can't commit\n", "Transaction aborted\n"]);
    assert!(run(reload, &temp).await.unwrap_err().message.contains("Can't commit"));
    assert!(served.await.unwrap()[2].starts_with("abort ssl crl-file "));
}

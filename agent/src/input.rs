//! Where secrets come from: a file, standard input, a descriptor or a prompt. Never an argument (T26), since every user
//! of the machine can read arguments.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;

use signet_keys::files;
use signet_pki::text;
use zeroize::Zeroizing;

use crate::failure::Failure;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    File(PathBuf),
    Stdin,
    Descriptor(u32),
}

/// Reads the small text that an option names: a file, `-` or `fd:N`.
pub(crate) fn read(option: &str, argument: &str) -> Result<Zeroizing<String>, Failure> {
    let bytes = match parse(option, argument)? {
        Source::File(path) => files::read_input(&path, MAX_TEXT)
            .map(Zeroizing::new)
            .map_err(|e| Failure::refused(e).hint(format!("Name a file after {option}, or '-' for standard input"))),
        Source::Stdin => drain(io::stdin().lock()),
        Source::Descriptor(number) => File::open(format!("/dev/fd/{number}"))
            .map_err(|e| Failure::refused(format!("descriptor {number} cannot be read: {e}")))
            .and_then(drain),
    }?;
    match text::plain(&bytes).map(str::trim) {
        Ok("") => Err(Failure::refused(format!("there is nothing to read for {option}"))
            .hint("Ask the administrator for it again: ca token create")),
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(e) => Err(Failure::refused(format!("what was read for {option}: {e}")).hint("Save it as UTF-8 text")),
    }
}

/// Asks on the terminal without showing what is typed or pasted.
pub(crate) fn prompt(question: &str) -> Result<Zeroizing<String>, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage("there is no enrollment link and nobody to ask for one")
            .hint("Write the link to a file and name it: signet-agent enroll --link FILE --dir DIR"));
    }
    rpassword::prompt_password(question)
        .map(Zeroizing::new)
        .map_err(|e| Failure::internal(format!("the terminal cannot be read: {e}")))
}

fn parse(option: &str, argument: &str) -> Result<Source, Failure> {
    if argument.starts_with("https:") || argument.starts_with("sge_") {
        // Not repeated: it would end up in the log of whoever started us.
        return Err(Failure::usage(format!("{option} takes a file, not the secret itself")).hint(
            "Other users can read arguments: treat the secret as lost, get a new one, and give it in a file or by '-'",
        ));
    }
    if argument == "-" {
        return Ok(Source::Stdin);
    }
    match argument.strip_prefix("fd:").map(str::parse) {
        Some(Ok(number)) => Ok(Source::Descriptor(number)),
        Some(Err(_)) => Err(Failure::usage(format!("after 'fd:' {option} takes the number of an open descriptor"))),
        None => Ok(Source::File(PathBuf::from(argument))),
    }
}

fn drain(source: impl Read) -> Result<Zeroizing<Vec<u8>>, Failure> {
    // Room for everything at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_TEXT + 1));
    source
        .take(MAX_TEXT as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Failure::refused(format!("the input cannot be read: {e}")))?;
    if bytes.len() > MAX_TEXT {
        return Err(Failure::refused("the input is too long to be a link or a token"));
    }
    Ok(bytes)
}

/// A link has about 400 octets.
const MAX_TEXT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t26_a_secret_given_as_argument_is_refused_and_not_repeated() {
        for secret in ["https://ca.example/e#t=sge_0123456789_abc&fp=00", "sge_0123456789_abc"] {
            let failure = parse("--link", secret).unwrap_err();
            let shown = format!("{failure:?}");
            assert!(!shown.contains("0123456789") && shown.contains("takes a file"), "{shown}");
        }
    }

    #[test]
    fn sources_are_told_apart() {
        assert_eq!(parse("--link", "-").unwrap(), Source::Stdin);
        assert_eq!(parse("--link", "fd:3").unwrap(), Source::Descriptor(3));
        assert_eq!(parse("--link", "fd").unwrap(), Source::File("fd".into()));
        assert!(parse("--link", "fd:x").is_err());
    }

    #[test]
    fn a_mounted_secret_and_text_with_a_byte_order_mark_are_read() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("token"), "\u{feff}secret\r\n").unwrap();
        std::os::unix::fs::symlink("token", dir.path().join("link")).unwrap();
        let at = |name: &str| read("--token-file", dir.path().join(name).to_str().unwrap());
        assert_eq!(*at("token").unwrap(), "secret");
        assert_eq!(*at("link").unwrap(), "secret");
        assert!(at("absent").is_err());
    }

    #[test]
    fn what_is_too_long_or_empty_is_refused() {
        assert!(drain(&[b'a'; MAX_TEXT + 1][..]).is_err());
        assert_eq!(drain(&[b'a'; MAX_TEXT][..]).unwrap().len(), MAX_TEXT);
    }
}

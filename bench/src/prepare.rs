//! `prepare`: bodies for `load`, each with a key of its own.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use data_encoding::BASE64;

use crate::key::DeviceKey;

pub(crate) const EXAMPLE: &str = "\
With --template every body is that file, in which stand for themselves
  {csr}      the request in PEM, with line ends written as \\n, for JSON strings
  {base64}   the request in DER, base64 on one line
  {token}    the next line of --tokens
Example:
  echo '{\"csr\":\"{csr}\",\"ott\":\"{token}\"}' > body.json
  signet-bench prepare --count 5000 --template body.json --tokens tokens.txt --out bodies";

#[derive(Debug, Args)]
pub(crate) struct Prepare {
    #[arg(long, value_name = "N")]
    count: usize,
    /// Directory for the bodies; must not exist yet
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What a body is when there is no template
    #[arg(long, value_enum, default_value = "pem", conflicts_with = "template")]
    form: Body,
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// One token a line; each is used once
    #[arg(long, value_name = "FILE", requires = "template")]
    tokens: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Body {
    Pem,
    Der,
    Base64,
}

impl Prepare {
    pub(crate) fn run(self) -> Result<()> {
        let read = |path: &PathBuf| fs::read_to_string(path).with_context(|| path.display().to_string());
        let template = self.template.as_ref().map(read).transpose()?;
        let tokens = self.tokens.as_ref().map(read).transpose()?.unwrap_or_default();
        let tokens: Vec<&str> = tokens.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if self.tokens.is_some() && tokens.len() < self.count {
            bail!("{} bodies need as many tokens, and there are {}", self.count, tokens.len());
        }
        fs::create_dir(&self.out).with_context(|| self.out.display().to_string())?;
        for number in 0..self.count {
            let key = DeviceKey::generate()?;
            let body = match &template {
                Some(template) => {
                    fill_in(template, &key, tokens.get(number).copied().unwrap_or_default())?.into_bytes()
                }
                None => self.form.of(&key)?,
            };
            fs::write(self.out.join(format!("{number:08}")), body)?;
        }
        Ok(())
    }
}

impl Body {
    fn of(self, key: &DeviceKey) -> Result<Vec<u8>> {
        Ok(match self {
            Body::Pem => key.request_pem()?.into_bytes(),
            Body::Der => key.request_der()?,
            Body::Base64 => BASE64.encode(&key.request_der()?).into_bytes(),
        })
    }
}

fn fill_in(template: &str, key: &DeviceKey, token: &str) -> Result<String> {
    let body = template.replace("{token}", token).replace("{base64}", &BASE64.encode(&key.request_der()?));
    Ok(body.replace("{csr}", &key.request_pem()?.replace('\n', "\\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_in_template_is_json_with_a_csr_that_can_be_read() {
        let key = DeviceKey::generate().unwrap();
        let body = fill_in(r#"{"csr":"{csr}","ott":"{token}"}"#, &key, "t-1").unwrap();
        let value: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(value["ott"], "t-1");
        let csr = value["csr"].as_str().unwrap().as_bytes();
        let policy = signet_pki::key_policy::KeyPolicy::standard();
        let checked = signet_pki::csr::CheckedCsr::parse(csr, &policy).unwrap();
        assert_eq!(checked.public_key(), signet_pki::signer::Signer::public_key(&key));
    }
}

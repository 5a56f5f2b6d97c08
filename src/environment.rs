//! The environment variables, one at a time.

use thiserror::Error;

/// Looks up one variable; `variable` in the programs, a map in the tests.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Result<Option<String>, VariableError>;

/// Why a variable is invalid; each message names it and says what to set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VariableError {
    /// It is required and has no value.
    #[error("{0} is not set; give it a value.")]
    Missing(&'static str),
    /// The program was not started by Lambda, which sets this variable.
    #[error("{0} is not set; run this on Lambda or by cargo lambda watch, which set it.")]
    NotOnLambda(&'static str),
    /// The value is not a URL.
    #[error("{0} must be a URL that begins with https:// or http://.")]
    NotAUrl(&'static str),
    /// The value is not Unicode.
    #[error("{0} must be Unicode text.")]
    NotUnicode(String),
    /// `RUST_LOG` has a word that is not a level.
    #[error(
        "RUST_LOG must be one of ERROR, WARN, INFO, DEBUG and OFF, or a list of targets with levels, such as INFO,hyper=WARN."
    )]
    NotLogLevels,
    /// No root certificate can be read from the file or folder.
    #[error(
        "{0} names no file or folder with a certificate that can be read; correct it, or unset it to use the built-in root \
         certificates."
    )]
    NoRoots(&'static str),
}

/// Reads a variable of the process's environment. An empty value counts as unset.
pub fn variable(name: &str) -> Result<Option<String>, VariableError> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(VariableError::NotUnicode(name.to_owned())),
    }
}

/// Reads a variable that must have a value.
pub fn required(name: &'static str, lookup: Lookup<'_>) -> Result<String, VariableError> {
    lookup(name)?.ok_or(VariableError::Missing(name))
}

/// Reads a URL, if there is one.
pub fn url(name: &'static str, lookup: Lookup<'_>) -> Result<Option<String>, VariableError> {
    let Some(url) = lookup(name)? else { return Ok(None) };
    let authority = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match authority {
        Some(rest) if !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Some(url)),
        _ => Err(VariableError::NotAUrl(name)),
    }
}

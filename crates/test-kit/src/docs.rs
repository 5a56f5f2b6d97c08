//! Parts of pages in `docs/` that tests generate.

use std::fs;

/// The part of a page between two marker lines. Only a run with `UPDATE_DOCS` set may change it.
pub struct Part {
    path: String,
    before: String,
    text: String,
    after: String,
}

impl Part {
    /// Reads `docs/<page>` and finds the part between the two marker lines.
    pub fn of(page: &str, begin: &str, end: &str) -> Result<Self, String> {
        let path = format!("{}/../../docs/{page}", env!("CARGO_MANIFEST_DIR"));
        let whole = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let (before, rest) = whole.split_once(begin).ok_or_else(|| format!("{path} has no line {begin}"))?;
        let (text, after) = rest.split_once(end).ok_or_else(|| format!("{path} has no line {end}"))?;
        let (before, after) = (format!("{before}{begin}\n"), format!("{end}{after}"));
        Ok(Self { path, before, text: text.to_owned(), after })
    }

    /// The text between the markers.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether this run may change pages.
    pub fn may_be_updated() -> bool {
        std::env::var_os("UPDATE_DOCS").is_some()
    }

    /// Replaces the text between the markers.
    pub fn update(self, text: &str) -> Result<(), String> {
        let whole = format!("{}{text}{}", self.before, self.after);
        fs::write(&self.path, whole).map_err(|error| format!("{}: {error}", self.path))
    }
}

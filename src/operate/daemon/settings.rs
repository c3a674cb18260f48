//! The settings: read once at the start, and compared with their file from then on, because a change of them waits for
//! the next start. Policy documents are another matter: `policies.rs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Error;
use crate::model::config::{self, Config};
use crate::model::manifest::SourceFile;

/// The settings in force, and where they were read.
#[derive(Debug, Clone)]
pub struct Settings {
    path: PathBuf,
    /// As they were at the start.
    pub config: Arc<Config>,
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    /// [`Error::Settings`] where the file cannot be read or used.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let place = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Ok(Self { path: place, config: Arc::new(config_of(path)?) })
    }

    /// The file, from `/` on where it could be found out.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What an operator has to do about the file, where it says something else now than at the start. Blocks.
    pub fn need(&self) -> Option<String> {
        let file = self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy();
        match config_of(&self.path) {
            Ok(found) if found == *self.config => None,
            Ok(_) => Some(format!("{file} has changed since the start: systemctl restart clawgressd")),
            Err(_) => Some(format!(
                "{file} cannot be used as it is now, and the next start would fail: clawgress validate --config {}",
                self.path.display()
            )),
        }
    }
}

fn config_of(path: &Path) -> Result<Config, Error> {
    let bytes = fs::read(path).map_err(|error| {
        Error::Settings(format!(
            "cannot read `{}`: {error}\nhint: --config PATH names the settings",
            path.display()
        ))
    })?;
    let file = SourceFile { path: path.to_string_lossy().as_ref().into(), bytes: bytes.into() };
    config::parse(&file).map_err(|report| Error::Settings(report.after_error()))
}

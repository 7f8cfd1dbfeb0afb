//! Reports on what the translator did: a snapshot with guest symbols, as text, as JSON, as one HTML page.
//!
//! [`sections`] turns a snapshot into tables once; [`text`] and [`html`] only draw them, so both say the same. Knows neither the engine's
//! insides nor the guest's system calls.

pub mod finish;
pub mod html;
pub mod number;
pub mod sections;
pub mod svg;
pub mod symbols;
pub mod text;

use metaphrase_runtime::stats::Stats;
use metaphrase_runtime::stats::snapshot::SCHEMA;
use std::path::Path;

/// Why a file of statistics cannot be shown.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ReadError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("not a file written by metaphrase run --stats=FILE: {0}")]
    Json(#[from] serde_json::Error),
    #[error("has schema \"{0}\"; this version of metaphrase reads \"{SCHEMA}\"")]
    Schema(String),
}

/// Reads what `--stats=FILE` wrote.
pub fn read(path: &Path) -> Result<Stats, ReadError> {
    parse(&std::fs::read(path)?)
}

fn parse(data: &[u8]) -> Result<Stats, ReadError> {
    #[derive(serde::Deserialize)]
    struct Head {
        schema: String,
    }
    let head: Head = serde_json::from_slice(data)?;
    if head.schema != SCHEMA {
        return Err(ReadError::Schema(head.schema));
    }
    Ok(serde_json::from_slice(data)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_are_refused_with_the_reason() {
        let say = |d: &[u8]| parse(d).map(|_| ()).unwrap_err().to_string();
        assert!(say(b"hello").contains("not a file written by"));
        assert!(say(b"{}").contains("not a file written by"));
        assert!(say(br#"{"schema":"metaphrase-stats/9"}"#).contains("\"metaphrase-stats/9\""));
        let s = Stats {
            schema: SCHEMA.into(),
            ..Stats::default()
        };
        assert_eq!(parse(&serde_json::to_vec(&s).unwrap()).unwrap(), s);
    }
}

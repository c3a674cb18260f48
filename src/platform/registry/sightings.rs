//! When an approval's document was first seen: its time begins there, and neither a reload nor a restart begins it anew.

use std::sync::Arc;

use super::{Error, Registry};
use crate::model::types::Timestamp;

/// The first sight of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The document's name.
    pub name: Arc<str>,
    /// The digest of its `spec`.
    pub digest: Arc<str>,
    /// When it was first seen.
    pub seen_at: Timestamp,
    /// When its time was over, once that is on record.
    pub ended_at: Option<Timestamp>,
}

impl Registry {
    /// All that are remembered, oldest first.
    pub async fn sightings(&self) -> Result<Vec<Sighting>, Error> {
        let rows = sqlx::query_as::<_, (String, String, i64, Option<i64>)>(
            "SELECT name, digest, seen_at, ended_at FROM sightings ORDER BY seen_at, name, digest",
        );
        let rows = rows.fetch_all(&self.pool).await.map_err(|source| self.failed(source))?;
        let sighting = |(name, digest, seen_at, ended_at): (String, String, i64, Option<i64>)| Sighting {
            name: name.into(),
            digest: digest.into(),
            seen_at: Timestamp(seen_at),
            ended_at: ended_at.map(Timestamp),
        };
        Ok(rows.into_iter().map(sighting).collect())
    }

    /// Remembers a first sight; an earlier one stays.
    pub async fn add_sighting(&self, sighting: &Sighting) -> Result<(), Error> {
        self.check()?;
        let statement = sqlx::query(
            "INSERT INTO sightings (name, digest, seen_at) VALUES ($1, $2, $3) ON CONFLICT (name, digest) DO NOTHING",
        );
        let statement = statement.bind(&*sighting.name).bind(&*sighting.digest).bind(sighting.seen_at.0);
        statement.execute(&self.pool).await.map(drop).map_err(|source| self.failed(source))
    }

    /// Notes that its time is over.
    pub async fn end_sighting(&self, sighting: &Sighting, at: Timestamp) -> Result<(), Error> {
        self.check()?;
        let statement = sqlx::query("UPDATE sightings SET ended_at = $1 WHERE name = $2 AND digest = $3");
        let statement = statement.bind(at.0).bind(&*sighting.name).bind(&*sighting.digest);
        statement.execute(&self.pool).await.map(drop).map_err(|source| self.failed(source))
    }

    /// Forgets a document that no file has any more.
    pub async fn forget_sighting(&self, sighting: &Sighting) -> Result<(), Error> {
        self.check()?;
        let statement = sqlx::query("DELETE FROM sightings WHERE name = $1 AND digest = $2");
        let statement = statement.bind(&*sighting.name).bind(&*sighting.digest);
        statement.execute(&self.pool).await.map(drop).map_err(|source| self.failed(source))
    }
}

//! Secrets at rest: names, versions, and values that are sealed before they come here.
//!
//! Nothing here can open a value. A new value takes the place of the old one, which is overwritten in the file and not
//! kept. Read next: `act/credentials/sealing.rs`.

use std::sync::Arc;

use super::{Error, Registry};
use crate::model::types::Timestamp;

/// A value that only its master key opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedValue {
    /// Which master key: a digest of it, never the key.
    pub master: String,
    /// The key of this value alone, wrapped by the master key.
    pub wrapped_key: Vec<u8>,
    /// The value, sealed by that key.
    pub value: Vec<u8>,
}

/// One value of one secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSecret {
    /// The secret.
    pub name: Arc<str>,
    /// The value's name within it.
    pub key: Arc<str>,
    /// Counts how often this value was set, from 1.
    pub version: u64,
    /// The value.
    pub sealed: SealedValue,
    /// Who set it.
    pub set_by: String,
    /// When.
    pub set_at: Timestamp,
}

type Row = (String, String, i64, String, Vec<u8>, Vec<u8>, String, i64);

impl Registry {
    /// All of them, by name and key.
    pub async fn secrets(&self) -> Result<Vec<StoredSecret>, Error> {
        let statement = sqlx::query_as::<_, Row>(
            "SELECT name, key, version, master, wrapped_key, sealed_value, set_by, set_at FROM secrets \
             ORDER BY name, key",
        );
        self.rows(statement).await?.into_iter().map(|row| self.secret(row)).collect()
    }

    /// Writes these, all or none; each takes the place of what had its name and key.
    pub async fn put_secrets(&self, secrets: &[StoredSecret]) -> Result<(), Error> {
        self.check()?;
        let all = async {
            let mut turn = self.pool.begin().await?;
            for secret in secrets {
                let StoredSecret { name, key, version, sealed, set_by, set_at } = secret;
                let put = sqlx::query(
                    "INSERT INTO secrets \
                     (name, key, version, master, wrapped_key, sealed_value, set_by, set_at) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
                     ON CONFLICT (name, key) DO UPDATE SET version = excluded.version, \
                     master = excluded.master, wrapped_key = excluded.wrapped_key, \
                     sealed_value = excluded.sealed_value, set_by = excluded.set_by, set_at = excluded.set_at",
                )
                .bind(&**name)
                .bind(&**key)
                .bind(i64::try_from(*version).unwrap_or(i64::MAX))
                .bind(&sealed.master)
                .bind(&sealed.wrapped_key)
                .bind(&sealed.value)
                .bind(set_by)
                .bind(set_at.0);
                put.execute(&mut *turn).await?;
            }
            turn.commit().await
        };
        all.await.map_err(|source| self.failed(source))?;
        self.overwrite().await;
        Ok(())
    }

    /// Removes a secret, or one value of it; how many values that were.
    pub async fn remove_secret(&self, name: &str, key: Option<&str>) -> Result<u64, Error> {
        self.check()?;
        let statement = sqlx::query("DELETE FROM secrets WHERE name = $1 AND ($2 IS NULL OR key = $2)");
        let removed = statement.bind(name).bind(key).execute(&self.pool).await;
        let removed = removed.map_err(|source| self.failed(source))?.rows_affected();
        self.overwrite().await;
        Ok(removed)
    }

    /// Ends the write-ahead log, where the old value may still stand. What another reader holds up is done at the next
    /// change: the value is sealed there too.
    async fn overwrite(&self) {
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.pool).await {
            tracing::debug!(%error, "the registry's log could not be ended");
        }
    }

    fn secret(&self, row: Row) -> Result<StoredSecret, Error> {
        let (name, key, version, master, wrapped_key, value, set_by, set_at) = row;
        let version = u64::try_from(version)
            .map_err(|_| self.damaged(format!("secret `{name}`: `{version}` is no version")))?;
        Ok(StoredSecret {
            name: name.into(),
            key: key.into(),
            version,
            sealed: SealedValue { master, wrapped_key, value },
            set_by,
            set_at: Timestamp(set_at),
        })
    }
}

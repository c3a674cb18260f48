-- Values of the vault, each sealed by a key of its own, which the master key wraps. Names are readable; values are not.

CREATE TABLE secrets (
    name TEXT NOT NULL,
    key TEXT NOT NULL,
    version BIGINT NOT NULL,
    master TEXT NOT NULL,
    wrapped_key BYTEA NOT NULL,
    sealed_value BYTEA NOT NULL,
    set_by TEXT NOT NULL,
    set_at BIGINT NOT NULL,
    PRIMARY KEY (name, key)
);

-- Every issuer that was ever configured, by key identifier, and what it may still do.
CREATE TABLE issuer (
    key_id BLOB PRIMARY KEY,
    der BLOB NOT NULL,
    stage TEXT NOT NULL,
    published_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX issuer_active ON issuer (stage) WHERE stage = 'active';
-- What an issuer still has to answer for.
CREATE INDEX certificate_issuer ON certificate (issuer, not_after);

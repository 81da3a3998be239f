-- People and programs that own devices and hold keys.
CREATE TABLE account (
    rowid INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    permissions TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    version INTEGER NOT NULL
) STRICT;

-- Whose device it is, and what it may do beyond what its kind may; NULL: what its kind may.
ALTER TABLE principal ADD COLUMN account TEXT;
ALTER TABLE principal ADD COLUMN permissions TEXT;
CREATE INDEX principal_account ON principal (account) WHERE account IS NOT NULL;

-- Every secret beside the enrollment tokens: API keys, refresh tokens, stream tickets. One of account and principal owns it.
CREATE TABLE credential (
    rowid INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    hash BLOB NOT NULL,
    account TEXT,
    principal TEXT,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    status TEXT NOT NULL,
    -- The first of its line: what is known of one that was copied ends the whole line.
    family TEXT NOT NULL,
    -- What it was got with.
    parent TEXT,
    -- The key that it may be presented with: SHA-256 of the SPKI.
    spki BLOB,
    cidr TEXT,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    -- Beyond this nothing of the line lives; NULL: each has only its own end.
    line_ends_at INTEGER,
    -- When it was exchanged for the next of its line, or used up.
    used_at INTEGER,
    successor TEXT,
    -- Written behind, once a minute.
    last_used_at INTEGER,
    -- A key that another system made: found by its hash.
    legacy INTEGER NOT NULL DEFAULT 0,
    CHECK ((account IS NULL) <> (principal IS NULL))
) STRICT;
CREATE INDEX credential_account ON credential (account) WHERE account IS NOT NULL;
CREATE INDEX credential_principal ON credential (principal) WHERE principal IS NOT NULL;
CREATE INDEX credential_spki ON credential (spki) WHERE spki IS NOT NULL;
CREATE INDEX credential_family ON credential (family);
CREATE INDEX credential_parent ON credential (parent) WHERE parent IS NOT NULL;
CREATE INDEX credential_end ON credential (expires_at);
CREATE UNIQUE INDEX credential_legacy ON credential (hash) WHERE legacy = 1;

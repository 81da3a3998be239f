CREATE TABLE principal (
    rowid INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    profile TEXT NOT NULL,
    groups TEXT NOT NULL,
    dns_names TEXT NOT NULL,
    addresses TEXT NOT NULL,
    hardware_serial TEXT,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;

CREATE TABLE certificate (
    rowid INTEGER PRIMARY KEY,
    serial BLOB NOT NULL UNIQUE,
    issuer BLOB NOT NULL,
    principal INTEGER NOT NULL REFERENCES principal (rowid),
    generation INTEGER NOT NULL,
    spki BLOB NOT NULL,
    profile TEXT NOT NULL,
    status TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    issued_at INTEGER NOT NULL,
    first_used_at INTEGER,
    revoked_at INTEGER,
    reason INTEGER,
    review INTEGER NOT NULL DEFAULT 0,
    parent BLOB,
    der BLOB NOT NULL
) STRICT;
CREATE INDEX certificate_principal ON certificate (principal, generation);
CREATE INDEX certificate_spki ON certificate (spki);
-- The one or two generations of a principal that count; its history may be long.
CREATE INDEX certificate_live ON certificate (principal, generation) WHERE status IN ('active', 'pending');
CREATE INDEX certificate_full ON certificate (not_after) WHERE length(der) > 0;
CREATE UNIQUE INDEX certificate_renewal ON certificate (parent, spki) WHERE parent IS NOT NULL;

CREATE TABLE token (
    rowid INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    hash BLOB NOT NULL,
    status TEXT NOT NULL,
    batch TEXT,
    device TEXT NOT NULL,
    profile TEXT NOT NULL,
    groups TEXT NOT NULL,
    dns_names TEXT NOT NULL,
    hardware_serial TEXT,
    spki BLOB,
    cidr TEXT,
    approval INTEGER NOT NULL,
    replace INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    claimed_spki BLOB,
    redeemed_at INTEGER,
    redeemed_serial BLOB
) STRICT;
CREATE INDEX token_device ON token (device);
CREATE INDEX token_end ON token (expires_at) WHERE status <> 'redeemed';
CREATE INDEX token_batch ON token (batch) WHERE batch IS NOT NULL;

CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    subject TEXT NOT NULL,
    request TEXT NOT NULL,
    canonical TEXT NOT NULL,
    leaf_hash BLOB NOT NULL
) STRICT;
CREATE INDEX audit_subject ON audit (subject, sequence);
CREATE INDEX audit_request ON audit (request);

-- What stands on revocation lists, encoded once; read in order, so that a list grows by what is new.
CREATE TABLE revocation (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    issuer BLOB NOT NULL,
    not_after INTEGER NOT NULL,
    entry BLOB NOT NULL
) STRICT;
CREATE INDEX revocation_end ON revocation (not_after);

CREATE TABLE state (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;

CREATE TABLE heartbeat (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    filler BLOB NOT NULL
) STRICT;

CREATE TABLE crl (
    issuer BLOB PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT;

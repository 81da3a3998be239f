-- Where services are reached and what belongs to them. A registration counts while its principal is active.
CREATE TABLE service (
    principal INTEGER PRIMARY KEY REFERENCES principal (rowid),
    dns_names TEXT NOT NULL,
    ports TEXT NOT NULL,
    resources TEXT NOT NULL,
    fail_mode TEXT NOT NULL,
    address TEXT,
    serial BLOB NOT NULL,
    registered_by TEXT NOT NULL,
    registered_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;

-- What somebody asked for that needs a second administrator.
CREATE TABLE approval (
    rowid INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    guarded TEXT NOT NULL,
    summary TEXT NOT NULL,
    path TEXT NOT NULL,
    -- The request as JSON, and the hash over path and body by which it is known when it comes again.
    body TEXT NOT NULL,
    digest BLOB NOT NULL,
    status TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    requested_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    decided_by TEXT,
    decided_at INTEGER,
    reason TEXT
) STRICT;
CREATE INDEX approval_request ON approval (requested_by, digest);
CREATE INDEX approval_end ON approval (expires_at);

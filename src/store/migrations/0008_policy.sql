-- The policies of live permission: the newest row is in force. Texts of old rows are taken away, the rows stay.
CREATE TABLE policy (
    number INTEGER PRIMARY KEY,
    revision TEXT NOT NULL,
    text TEXT,
    -- 'api' or 'file'
    origin TEXT NOT NULL,
    applied_by TEXT NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT;
CREATE INDEX policy_revision ON policy (revision);

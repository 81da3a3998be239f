-- Which entries of the log have gone into files. The chain in `audit` goes on from the newest of these.
CREATE TABLE audit_segment (
    last INTEGER PRIMARY KEY,
    first INTEGER NOT NULL UNIQUE,
    last_hash BLOB NOT NULL,
    -- Peaks of the Merkle tree over the log up to `last`.
    frontier BLOB NOT NULL,
    file_sha256 BLOB NOT NULL,
    at INTEGER NOT NULL
) STRICT;

-- Keys that sign access tokens, by thumbprint, since they were first published.
CREATE TABLE token_key (
    rowid INTEGER PRIMARY KEY,
    kid TEXT NOT NULL UNIQUE,
    published_at INTEGER NOT NULL
) STRICT;

-- Access tokens that were revoked before their end.
CREATE TABLE revoked_token (
    rowid INTEGER PRIMARY KEY,
    jti TEXT NOT NULL UNIQUE,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX revoked_token_end ON revoked_token (expires_at);

-- Keys that sign access tokens, by thumbprint, since they were first published.
CREATE TABLE token_key (
    kid TEXT PRIMARY KEY,
    published_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Access tokens that were revoked before their end.
CREATE TABLE revoked_token (
    jti TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX revoked_token_end ON revoked_token (expires_at);

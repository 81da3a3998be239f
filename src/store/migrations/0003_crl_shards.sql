-- The shard whose list a certificate names; NULL when it names the full list.
ALTER TABLE certificate ADD COLUMN shard INTEGER;
ALTER TABLE revocation ADD COLUMN shard INTEGER;
CREATE INDEX revocation_shard ON revocation (issuer, shard, sequence) WHERE shard IS NOT NULL;

-- Every number of shards that certificates were issued under; `ended_at` is when it stopped being the configured one.
CREATE TABLE crl_shards (
    issuer BLOB NOT NULL,
    shards INTEGER NOT NULL,
    ended_at INTEGER,
    PRIMARY KEY (issuer, shards)
) STRICT;

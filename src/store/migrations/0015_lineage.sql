-- What was presented when something was made: a compromise ends what was made with it. A credential has both already: `parent` is
-- the credential, `serial` the certificate that it was got with.
ALTER TABLE token ADD COLUMN minted_serial BLOB;
ALTER TABLE token ADD COLUMN minted_credential TEXT;
CREATE INDEX token_minted_serial ON token (minted_serial) WHERE minted_serial IS NOT NULL;
CREATE INDEX token_minted_credential ON token (minted_credential) WHERE minted_credential IS NOT NULL;
ALTER TABLE certificate ADD COLUMN minted_serial BLOB;
ALTER TABLE certificate ADD COLUMN minted_credential TEXT;
CREATE INDEX certificate_minted_serial ON certificate (minted_serial) WHERE minted_serial IS NOT NULL;
CREATE INDEX certificate_minted_credential ON certificate (minted_credential) WHERE minted_credential IS NOT NULL;
CREATE INDEX credential_serial ON credential (serial) WHERE serial IS NOT NULL;
-- Why a credential was revoked (RFC 5280 5.3.1); NULL: no reason was given.
ALTER TABLE credential ADD COLUMN reason INTEGER;

-- Keys that are never certified again, whatever else is forgotten: SHA-256 of the SPKI.
CREATE TABLE compromised_key (
    spki BLOB PRIMARY KEY,
    reported_at INTEGER NOT NULL
) STRICT;
INSERT INTO compromised_key (spki, reported_at)
    SELECT spki, min(revoked_at) FROM certificate WHERE reason IN (1, 2) AND revoked_at IS NOT NULL GROUP BY spki;

-- 1: the entry of the same certificate with another reason was taken away, so that a list cannot go on from the one before.
ALTER TABLE revocation ADD COLUMN replaces INTEGER NOT NULL DEFAULT 0;

-- Endpoints that are told what happens. Secrets are sealed under a key that is not in the database.
CREATE TABLE webhook (
    rowid INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    reach TEXT NOT NULL,
    status TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    secret BLOB NOT NULL,
    previous BLOB,
    previous_until INTEGER,
    -- The audit sequence up to which there are deliveries.
    position INTEGER NOT NULL,
    failures INTEGER NOT NULL DEFAULT 0,
    paused_until INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    last_success_at INTEGER
) STRICT;

-- What waits to be delivered, and what was given up.
CREATE TABLE webhook_delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook TEXT NOT NULL REFERENCES webhook (id),
    message TEXT NOT NULL,
    event TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    first_at INTEGER,
    next_at INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    died_at INTEGER
) STRICT;
CREATE INDEX webhook_waiting ON webhook_delivery (webhook, id) WHERE died_at IS NULL;
CREATE INDEX webhook_dead ON webhook_delivery (webhook, id) WHERE died_at IS NOT NULL;

-- A hook finds a device by its hardware serial number.
CREATE INDEX principal_hardware ON principal (hardware_serial) WHERE hardware_serial IS NOT NULL;

-- Alarms: one row for what happens again to the same subject while it is open.
CREATE TABLE alarm (
    -- Audit sequence of the first entry.
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    times INTEGER NOT NULL,
    -- Audit sequence and time of the newest entry, and its detail as JSON.
    sequence INTEGER NOT NULL,
    noted_at INTEGER NOT NULL,
    detail TEXT NOT NULL,
    closed_at INTEGER,
    closed_by TEXT,
    reason TEXT
) STRICT;
CREATE UNIQUE INDEX alarm_open ON alarm (kind, subject) WHERE closed_at IS NULL;
CREATE INDEX alarm_subject ON alarm (subject);

-- Those of before, as far as the log still has them: none was ever closed.
INSERT INTO alarm (id, kind, subject, first_at, last_at, times, sequence, noted_at, detail)
SELECT min(sequence), kind, subject, min(at), max(at), count(*), max(sequence), max(at), '{}'
FROM audit WHERE kind LIKE 'alarm.%' GROUP BY kind, subject;

-- The trust bundle that a device said it holds when it renewed last.
ALTER TABLE principal ADD COLUMN bundle_seen INTEGER;

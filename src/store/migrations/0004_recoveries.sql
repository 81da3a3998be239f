-- How often a device may still recover; NULL as long as nothing has changed what the configuration allows.
ALTER TABLE principal ADD COLUMN recoveries INTEGER;

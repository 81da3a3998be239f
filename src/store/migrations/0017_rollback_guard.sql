-- A database with a history has had a rollback guard since its first start; from now on it says so itself.
INSERT INTO state (name, value) SELECT 'rollback_guard', 1 WHERE EXISTS (SELECT 1 FROM audit);

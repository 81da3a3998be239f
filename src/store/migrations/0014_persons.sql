-- Who asks for and who approves are administrators, as principals: `alice` instead of the text `admin:alice`. What an account or a
-- device had asked for has to be asked for anew, by a person.
DELETE FROM approval WHERE requested_by NOT LIKE 'admin:%';
UPDATE approval SET requested_by = substr(requested_by, 7), decided_by = substr(decided_by, 7);

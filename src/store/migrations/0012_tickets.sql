-- Stream tickets are credentials that live for seconds. The certificate that one was got with; an API key stands in `parent`.
ALTER TABLE credential ADD COLUMN serial BLOB;

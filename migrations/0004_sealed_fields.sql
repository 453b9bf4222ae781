-- Sealed personal fields: what entries only commit to. The keys are elsewhere, and without them
-- these rows say nothing; so erasing a person is destroying one key.

-- `commitment` = HMAC-SHA256(nonce, value) stands in the entry; `ciphertext` = a fresh 12 bytes
-- and AES-256-GCM(nonce || value) under the person's key.
CREATE TABLE ledger.sealed_field (
    ledger_id  int   NOT NULL,
    person     text  NOT NULL CHECK (person <> ''),
    commitment bytea NOT NULL CHECK (octet_length(commitment) = 32),
    field      text  NOT NULL CHECK (field <> ''),
    ciphertext bytea NOT NULL,
    PRIMARY KEY (ledger_id, person, commitment)
);

-- Finds a person by a value that nobody can read here: `blind` = HMAC-SHA256(index key, value).
CREATE TABLE ledger.sealed_index (
    ledger_id int   NOT NULL,
    blind     bytea NOT NULL CHECK (octet_length(blind) = 32),
    person    text  NOT NULL CHECK (person <> ''),
    PRIMARY KEY (ledger_id, blind, person)
);

GRANT SELECT, INSERT ON ledger.sealed_field, ledger.sealed_index TO ledger_writer;
GRANT SELECT ON ledger.sealed_field, ledger.sealed_index TO ledger_reader;

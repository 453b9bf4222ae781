-- API keys: who may come in, with which role, below which unit. A key is shown once and only its
-- SHA-256 stays here. Revoking adds a row: nothing is updated, so nothing can be un-revoked.

SET LOCAL ROLE ledger_owner;

CREATE TABLE ledger.api_key (
    ledger_id  int         NOT NULL,
    access     text        NOT NULL CHECK (access <> ''),
    digest     bytea       NOT NULL CHECK (octet_length(digest) = 32),
    role       text        NOT NULL CHECK (role <> ''),
    unit       text,
    person     text,
    system     text,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (ledger_id, access),
    CHECK ((person IS NULL) <> (system IS NULL))
);

CREATE TABLE ledger.api_key_revoked (
    ledger_id  int         NOT NULL,
    access     text        NOT NULL CHECK (access <> ''),
    revoked_at timestamptz NOT NULL,
    PRIMARY KEY (ledger_id, access)
);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.api_key
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change_v1();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.api_key_revoked
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change_v1();
ALTER TABLE ledger.api_key         ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE ledger.api_key_revoked ENABLE ALWAYS TRIGGER append_only;

-- The projector and the reader have no business here: digests are not for views.
GRANT SELECT, INSERT ON ledger.api_key, ledger.api_key_revoked TO ledger_writer;

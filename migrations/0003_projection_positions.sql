-- How far each projection has folded each ledger: saved in the transaction that saves its rows,
-- so that rows and position always agree, and so that a projector which lost its lead is refused.

SET LOCAL ROLE ledger_owner;

-- One row a build of a projection. A rebuild is a new generation, with tables of its own; which
-- one serves is said here and nowhere else, so that rows and position switch together.
CREATE TABLE ledger.projection (
    ledger_id      int     NOT NULL,
    name           text    NOT NULL CHECK (name <> ''),
    generation     int     NOT NULL CHECK (generation > 0),
    version        int     NOT NULL,
    tables         text[]  NOT NULL,
    -- SHA-256 (hex) of the declared row shapes: a changed shape needs a new version.
    shape          text    NOT NULL,
    position       bigint  NOT NULL DEFAULT 0 CHECK (position >= 0),
    -- Counts the projectors that led this ledger; only the latest may save.
    epoch          bigint  NOT NULL DEFAULT 0,
    serving        boolean NOT NULL,
    -- The first position that could not be folded, and why; both NULL while it goes on.
    stopped_at     bigint,
    stopped_reason text,
    PRIMARY KEY (ledger_id, name, generation),
    CHECK ((stopped_at IS NULL) = (stopped_reason IS NULL))
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

GRANT SELECT, INSERT, UPDATE, DELETE ON ledger.projection TO ledger_projector;
GRANT SELECT ON ledger.projection TO ledger_reader, ledger_writer;

-- Sealing: what was signed last, and who may sign next; and how writing is stopped.
--
-- Tiles and checkpoints are files outside the database. What stands here is a fence between
-- sealers: one row a ledger, which only the newest sealer may move, and only forwards, before it
-- signs. So two sealers on two machines, one of which slept for a minute, never sign two roots of
-- one size, whatever folders they write to.

CREATE TABLE ledger.seal (
    ledger_id int         PRIMARY KEY,
    epoch     bigint      NOT NULL,
    size      bigint      NOT NULL CHECK (size >= 0),
    root      bytea       CHECK (octet_length(root) = 32),
    sealed_at timestamptz,
    CHECK ((size = 0) = (root IS NULL))
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON ledger.seal
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change_v1();
ALTER TABLE ledger.seal ENABLE ALWAYS TRIGGER append_only;

-- Become the sealer of a ledger: every earlier one is shut out. Answers what was sealed last.
CREATE FUNCTION ledger.lead_seal_v1(
    _ledger_id int, OUT epoch bigint, OUT size bigint, OUT root bytea
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO ledger.seal AS seal (ledger_id, epoch, size)
    VALUES (_ledger_id, 1, 0)
    ON CONFLICT (ledger_id) DO UPDATE SET epoch = seal.epoch + 1
    RETURNING seal.epoch, seal.size, seal.root INTO epoch, size, root;
END $$;

-- Say what is going to be signed, before it is. SQLSTATEs: LG006 another sealer leads, LG007 this
-- contradicts what was sealed (a smaller size, or another root of the same size).
CREATE FUNCTION ledger.seal_v1(_ledger_id int, _epoch bigint, _size bigint, _root bytea)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _leading  bigint;
    _previous bigint;
BEGIN
    UPDATE ledger.seal
    SET size = _size, root = _root, sealed_at = clock_timestamp()
    WHERE seal.ledger_id = _ledger_id
      AND seal.epoch = _epoch
      AND (seal.size < _size OR (seal.size = _size AND seal.root = _root));
    IF FOUND THEN
        RETURN;
    END IF;
    SELECT seal.epoch, seal.size INTO _leading, _previous
    FROM ledger.seal
    WHERE seal.ledger_id = _ledger_id;
    IF _leading IS DISTINCT FROM _epoch THEN
        RAISE EXCEPTION USING ERRCODE = 'LG006',
            MESSAGE = format('sealer %s was followed by sealer %s', _epoch, _leading);
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'LG007',
        MESSAGE = format('size %s with root %s contradicts size %s, sealed before',
                         _size, encode(_root, 'hex'), _previous);
END $$;

-- Let nothing be recorded any more until the owner has looked; the first reason stays.
CREATE FUNCTION ledger.stop_v1(_ledger_id int, _reason text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE ledger.head SET stopped = _reason
    WHERE head.ledger_id = _ledger_id AND head.stopped IS NULL;
END $$;

-- Let facts be recorded again; for the owner alone. `ledger log resume` looks first, then calls it.
CREATE FUNCTION ledger.resume_v1(_ledger_id int) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE ledger.head SET stopped = NULL WHERE head.ledger_id = _ledger_id;
END $$;

GRANT USAGE ON SCHEMA ledger TO ledger_sealer;
GRANT SELECT ON ledger.migration, ledger.ledger, ledger.head, ledger.event, ledger.seal
    TO ledger_sealer;
GRANT SELECT ON ledger.seal TO ledger_writer, ledger_reader;
GRANT EXECUTE ON FUNCTION ledger.lead_seal_v1, ledger.seal_v1, ledger.stop_v1 TO ledger_sealer;

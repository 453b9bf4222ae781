-- Restoring: the rows of a ledger, written again from the entries of its verifiable log.
--
-- What is checked against the signed checkpoint stands outside (ledger/sealing/restore.py). Here
-- rows are only added behind the head, never changed, so that no trigger need be put out of force.

-- Write the entries that follow position _after exactly as append_v1 wrote them, all or none. The
-- head must stand there: another restore, or a writer, makes this one stop. For the owner alone.
--
--   _tags            of each entry, joined by U+001F
--   _keys            idempotency keys, at the first position of each. An entry does not tell which
--                    command it came from: their fingerprint is empty, which means "any"
--   _stopped         why nothing may be recorded yet; NULL with the last entries
--
-- SQLSTATE: LG008 the head stands somewhere else.
CREATE FUNCTION ledger.restore_v1(
    _ledger_id     int,
    _after         bigint,
    _recorded_at   timestamptz[],
    _types         text[],
    _tags          text[],
    _ids           uuid[],
    _entries       bytea[],
    _keys          uuid[],
    _key_positions bigint[],
    _key_counts    int[],
    _stopped       text
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE ledger.head AS head
    SET position = _after + cardinality(_entries),
        recorded_at = coalesce(_recorded_at[cardinality(_recorded_at)], head.recorded_at),
        stopped = _stopped
    WHERE head.ledger_id = _ledger_id AND head.position = _after;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'LG008',
            MESSAGE = format('the head of ledger %s is not at %s any more', _ledger_id, _after);
    END IF;

    INSERT INTO ledger.event (ledger_id, position, recorded_at, type, tags, leaf_hash, entry)
    SELECT _ledger_id,
           _after + given.place,
           given.recorded_at,
           given.type,
           string_to_array(given.tags, U&'\001F'),
           sha256('\x00'::bytea || given.entry),
           given.entry
    FROM unnest(_recorded_at, _types, _tags, _entries)
        WITH ORDINALITY AS given (recorded_at, type, tags, entry, place);

    INSERT INTO ledger.event_tag (ledger_id, tag, position)
    SELECT _ledger_id, tag.hash, tag.position
    FROM (
        SELECT DISTINCT hashtextextended(tag.text, 0) AS hash, _after + given.place AS position
        FROM unnest(_tags) WITH ORDINALITY AS given (tags, place)
        CROSS JOIN LATERAL unnest(string_to_array(given.tags, U&'\001F')) AS tag (text)
        ORDER BY 1, 2
    ) AS tag;

    INSERT INTO ledger.event_key (ledger_id, key, position)
    SELECT _ledger_id, given.id, _after + given.place
    FROM unnest(_ids) WITH ORDINALITY AS given (id, place);

    INSERT INTO ledger.event_key (ledger_id, key, position, event_count, fingerprint)
    SELECT _ledger_id, given.key, given.position, given.event_count, ''
    FROM unnest(_keys, _key_positions, _key_counts) AS given (key, position, event_count);

    PERFORM pg_notify('ledger_' || _ledger_id, '');
END $$;

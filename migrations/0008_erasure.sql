-- Erasure: what a destroyed key sealed is deleted, and nothing else ever is.
--
-- Nobody may delete sealed values but this function, and it takes no list of persons: it deletes
-- what the log says is erased. So a deletion always leaves its fact, and may be repeated at will:
-- after a crash between the two, or in a database restored from before.

CREATE INDEX sealed_index_person ON ledger.sealed_index (ledger_id, person);

-- Deletes every sealed value, and every entry of the index, of persons whom the log says were
-- erased; the number of values deleted.
CREATE FUNCTION ledger.erase_v1(_ledger_id int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _erased  text[];
    _deleted bigint;
BEGIN
    SELECT array_agg(substr(tag.text, length('person:') + 1))
    INTO _erased
    FROM ledger.event_tag
    JOIN ledger.event
        ON event.ledger_id = event_tag.ledger_id AND event.position = event_tag.position
    CROSS JOIN LATERAL unnest(event.tags) AS tag (text)
    WHERE event_tag.ledger_id = _ledger_id
      AND event_tag.tag = hashtextextended('register:erasures', 0)
      AND event.type = 'personal_key.destroyed'
      AND event.tags @> ARRAY['register:erasures']
      AND starts_with(tag.text, 'person:');

    DELETE FROM ledger.sealed_index
    WHERE sealed_index.ledger_id = _ledger_id AND sealed_index.person = ANY (_erased);
    DELETE FROM ledger.sealed_field
    WHERE sealed_field.ledger_id = _ledger_id AND sealed_field.person = ANY (_erased);
    GET DIAGNOSTICS _deleted = ROW_COUNT;
    RETURN _deleted;
END $$;

GRANT EXECUTE ON FUNCTION ledger.erase_v1 TO ledger_writer;

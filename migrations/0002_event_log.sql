-- The event log: one gapless order of entries for every ledger, written by one function.
--
-- `append_v1` is the only way in. It takes the ledger's head row first, so that commit order is
-- position order: whoever reads the head in one statement sees every event up to it.
-- Every key begins with ledger_id, so that ledgers can be spread over machines.

-- The ledgers of this database (a reference table when ledgers are spread over machines).
CREATE TABLE ledger.ledger (
    ledger_id  int         PRIMARY KEY,
    name       text        NOT NULL UNIQUE,
    clock      text        NOT NULL CHECK (clock IN ('real', 'simulated')),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Where each ledger ends. Its row is the lock of the ledger; the spare room keeps updates HOT.
CREATE TABLE ledger.head (
    ledger_id   int         PRIMARY KEY,
    position    bigint      NOT NULL DEFAULT 0,
    recorded_at timestamptz,
    simulated   boolean     NOT NULL,
    clock_limit interval    NOT NULL DEFAULT '5 minutes',
    -- Why nothing may be recorded until the owner has looked; see 0006_sealing.sql.
    stopped     text
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

-- `entry` is the line that is hashed and exported; `type` and `tags` are copies for the indexes.
CREATE TABLE ledger.event (
    ledger_id   int         NOT NULL,
    position    bigint      NOT NULL CHECK (position > 0),
    recorded_at timestamptz NOT NULL,
    type        text        NOT NULL CHECK (type <> ''),
    tags        text[]      NOT NULL,
    leaf_hash   bytea       NOT NULL CHECK (octet_length(leaf_hash) = 32),
    entry       bytea       NOT NULL
        CHECK (octet_length(entry) <= 65535 AND position('\x0a'::bytea IN entry) = 0),
    PRIMARY KEY (ledger_id, position)
);

-- The history of anything is one range of this index: `tag` is hashtextextended(text, 0), so a
-- reader checks the tags of the event row again.
CREATE TABLE ledger.event_tag (
    ledger_id int    NOT NULL,
    tag       bigint NOT NULL,
    position  bigint NOT NULL,
    PRIMARY KEY (ledger_id, tag, position)
-- Visited often by vacuum, so that the index alone answers: there is little to do each time.
) WITH (autovacuum_vacuum_insert_scale_factor = 0.02);

-- Where each event id stands, and each idempotency key (which has a fingerprint and a count).
CREATE TABLE ledger.event_key (
    ledger_id   int    NOT NULL,
    key         uuid   NOT NULL,
    position    bigint NOT NULL,
    event_count int,
    fingerprint bytea,
    PRIMARY KEY (ledger_id, key)
);

CREATE FUNCTION ledger.refuse_change_v1() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'object_not_in_prerequisite_state',
        MESSAGE = format('%s on %I.%I: what is recorded stays as it is',
                         TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME),
        HINT = 'Record a new fact that corrects the old one.';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.event
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change_v1();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.event_tag
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change_v1();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.event_key
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change_v1();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.ledger
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change_v1();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON ledger.head
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change_v1();

-- ENABLE ALWAYS: session_replication_role = replica does not pass them either.
ALTER TABLE ledger.event     ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE ledger.event_tag ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE ledger.event_key ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE ledger.ledger    ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE ledger.head      ENABLE ALWAYS TRIGGER append_only;

-- The two rarest of several tags, rarest first, by the share of a tag's own stretch of the log that
-- its first 16 events take up (fewer than 16: rarest of all).
CREATE FUNCTION ledger.leading_tags_v1(_ledger_id int, _tags text[], _after bigint, _until bigint)
RETURNS bigint[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _leading bigint[];
BEGIN
    SELECT array_agg(tag.hash ORDER BY (
        SELECT (max(early.position) - min(early.position))::float8 / greatest(1, (
            SELECT event_tag.position
            FROM ledger.event_tag
            WHERE event_tag.ledger_id = _ledger_id
              AND event_tag.tag = tag.hash
              AND event_tag.position <= _until
            ORDER BY event_tag.position DESC
            LIMIT 1
        ) - min(early.position))
        FROM (
            SELECT event_tag.position
            FROM ledger.event_tag
            WHERE event_tag.ledger_id = _ledger_id
              AND event_tag.tag = tag.hash
              AND event_tag.position > _after
              AND event_tag.position <= _until
            ORDER BY event_tag.position
            LIMIT 16
        ) AS early
        HAVING count(*) = 16
    ) DESC NULLS FIRST)
    INTO _leading
    FROM (SELECT hashtextextended(given.text, 0) AS hash FROM unnest(_tags) AS given (text)) AS tag;
    RETURN _leading[1:2];
END $$;

-- The events that match items, for many requests at once: each item belongs to a request, and
-- matches events with all its tags and one of its types (labels joined by U+001F; none: any) that
-- stand after `_afters` and not after `_untils`, `_limits` of them at most. An event that matches
-- two items of a request comes twice.
--
-- Every plan goes from the arrays into the primary keys, whatever the statistics say: a plan made
-- while the tables were empty must not outlive that.
CREATE FUNCTION ledger.matching_v1(
    _ledger_id int,
    _requests  int[],
    _types     text[],
    _tags      text[],
    _afters    bigint[],
    _untils    bigint[],
    _limits    int[]
) RETURNS TABLE (request int, "position" bigint, entry bytea)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN QUERY
    SELECT item.request, event.position, event.entry
    FROM unnest(_requests, _types, _tags, _afters, _untils, _limits)
        AS item (request, types, tags, after, until, row_limit)
    CROSS JOIN LATERAL (
        SELECT string_to_array(nullif(item.types, ''), U&'\001F') AS types,
               string_to_array(item.tags, U&'\001F') AS tags,
               hashtextextended(nullif(split_part(item.tags, U&'\001F', 1), ''), 0) AS first_tag
        OFFSET 0
    ) AS need
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN cardinality(need.tags) > 1 AND EXISTS (
                SELECT FROM ledger.event_tag
                WHERE event_tag.ledger_id = _ledger_id
                  AND event_tag.tag = need.first_tag
                  AND event_tag.position > item.after
                ORDER BY event_tag.position
                OFFSET 15 LIMIT 1
            ) THEN ledger.leading_tags_v1(_ledger_id, need.tags, item.after, item.until)
            ELSE ARRAY[need.first_tag]
        END AS tags
        OFFSET 0
    ) AS lead
    CROSS JOIN LATERAL (
        (SELECT event.position, event.entry
         FROM (
             SELECT event_tag.position
             FROM ledger.event_tag
             WHERE event_tag.ledger_id = _ledger_id
               AND event_tag.tag = lead.tags[1]
               AND event_tag.position > item.after
               AND event_tag.position <= item.until
               -- Neighbours in one range of the index are tested before rows all over the log.
               AND (lead.tags[2] IS NULL OR (
                   SELECT true FROM ledger.event_tag AS second
                   WHERE second.ledger_id = _ledger_id
                     AND second.tag = lead.tags[2]
                     AND second.position = event_tag.position
               ))
             ORDER BY event_tag.position
             OFFSET 0
         ) AS tagged
         CROSS JOIN LATERAL (
             SELECT event.position, event.type, event.tags, event.entry
             FROM ledger.event
             WHERE event.ledger_id = _ledger_id AND event.position = tagged.position
             OFFSET 0
         ) AS event
         WHERE event.tags @> need.tags
           AND (need.types IS NULL OR event.type = ANY (need.types))
         ORDER BY tagged.position
         LIMIT item.row_limit)
        UNION ALL
        (SELECT event.position, event.entry
         FROM ledger.event
         WHERE need.first_tag IS NULL
           AND event.ledger_id = _ledger_id
           AND event.position > item.after
           AND event.position <= item.until
           AND (need.types IS NULL OR event.type = ANY (need.types))
         ORDER BY event.position
         LIMIT item.row_limit)
    ) AS event;
END $$;

-- The same from the end of the log towards its beginning.
CREATE FUNCTION ledger.matching_backwards_v1(
    _ledger_id int,
    _requests  int[],
    _types     text[],
    _tags      text[],
    _afters    bigint[],
    _untils    bigint[],
    _limits    int[]
) RETURNS TABLE (request int, "position" bigint, entry bytea)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN QUERY
    SELECT item.request, event.position, event.entry
    FROM unnest(_requests, _types, _tags, _afters, _untils, _limits)
        AS item (request, types, tags, after, until, row_limit)
    CROSS JOIN LATERAL (
        SELECT string_to_array(nullif(item.types, ''), U&'\001F') AS types,
               string_to_array(item.tags, U&'\001F') AS tags,
               hashtextextended(nullif(split_part(item.tags, U&'\001F', 1), ''), 0) AS first_tag
        OFFSET 0
    ) AS need
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN cardinality(need.tags) > 1 AND EXISTS (
                SELECT FROM ledger.event_tag
                WHERE event_tag.ledger_id = _ledger_id
                  AND event_tag.tag = need.first_tag
                  AND event_tag.position > item.after
                ORDER BY event_tag.position
                OFFSET 15 LIMIT 1
            ) THEN ledger.leading_tags_v1(_ledger_id, need.tags, item.after, item.until)
            ELSE ARRAY[need.first_tag]
        END AS tags
        OFFSET 0
    ) AS lead
    CROSS JOIN LATERAL (
        (SELECT event.position, event.entry
         FROM (
             SELECT event_tag.position
             FROM ledger.event_tag
             WHERE event_tag.ledger_id = _ledger_id
               AND event_tag.tag = lead.tags[1]
               AND event_tag.position > item.after
               AND event_tag.position <= item.until
               -- Neighbours in one range of the index are tested before rows all over the log.
               AND (lead.tags[2] IS NULL OR (
                   SELECT true FROM ledger.event_tag AS second
                   WHERE second.ledger_id = _ledger_id
                     AND second.tag = lead.tags[2]
                     AND second.position = event_tag.position
               ))
             ORDER BY event_tag.position DESC
             OFFSET 0
         ) AS tagged
         CROSS JOIN LATERAL (
             SELECT event.position, event.type, event.tags, event.entry
             FROM ledger.event
             WHERE event.ledger_id = _ledger_id AND event.position = tagged.position
             OFFSET 0
         ) AS event
         WHERE event.tags @> need.tags
           AND (need.types IS NULL OR event.type = ANY (need.types))
         ORDER BY tagged.position DESC
         LIMIT item.row_limit)
        UNION ALL
        (SELECT event.position, event.entry
         FROM ledger.event
         WHERE need.first_tag IS NULL
           AND event.ledger_id = _ledger_id
           AND event.position > item.after
           AND event.position <= item.until
           AND (need.types IS NULL OR event.type = ANY (need.types))
         ORDER BY event.position DESC
         LIMIT item.row_limit)
    ) AS event;
END $$;

-- The last position recorded at or before an instant (0: none), by halving: times rise with
-- positions, so the log is its own index of times.
CREATE FUNCTION ledger.position_at_v1(_ledger_id int, _instant timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _low    bigint := 0;
    _high   bigint;
    _middle bigint;
    _at     timestamptz;
BEGIN
    SELECT head.position INTO _high FROM ledger.head WHERE head.ledger_id = _ledger_id;
    WHILE _low < _high LOOP
        _middle := (_low + _high + 1) / 2;
        SELECT event.recorded_at INTO _at FROM ledger.event
        WHERE event.ledger_id = _ledger_id AND event.position = _middle;
        IF _at <= _instant THEN
            _low := _middle;
        ELSE
            _high := _middle - 1;
        END IF;
    END LOOP;
    RETURN _low;
END $$;

-- Appends the events of many requests in one transaction; a refused request leaves no trace and
-- no gap. Labels are joined by U+001F.
--
--   _gate_at            the caller's clock; NULL skips the comparison of the clocks
--   _request_times      when each request happened: given for simulated ledgers, NULL for others
--   _event_*            one element an event, in order; the request that it belongs to, from 1
--   _key_*              idempotency keys of the requests that have one
--   _condition_*        one element an item: fail the request if any event with all these tags
--                       and one of these types (empty: any) stands after this position
--
-- Answers one byte string a request: request int4, outcome int2, position int8, and then for
--   0 accepted          recorded_at timestamptz, leaf hashes of its events
--   1 replayed          event_count int4: this key was recorded there before, for this command
--   2 condition failed, 3 key reused for another command, 4 duplicate event id: nothing (position
--                       is where the fact stands that forbids it)
--   5 time not allowed  nothing (a simulated time before the head's)
-- SQLSTATEs: LG001 no such ledger, LG002 clocks disagree, LG003 times given to a real ledger or
-- not to a simulated one, LG004 a body is not a JSON object, LG005 the ledger was stopped.
CREATE FUNCTION ledger.append_v1(
    _ledger_id            int,
    _gate_at              timestamptz,
    _request_times        timestamptz[],
    _event_requests       int[],
    _event_ids            uuid[],
    _event_types          text[],
    _event_tags           text[],
    _event_bodies         bytea[],
    _key_requests         int[],
    _keys                 uuid[],
    _key_fingerprints     bytea[],
    _condition_requests   int[],
    _condition_afters     bigint[],
    _condition_types      text[],
    _condition_tags       text[]
) RETURNS bytea[]
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off
AS $$
DECLARE
    _count           int := cardinality(_event_requests);
    _called_at       timestamptz := clock_timestamp();
    _last            bigint;       -- the position before the first new one
    _recorded_at     timestamptz;
    _previous_at     timestamptz;  -- of the last event of a simulated ledger
    _simulated       boolean;
    _clock_limit     interval;
    _stopped         text;
    _stamp           text;
    _failed_requests int[];
    _failed_at       bigint[];
    _refused         int[];
    _refusals        bytea[];
    _answers         bytea[];
BEGIN
    -- 1. Take the head: from here on this call is alone, and what it reads is complete.
    UPDATE ledger.head AS head
    SET position = head.position + _count,
        recorded_at = CASE WHEN head.simulated
            THEN greatest(head.recorded_at, _request_times[cardinality(_request_times)])
            ELSE greatest(head.recorded_at + interval '1 microsecond', clock_timestamp()) END
    WHERE head.ledger_id = _ledger_id
    RETURNING head.position - _count, head.recorded_at, head.simulated, head.clock_limit, head.stopped
    INTO _last, _recorded_at, _simulated, _clock_limit, _stopped;

    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'LG001', MESSAGE = format('no ledger %s', _ledger_id);
    END IF;
    IF _stopped IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'LG005', MESSAGE = _stopped;
    END IF;
    IF _simulated <> (_request_times IS NOT NULL) THEN
        RAISE EXCEPTION USING ERRCODE = 'LG003',
            MESSAGE = 'a simulated ledger takes its times from the caller, every other ledger refuses them';
    END IF;
    IF _simulated THEN
        SELECT event.recorded_at INTO _previous_at
        FROM ledger.event
        WHERE event.ledger_id = _ledger_id AND event.position = _last;
        IF EXISTS (
            SELECT FROM unnest(_request_times, _request_times[2:]) AS given (at, next_at)
            WHERE given.next_at < given.at
        ) THEN
            RAISE EXCEPTION USING ERRCODE = 'LG003', MESSAGE = 'the times of one call go backwards';
        END IF;
    ELSIF _gate_at NOT BETWEEN _called_at - _clock_limit AND _called_at + _clock_limit
        OR (_gate_at IS NOT NULL AND _recorded_at > clock_timestamp() + _clock_limit)
    THEN
        RAISE EXCEPTION USING ERRCODE = 'LG002',
            MESSAGE = format('database clock %s, gate clock %s, ledger clock %s, limit %s',
                             _called_at, _gate_at, _recorded_at, _clock_limit);
    ELSE
        _stamp := to_char(_recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
    END IF;

    -- 2. Test every condition of every request against all that is committed.
    IF EXISTS (
        -- Most often nothing new stands under the item's first tag, and that is all to be asked.
        SELECT FROM unnest(_condition_tags, _condition_afters) AS item (tags, after)
        CROSS JOIN LATERAL (
            SELECT FROM ledger.event_tag
            WHERE event_tag.ledger_id = _ledger_id
              AND event_tag.tag = hashtextextended(split_part(item.tags, U&'\001F', 1), 0)
              AND event_tag.position > item.after
            LIMIT 1
        ) AS newer
    ) OR '' = ANY (_condition_tags) THEN
        SELECT array_agg(hit.request), array_agg(hit.position)
        INTO _failed_requests, _failed_at
        FROM ledger.matching_v1(
            _ledger_id, _condition_requests, _condition_types, _condition_tags, _condition_afters,
            array_fill(_last, ARRAY[cardinality(_condition_requests)]),
            array_fill(1, ARRAY[cardinality(_condition_requests)])
        ) AS hit;
    END IF;

    -- 3. When anything stands against a request, answer it and let its events drop out.
    IF _failed_requests IS NOT NULL
        OR EXISTS (
            SELECT FROM unnest(_event_ids || _keys) AS given (key)
            CROSS JOIN LATERAL (
                SELECT FROM ledger.event_key
                WHERE event_key.ledger_id = _ledger_id AND event_key.key = given.key
                OFFSET 0
            ) AS taken
        )
        OR _request_times[1] < _previous_at
    THEN
        SELECT array_agg(refusal.request),
               array_agg(int4send(refusal.request::int) || int2send(refusal.outcome::int2)
                         || int8send(refusal.position) || refusal.detail)
        INTO _refused, _refusals
        FROM (
            SELECT DISTINCT ON (found.request) found.*
            FROM (
                SELECT given.request,
                       CASE WHEN event_key.fingerprint = given.fingerprint THEN 1 ELSE 3 END AS outcome,
                       event_key.position,
                       CASE WHEN event_key.fingerprint = given.fingerprint
                            THEN int4send(event_key.event_count) ELSE '' END AS detail,
                       1 AS rank
                FROM unnest(_key_requests, _keys, _key_fingerprints)
                    AS given (request, key, fingerprint)
                CROSS JOIN LATERAL (
                    SELECT * FROM ledger.event_key
                    WHERE event_key.ledger_id = _ledger_id AND event_key.key = given.key
                    OFFSET 0
                ) AS event_key
                UNION ALL
                SELECT given.request, 4, event_key.position, '', 2
                FROM unnest(_event_requests, _event_ids) AS given (request, key)
                CROSS JOIN LATERAL (
                    SELECT * FROM ledger.event_key
                    WHERE event_key.ledger_id = _ledger_id AND event_key.key = given.key
                    OFFSET 0
                ) AS event_key
                UNION ALL
                SELECT failed.request, 2, failed.position, '', 3
                FROM unnest(_failed_requests, _failed_at) AS failed (request, position)
                UNION ALL
                SELECT given.request, 5, _last, '', 4
                FROM unnest(_request_times) WITH ORDINALITY AS given (at, request)
                WHERE given.at < _previous_at
            ) AS found
            ORDER BY found.request, found.rank, found.position
        ) AS refusal;

        SELECT coalesce(array_agg(event.request ORDER BY event.place), '{}'),
               array_agg(event.id ORDER BY event.place),
               array_agg(event.type ORDER BY event.place),
               array_agg(event.tags ORDER BY event.place),
               array_agg(event.body ORDER BY event.place)
        INTO _event_requests, _event_ids, _event_types, _event_tags, _event_bodies
        FROM unnest(_event_requests, _event_ids, _event_types, _event_tags, _event_bodies)
            WITH ORDINALITY AS event (request, id, type, tags, body, place)
        WHERE event.request <> ALL (_refused);

        SELECT array_agg(given.request), array_agg(given.key), array_agg(given.fingerprint)
        INTO _key_requests, _keys, _key_fingerprints
        FROM unnest(_key_requests, _keys, _key_fingerprints) AS given (request, key, fingerprint)
        WHERE given.request <> ALL (_refused);

        UPDATE ledger.head
        SET position = _last + cardinality(_event_requests),
            recorded_at = CASE
                WHEN cardinality(_event_requests) = 0 THEN (
                    SELECT event.recorded_at FROM ledger.event
                    WHERE event.ledger_id = _ledger_id AND event.position = _last)
                WHEN _simulated THEN _request_times[_event_requests[cardinality(_event_requests)]]
                ELSE head.recorded_at END
        WHERE head.ledger_id = _ledger_id;

        IF cardinality(_event_requests) = 0 THEN
            RETURN _refusals;
        END IF;
    END IF;

    -- 4. Build the entries, hash them, and put everything in its place.
    IF EXISTS (SELECT FROM unnest(_event_bodies) AS given (body) WHERE get_byte(given.body, 0) <> 123)
    THEN
        RAISE EXCEPTION USING ERRCODE = 'LG004', MESSAGE = 'a body is not a JSON object';
    END IF;
    WITH placed AS (
        INSERT INTO ledger.event (ledger_id, position, recorded_at, type, tags, leaf_hash, entry)
        SELECT _ledger_id,
               _last + given.place,
               coalesce(_request_times[given.request], _recorded_at),
               given.type,
               string_to_array(given.tags, U&'\001F'),
               sha256('\x00'::bytea || built.entry),
               built.entry
        FROM unnest(_event_requests, _event_types, _event_tags, _event_bodies)
            WITH ORDINALITY AS given (request, type, tags, body, place)
        CROSS JOIN LATERAL (
            SELECT convert_to(
                '{"position":' || (_last + given.place)::text || ',"recorded_at":"'
                || coalesce(_stamp, to_char(_request_times[given.request] AT TIME ZONE 'UTC',
                                            'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
                || '",', 'UTF8'
            ) || substr(given.body, 2) AS entry
            OFFSET 0
        ) AS built
        RETURNING event.position, event.recorded_at, event.leaf_hash
    )
    SELECT array_agg(answer.line)
    INTO _answers
    FROM (
        SELECT int4send(numbered.request) || int2send(0::int2)
            || int8send(min(numbered.position)) || timestamptz_send(min(numbered.recorded_at))
            || string_agg(numbered.leaf_hash, '' ORDER BY numbered.position) AS line
        FROM (
            SELECT _event_requests[placed.position - _last] AS request, placed.*
            FROM placed
            OFFSET 0
        ) AS numbered
        GROUP BY numbered.request
    ) AS answer;

    -- Sorted, so that neighbouring index entries are written together; a tag counts once.
    INSERT INTO ledger.event_tag (ledger_id, tag, position)
    SELECT _ledger_id, tag.hash, tag.position
    FROM (
        SELECT DISTINCT hashtextextended(tag.text, 0) AS hash, _last + given.place AS position
        FROM unnest(_event_tags) WITH ORDINALITY AS given (tags, place)
        CROSS JOIN LATERAL unnest(string_to_array(given.tags, U&'\001F')) AS tag (text)
        ORDER BY 1, 2
    ) AS tag;

    INSERT INTO ledger.event_key (ledger_id, key, position)
    SELECT _ledger_id, given.id, _last + given.place
    FROM unnest(_event_ids) WITH ORDINALITY AS given (id, place);

    IF cardinality(_keys) > 0 THEN
        INSERT INTO ledger.event_key (ledger_id, key, position, event_count, fingerprint)
        SELECT _ledger_id, given.key, _last + request.first_place, request.event_count,
               given.fingerprint
        FROM unnest(_key_requests, _keys, _key_fingerprints) AS given (request, key, fingerprint)
        JOIN (
            SELECT event.request, min(event.place) AS first_place, count(*) AS event_count
            FROM unnest(_event_requests) WITH ORDINALITY AS event (request, place)
            GROUP BY event.request
        ) AS request ON request.request = given.request;
    END IF;

    -- 5. A hint for whoever follows; the truth is the head.
    PERFORM pg_notify('ledger_' || _ledger_id, '');
    RETURN _refusals || _answers;
END $$;

GRANT EXECUTE ON FUNCTION ledger.append_v1 TO ledger_writer;
GRANT EXECUTE ON FUNCTION ledger.leading_tags_v1, ledger.matching_v1, ledger.matching_backwards_v1,
    ledger.position_at_v1
    TO ledger_writer, ledger_projector, ledger_reader;
GRANT SELECT ON ledger.ledger, ledger.head, ledger.event, ledger.event_tag, ledger.event_key
    TO ledger_writer, ledger_projector, ledger_reader;

-- Roles and schemas: who may do what, before there is anything to do it to.
--
-- Roles belong to the whole server, so another database may have made them already.
-- Nobody logs in as one of them: the program's login user takes one per connection.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY[
        'ledger_owner', 'ledger_writer', 'ledger_projector', 'ledger_sealer', 'ledger_reader'
    ]
    LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', wanted);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- made by another database's migration at this moment
        END;
        IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = session_user)
            AND NOT pg_has_role(session_user, wanted, 'SET')
        THEN
            -- What migrations make is the owner's, and the login keeps the list of them.
            EXECUTE format('GRANT %I TO %I WITH SET TRUE, INHERIT %s',
                wanted, session_user, CASE wanted WHEN 'ledger_owner' THEN 'TRUE' ELSE 'FALSE' END);
        END IF;
    END LOOP;
END
$$;

-- Nothing lives in schema public, and nobody may put anything there.
REVOKE ALL ON SCHEMA public FROM PUBLIC;

-- ledger: the log. views: projections, made by the projector. bi_v1: flat views for dashboards.
ALTER SCHEMA ledger OWNER TO ledger_owner;
ALTER TABLE ledger.migration OWNER TO ledger_owner;
CREATE SCHEMA views AUTHORIZATION ledger_projector;
CREATE SCHEMA bi_v1 AUTHORIZATION ledger_projector;

-- Each grants what is its own: the login that migrates need not be above them.
SET LOCAL ROLE ledger_owner;
GRANT USAGE ON SCHEMA ledger TO ledger_writer, ledger_projector, ledger_reader;
GRANT SELECT ON ledger.migration TO ledger_writer, ledger_projector, ledger_reader;
-- A function is for everybody unless said otherwise: here it is for nobody unless granted.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
-- Tables of schema ledger are granted one by one, where they are made: some hold secrets.

SET LOCAL ROLE ledger_projector;
GRANT USAGE ON SCHEMA views, bi_v1 TO ledger_reader;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
-- Views hold no secrets, and every one of them may be read.
ALTER DEFAULT PRIVILEGES IN SCHEMA views, bi_v1 GRANT SELECT ON TABLES TO ledger_reader;

RESET ROLE;

-- Lets a runner of Writ read these views of this database, and no more. Run it as a superuser, in the database
-- itself (PostgreSQL 14 or later); again after a view was added. It is made by: writ runner sql
--
-- {{.Group}}  may read the views; nobody logs in as it
-- {{.Owner}}  owns the two functions below; nobody logs in as it
-- {{.User}}  is the runner's login; it may call the two functions, and reads nothing

DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{{.Group}}') THEN CREATE ROLE "{{.Group}}" NOLOGIN; END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{{.Owner}}') THEN CREATE ROLE "{{.Owner}}" NOLOGIN CREATEROLE; END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{{.User}}') THEN CREATE ROLE "{{.User}}" LOGIN NOINHERIT; END IF;
END $$;
GRANT "{{.Group}}" TO "{{.Owner}}" WITH ADMIN OPTION;
-- then give the login its password, in psql: \password {{.User}}

CREATE SCHEMA IF NOT EXISTS "{{.Schema}}" AUTHORIZATION "{{.Owner}}";
REVOKE ALL ON SCHEMA "{{.Schema}}" FROM PUBLIC;
GRANT USAGE ON SCHEMA "{{.Schema}}" TO "{{.User}}";

-- mint makes a role for one reading. verifier is the SCRAM verifier of its password, which never comes here. Roles whose time
-- is over, of runners that died, go first.
CREATE OR REPLACE FUNCTION "{{.Schema}}".mint(name text, verifier text, seconds integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE stray text;
BEGIN
  IF name !~ '^{{.Prefix}}[0-9a-z]{26}$' OR seconds IS NULL OR seconds NOT BETWEEN 1 AND 60
     OR verifier !~ '^SCRAM-SHA-256\$4096:[A-Za-z0-9+/=]{24}\$[A-Za-z0-9+/=]{44}:[A-Za-z0-9+/=]{44}$' THEN
    RAISE EXCEPTION 'a name, a verifier and 1 to 60 seconds are taken' USING ERRCODE = '22023';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('{{.Group}}'));
  FOR stray IN
    SELECT r.rolname FROM pg_roles r JOIN pg_auth_members m ON m.member = r.oid
    JOIN pg_roles g ON g.oid = m.roleid AND g.rolname = '{{.Group}}'
    WHERE r.rolname ~ '^{{.Prefix}}[0-9a-z]{26}$' AND r.rolvaliduntil < clock_timestamp() LIMIT 20
  LOOP
    EXECUTE format('DROP ROLE %I', stray);
  END LOOP;
  EXECUTE format('CREATE ROLE %I LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT 1 PASSWORD %L VALID UNTIL %L',
    name, verifier, clock_timestamp() + make_interval(secs => seconds));
  EXECUTE format('GRANT %I TO %I', '{{.Group}}', name);
  EXECUTE format('ALTER ROLE %I SET default_transaction_read_only = on', name);
  EXECUTE format('ALTER ROLE %I SET statement_timeout = %L', name, seconds || 's');
  EXECUTE format('ALTER ROLE %I SET idle_session_timeout = %L', name, seconds || 's');
END $$;

-- finish drops the role of a reading. What its session would still ask for is refused from then on.
CREATE OR REPLACE FUNCTION "{{.Schema}}".finish(name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF name !~ '^{{.Prefix}}[0-9a-z]{26}$' THEN
    RAISE EXCEPTION 'this is no role of a reading' USING ERRCODE = '22023';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('{{.Group}}'));
  IF EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member JOIN pg_roles g ON g.oid = m.roleid
             WHERE r.rolname = name AND g.rolname = '{{.Group}}') THEN
    EXECUTE format('DROP ROLE %I', name);
  END IF;
END $$;

ALTER FUNCTION "{{.Schema}}".mint(text, text, integer) OWNER TO "{{.Owner}}";
ALTER FUNCTION "{{.Schema}}".finish(text) OWNER TO "{{.Owner}}";
REVOKE ALL ON FUNCTION "{{.Schema}}".mint(text, text, integer), "{{.Schema}}".finish(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION "{{.Schema}}".mint(text, text, integer), "{{.Schema}}".finish(text) TO "{{.User}}";

-- The views. Their owner, not this role, reads what is behind them.
{{range .Schemas}}GRANT USAGE ON SCHEMA "{{.}}" TO "{{$.Group}}";
{{end}}{{range .Views}}GRANT SELECT ON {{.}} TO "{{$.Group}}";
{{end}}

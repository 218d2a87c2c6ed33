-- Databases as wholes: what they are like, who is in them, and their names.

-- name: facts
-- What a database is besides what is in it.
SELECT pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding),
       CASE d.datlocprovider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' ELSE 'builtin' END,
       d.datcollate, d.datctype,
       -- 15 and 16 say it by another name.
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
       d.datcollversion, d.datconnlimit, t.spcname, shobj_description(d.oid, 'pg_database'),
       pg_database_size(d.oid), d.datacl IS NOT NULL
FROM pg_database AS d
JOIN pg_tablespace AS t ON t.oid = d.dattablespace
WHERE d.datname = %(name)s

-- name: grants
-- Who may do what with a database; no grantee means everybody.
SELECT CASE a.grantee WHEN 0 THEN '' ELSE pg_get_userbyid(a.grantee) END, pg_get_userbyid(a.grantor),
       a.privilege_type, a.is_grantable
FROM pg_database AS d, aclexplode(d.datacl) AS a
WHERE d.datname = %(name)s
ORDER BY 1, 3

-- name: settings
-- What ALTER DATABASE … SET and ALTER ROLE … IN DATABASE … SET have set.
SELECT CASE s.setrole WHEN 0 THEN NULL ELSE pg_get_userbyid(s.setrole) END,
       split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1)
FROM pg_db_role_setting AS s
JOIN pg_database AS d ON d.oid = s.setdatabase, unnest(s.setconfig) AS setting
WHERE d.datname = %(name)s
ORDER BY 1 NULLS FIRST, 2

-- name: roles
-- Every role of the server, and whether anything in this database is its own or was granted to it.
WITH here AS (SELECT oid, datdba FROM pg_database WHERE datname = current_database()),
concerned AS (
    SELECT d.refobjid AS role FROM pg_shdepend AS d, here
    WHERE d.refclassid = 'pg_authid'::regclass
      AND (d.dbid = here.oid OR (d.classid = 'pg_database'::regclass AND d.objid = here.oid))
    -- The first role of a server is in no list of dependencies.
    UNION SELECT datdba FROM here
    UNION SELECT relowner FROM pg_class WHERE oid >= 16384
    UNION SELECT nspowner FROM pg_namespace WHERE oid >= 16384
    UNION SELECT proowner FROM pg_proc WHERE oid >= 16384
    UNION SELECT s.setrole FROM pg_db_role_setting AS s, here WHERE s.setdatabase = here.oid
)
SELECT r.rolname, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin, r.rolreplication,
       r.rolbypassrls, r.rolconnlimit, CASE WHEN isfinite(r.rolvaliduntil) THEN r.rolvaliduntil END,
       ARRAY(SELECT pg_get_userbyid(m.roleid)::text FROM pg_auth_members AS m
             WHERE m.member = r.oid ORDER BY 1),
       r.oid IN (SELECT role FROM concerned)
FROM pg_roles AS r
-- Roles named pg_… are every server's own.
WHERE r.rolname NOT LIKE 'pg\_%'
ORDER BY r.rolname

-- name: create_role
-- A role that objects of a backup belong to and that this server does not have.
CREATE ROLE {role}

-- name: allow_login
-- As the role of that name could.
ALTER ROLE {role} LOGIN

-- name: no_inherit
-- As the role of that name did not.
ALTER ROLE {role} NOINHERIT

-- name: add_member
-- Membership in another role, as it was.
GRANT {role} TO {member}

-- name: set_owner
-- Whose a database is.
ALTER DATABASE {name} OWNER TO {role}

-- name: set_comment
-- The comment on a database.
COMMENT ON DATABASE {name} IS {text}

-- name: set_connection_limit
-- How many sessions a database takes.
ALTER DATABASE {name} CONNECTION LIMIT {limit}

-- name: revoke_default
-- A new database is open to everybody; what was granted follows.
REVOKE ALL ON DATABASE {name} FROM PUBLIC

-- name: grant
-- One right on a database for one role.
GRANT {privilege} ON DATABASE {name} TO {role}

-- name: grant_onward
-- One right on a database for a role that may give it to others.
GRANT {privilege} ON DATABASE {name} TO {role} WITH GRANT OPTION

-- name: grant_everybody
-- One right on a database for every role.
GRANT {privilege} ON DATABASE {name} TO PUBLIC

-- name: grant_connect_to_all
-- What a new database is: open to everybody who has a role.
GRANT CONNECT ON DATABASE {name} TO PUBLIC

-- name: set_database_parameter
-- A setting for every session of a database.
ALTER DATABASE {name} SET {parameter} TO {value}

-- name: set_role_parameter
-- A setting for one role's sessions of a database.
ALTER ROLE {role} IN DATABASE {name} SET {parameter} TO {value}

-- name: tables_with_rows
-- Every table of the database's own, in every schema; those of extensions are the extensions'.
SELECT n.nspname, c.relname
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\_%%' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend AS d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname <> 'public', n.nspname, c.relname

-- name: count_rows
-- Every row of one table.
SELECT count(*) FROM {table}

-- name: create_libc
-- An empty database whose texts sort as the C library's locale says.
CREATE DATABASE {name} TEMPLATE template0 ENCODING {encoding}
    LOCALE_PROVIDER libc LC_COLLATE {collate} LC_CTYPE {ctype}

-- name: create_icu
-- An empty database whose texts sort as a locale of ICU says.
CREATE DATABASE {name} TEMPLATE template0 ENCODING {encoding}
    LOCALE_PROVIDER icu LC_COLLATE {collate} LC_CTYPE {ctype} ICU_LOCALE {locale}

-- name: create_builtin
-- An empty database whose texts sort as Postgres' own locale says.
CREATE DATABASE {name} TEMPLATE template0 ENCODING {encoding}
    LOCALE_PROVIDER builtin LC_COLLATE {collate} LC_CTYPE {ctype} BUILTIN_LOCALE {locale}

-- name: create_default
-- An empty database as the server makes one.
CREATE DATABASE {name} TEMPLATE template0

-- name: drop
-- A database and whoever is left on it.
DROP DATABASE IF EXISTS {name} WITH (FORCE)

-- name: rename
-- Another name for a database that nobody is connected to; new sessions wait until the transaction ends.
ALTER DATABASE {name} RENAME TO {to}

-- name: close_to_others
-- A copy that is not whole yet is nobody's but its maker's.
REVOKE CONNECT ON DATABASE {name} FROM PUBLIC

-- name: names_like
-- Databases whose names match a pattern, newest names last.
SELECT datname, pg_database_size(oid) FROM pg_database WHERE datname ~ %(pattern)s ORDER BY datname

-- name: oid
-- The number by which the server knows a database, whatever its name.
SELECT oid FROM pg_database WHERE datname = %(name)s

-- name: sessions
-- Who is connected to a database; the server's own processes leave by themselves. Of another role's sessions
-- little is told.
SELECT pid, application_name, usename, host(client_addr), backend_start, state
FROM pg_stat_activity
WHERE datname = %(name)s AND pid <> pg_backend_pid()
  AND coalesce(backend_type, 'client backend') IN ('client backend', 'walsender', 'background worker')
  AND leader_pid IS NULL
ORDER BY backend_start

-- name: prepared
-- Transactions that were prepared for a commit in two steps: they hold their database.
SELECT gid FROM pg_prepared_xacts WHERE database = %(name)s ORDER BY prepared

-- name: end_session
-- End another session and wait until it is gone.
SELECT pg_terminate_backend(%(pid)s, 5000)

-- name: may_end_sessions
-- Whether this role may end another role's sessions.
SELECT pg_has_role(r.oid, 'MEMBER') AND (NOT r.rolsuper OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user))
    OR (NOT r.rolsuper AND pg_has_role('pg_signal_backend', 'MEMBER'))
FROM pg_roles AS r WHERE r.rolname = %(role)s

-- name: holds_name
-- Whether a session has a database's name locked, so that no new session comes in.
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'object' AND classid = 'pg_database'::regclass AND objid = %(oid)s
      AND mode = 'AccessExclusiveLock' AND granted AND pid = %(pid)s
)

-- name: rights
-- What this role may do: everything, make databases, make roles, and whether a database is its own.
SELECT r.rolsuper, r.rolcreatedb, r.rolcreaterole,
       (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = %(name)s), current_user
FROM pg_roles AS r WHERE r.rolname = current_user

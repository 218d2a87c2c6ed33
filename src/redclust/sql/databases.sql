-- Databases as wholes: what they are like, who is in them, and their names.

-- name: attributes
-- What a database is besides what is in it: owner, comment, encoding, locale.
SELECT pg_get_userbyid(d.datdba), shobj_description(d.oid, 'pg_database'),
       pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, d.datlocprovider::text,
       -- 15 and 16 say it by another name.
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
       d.datacl IS NOT NULL
FROM pg_database AS d
WHERE d.datname = %(name)s

-- name: grants
-- Who may do what with a database; no grantee means everybody.
SELECT CASE a.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(a.grantee) END, a.privilege_type, a.is_grantable
FROM pg_database AS d, aclexplode(d.datacl) AS a
WHERE d.datname = %(name)s
ORDER BY 1 NULLS FIRST, 2

-- name: settings
-- What ALTER DATABASE … SET and ALTER ROLE … IN DATABASE … SET have set.
SELECT CASE s.setrole WHEN 0 THEN NULL ELSE pg_get_userbyid(s.setrole) END,
       split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1)
FROM pg_db_role_setting AS s
JOIN pg_database AS d ON d.oid = s.setdatabase, unnest(s.setconfig) AS setting
WHERE d.datname = %(name)s
ORDER BY 1 NULLS FIRST, 2

-- name: needed_roles
-- The roles that own something in this database or are named in its grants, with what they may.
WITH owners AS (
    SELECT refobjid AS role FROM pg_shdepend
    WHERE refclassid = 'pg_authid'::regclass
      AND (dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
           OR (classid = 'pg_database'::regclass
               AND objid = (SELECT oid FROM pg_database WHERE datname = current_database())))
    -- The first role of a server is in no list of dependencies.
    UNION SELECT datdba FROM pg_database WHERE datname = current_database()
    UNION SELECT relowner FROM pg_class WHERE oid >= 16384
    UNION SELECT nspowner FROM pg_namespace WHERE oid >= 16384
    UNION SELECT proowner FROM pg_proc WHERE oid >= 16384
    UNION SELECT setrole FROM pg_db_role_setting
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
)
SELECT r.rolname, r.rolcanlogin, r.rolinherit, r.rolcreatedb, r.rolcreaterole, r.rolsuper,
       ARRAY(SELECT pg_get_userbyid(m.roleid)::text FROM pg_auth_members AS m
             WHERE m.member = r.oid ORDER BY 1)
FROM pg_roles AS r
-- Roles named pg_… are every server's own.
WHERE r.oid IN (SELECT role FROM owners) AND r.rolname NOT LIKE 'pg\_%%'
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

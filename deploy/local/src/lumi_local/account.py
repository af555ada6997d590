"""The operating-system account that PostgreSQL runs as: it refuses to be root."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

NOBODY = 65534


@dataclass(frozen=True)
class Account:
    uid: int
    gid: int

    def can_run(self, program: Path) -> bool:
        """Whether the account may run a program, given every folder above it."""
        try:
            done = subprocess.run(
                [program, "--version"], user=self.uid, group=self.gid, extra_groups=[], capture_output=True, cwd="/"
            )
        except OSError:
            return False
        return done.returncode == 0

    def can_enter(self, folder: Path) -> bool:
        """Whether the account may pass through a folder, given every folder above it."""
        done = subprocess.run(
            ["test", "-x", folder], user=self.uid, group=self.gid, extra_groups=[], capture_output=True, cwd="/"
        )
        return done.returncode == 0


def server_account() -> Account | None:
    """The account to give PostgreSQL: `nobody` when we are root, None (ourselves) when we are not."""
    if os.getuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return Account(NOBODY, NOBODY)
    return Account(nobody.pw_uid, nobody.pw_gid)

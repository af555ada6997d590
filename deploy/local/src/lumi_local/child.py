"""Becomes another program as a spec file says: `python child.py SPEC`.

The spec is JSON: `argv`, `cwd`, `env` (beside the few variables that any program inherits), `death_signal` and, to
give up root, `uid` and `gid`. The program gets the death signal as soon as its parent dies, so that nothing outlives
a supervisor that was killed. A spec file keeps secrets and odd paths out of command lines and out of the
supervisor's configuration. Needs the standard library only.
"""

import ctypes
import json
import os
import signal
import sys

INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
PR_SET_PDEATHSIG = 1


def main(path: str) -> None:
    parent = os.getppid()
    with open(path, encoding="utf-8") as file:
        spec = json.load(file)
    if spec.get("uid") is not None:
        os.setgroups([])
        os.setgid(spec["gid"])
        os.setuid(spec["uid"])
    # After the change of user, which clears it; exec keeps it.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.Signals[spec["death_signal"]])
    if os.getppid() != parent:
        sys.exit("the parent is gone already")
    os.umask(0o077)
    os.chdir(spec["cwd"])
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    os.execve(spec["argv"][0], spec["argv"], inherited | spec["env"])


if __name__ == "__main__":
    main(sys.argv[1])

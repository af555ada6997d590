"""Servers for tests end with the tests, however those end."""

import os
import subprocess
import sys

from lumi_local.process import port_is_free
from tests.stack.processes import eventually

USER = """
import sys, time
from lumi_local import testing
with testing.postgres() as server:
    print(server.port, flush=True)
    sys.stdin.read()
"""


def test_postgres_is_gone_after_its_last_user_was_killed():
    # A session of its own: beside other workers it would join theirs, which goes on.
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    user = subprocess.Popen(
        [sys.executable, "-c", USER], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, env=alone
    )
    assert user.stdout is not None
    port = int(user.stdout.readline())
    assert not port_is_free(port)

    user.kill()
    user.communicate()

    assert eventually(lambda: port_is_free(port))

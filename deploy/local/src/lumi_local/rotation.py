"""New certificates and passwords for a stack that runs, without a restart and without losing a call.

The order is that of any deployment (docs/how-to/rotate-secrets.md): who asks knows the new beside the old, then who
answers changes, then the old one is forgotten.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from lumi_common.rpc.channel import LOOK_SECONDS
from lumi_local import nats
from lumi_local.certificates import Authority, ensure, is_between, trust
from lumi_local.home import Home
from lumi_local.parts import Blueprint
from lumi_local.process import wait_until
from lumi_local.supervision import Supervisor

Progress = Callable[[str, Callable[[], None]], None]


def ensure_certificates(home: Home, progress: Progress) -> None:
    """Have certificates that are good for a month; a rotation that was cut off is done anew."""
    if is_between(home.certificates):
        rotate_certificates(home, progress)
    ensure(home.certificates)


def rotate_certificates(home: Home, progress: Progress) -> None:
    """A new authority, and from it a new certificate for each service."""
    old, new = (home.certificates / "ca.pem").read_text(), Authority()

    def seen(step: Callable[[], None]) -> Callable[[], None]:
        """The step, and the time until every service goes by it."""

        def done() -> None:
            step()
            time.sleep(2 * LOOK_SECONDS)

        return done

    progress("the new authority trusted beside the old", seen(lambda: trust(home.certificates, new.pem, old)))
    progress("new certificates", seen(lambda: new.certify(home.certificates)))
    progress("the old authority trusted no more", lambda: trust(home.certificates, new.pem))


def rotate_passwords(old: Blueprint, supervisor: Supervisor, progress: Progress) -> Blueprint:
    """New passwords for every role of PostgreSQL and every user of NATS; what is true afterwards."""
    home, new = old.home, replace(old, secrets=old.home.next_secrets())

    def tell_nats() -> None:
        part = next(part for part in new.parts() if part.name == "nats")  # which writes its configuration
        part.spec.write(home.spec(part.name))
        supervisor.signal_program(part.program, "HUP")
        wait_until(lambda: nats.admits(new.nats), "NATS does not take the new passwords", seconds=10)

    progress("services know both passwords", lambda: new.tell_secrets(before=old))
    progress("PostgreSQL", lambda: new.cluster.change_passwords(old.postgres, new.secrets.postgres))
    progress("NATS", tell_nats)
    home.adopt_next_secrets()
    progress("services know the new one alone", new.tell_secrets)
    return new

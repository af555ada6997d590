"""Sees that the tests of the API's page have a browser: `python3 deploy/local/setup_browser.py`, called by `make test`.

As root on a Debian without one it installs Debian's, once; anywhere else it says what to install, once, and the tests
that need it are skipped. Standard library only.
"""

import os
import shutil
import subprocess
import sys

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ASKED = os.path.join(CHECKOUT, ".venv", "lumi-browser")  # gone with the environment, so a new one asks again
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PACKAGES = ("chromium", "chromium-driver")

SKIPPED = """There is no Chromium with its chromedriver, so the API's page is not tested in a browser.
  Debian:     apt install chromium chromium-driver
  elsewhere:  install both; LUMI_CHROMIUM_BIN names a browser that is not on the PATH"""


def main():
    if is_there() or os.path.exists(ASKED):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("installing Debian's Chromium for the tests of the API's page", flush=True)
        install()
    if not is_there():
        print(SKIPPED)
    os.makedirs(os.path.dirname(ASKED), exist_ok=True)
    with open(ASKED, "w"):
        pass


def is_there():
    named = os.environ.get("LUMI_CHROMIUM_BIN")
    return bool((named or any(map(shutil.which, BROWSERS))) and shutil.which("chromedriver"))


def install():
    """Installs the packages; what went wrong is told and no reason to stop: everything else can be tested."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (("update",), ("install", "--yes", "--no-install-recommends", *PACKAGES)):
        done = subprocess.run(
            ("apt-get", "--quiet", *command),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            print("\n".join(done.stdout.splitlines()[-5:]))
            return


if __name__ == "__main__":
    sys.exit(main())

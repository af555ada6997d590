"""Sets up `.venv` for this checkout: `python3 deploy/local/setup_checkout.py`, called by every make target.

Does nothing when the locks, our packages and the place are those of the last time. Runs on the machine's own Python,
before anything is installed, so: standard library only, and a syntax that an old Python can still read.
"""

import glob
import hashlib
import os
import shutil
import subprocess
import sys
import time

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VENV = os.path.join(CHECKOUT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, "lumi-setup")
LOCK = os.path.join("requirements", "dev.txt")
MEMBERS = ("protos", "libs/*", "services/*", "deploy/*", "clients/*", "tests/*")

NO_VENV = """Python at {python} has no {module}, which is needed to set up.
  Debian, Ubuntu:  apt install python3-venv
  elsewhere:       install your distribution's package with Python's venv and ensurepip"""


def main():
    os.chdir(CHECKOUT)
    if sys.version_info < (3, 11):  # noqa: UP036  # it may well be run by an older one
        version = sys.version.split()[0]
        return f"Lumi needs Python 3.11 or newer; {sys.executable} is {version}. Name another: make PYTHON=python3.11 …"
    # A moved checkout has a broken venv, another lock only an old one.
    place = f"{CHECKOUT} {sys.version_info[:2]}"
    wanted = place + "\n" + fingerprint()
    found = read(STAMP)
    if found == wanted:
        return None
    for module in ("venv", "ensurepip"):
        if not importable(module):
            return NO_VENV.format(python=sys.executable, module=module)
    started = time.monotonic()
    if found is None or found.split("\n")[0] != place:
        shutil.rmtree(VENV, ignore_errors=True)
        step("1/3 a virtual environment in .venv", sys.executable, "-m", "venv", VENV)
    elif os.path.exists(STAMP):
        os.remove(STAMP)
    pip = (PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-deps")
    step("2/3 what others wrote, as locked", *pip, "--require-hashes", "--only-binary", ":all:", "-r", LOCK)
    editable = [part for member in members() for part in ("-e", os.path.join(".", member))]
    step("3/3 our own packages", *pip, "--quiet", "--no-build-isolation", *editable)
    with open(STAMP, "w") as file:
        file.write(wanted)
    say(f"set up in {time.monotonic() - started:.0f} s")
    return None


def members():
    """Folders of our own packages."""
    found = (glob.glob(os.path.join(pattern, "pyproject.toml")) for pattern in MEMBERS)
    return sorted(os.path.dirname(path) for paths in found for path in paths)


def fingerprint():
    """A digest of the lock and of what our packages say about themselves."""
    digest = hashlib.sha256()
    for path in [LOCK, *(os.path.join(member, "pyproject.toml") for member in members())]:
        with open(path, "rb") as file:
            digest.update(path.encode() + b"\0" + file.read() + b"\0")
    return digest.hexdigest()


def importable(module):
    return subprocess.call([sys.executable, "-c", "import " + module], stderr=subprocess.DEVNULL) == 0


def step(title, *command):
    say(title)
    # Variables of another environment, or of a hash-checking pip, must not leak into this one.
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
    if subprocess.call(command, env=environment):
        sys.exit(f"set-up failed at step {title}; the lines above say why")


def say(text):
    print(f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text, flush=True)


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main())

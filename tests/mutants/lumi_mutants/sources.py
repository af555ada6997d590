"""A copy of the checkout's files, and how Python is brought to import it instead of the original."""

import compileall
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from py_compile import PycInvalidationMode

MEMBERS = ("protos", "libs/*", "services/*", "deploy/*", "clients/*", "tests/*")
# Where a member keeps its packages, if not beside its pyproject.toml.
_FOLDERS = ("src", "gen")
_OURS = "lumi"


def copy_checkout(checkout: Path, to: Path) -> None:
    """Copy what git knows, or would if it were added, as it is in the working tree; compile it for quick starts."""
    # A hook's variables name another repository or index.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=checkout, env=environment, check=True, capture_output=True, text=True)
    for name in sorted(set(listed.stdout.split("\0")) - {""}):
        source, target = checkout / name, to / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    # Held against the source's hash, not its time: what is changed and changed back within a second is read anew.
    compileall.compile_dir(to, quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)


def source_folders(checkout: Path) -> list[Path]:
    """The folders that our packages are imported from."""
    files = (file for pattern in MEMBERS for file in sorted(checkout.glob(f"{pattern}/pyproject.toml")))
    return [_folder(file.parent) for file in files]


def packages(checkout: Path) -> Iterator[str]:
    """The names under which our code is imported."""
    for folder in source_folders(checkout):
        for each in sorted(folder.iterdir()):
            if each.is_dir() and each.name.startswith(_OURS) and each.name.isidentifier():
                yield each.name


def environment(copy: Path) -> dict[str, str]:
    """The variables of a test run that imports the copy; editable installs of the original come after PYTHONPATH."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON", "COV_"))}
    # Last, for a checkout that has no planted bugs of its own: the plugin that the run is told by.
    folders = [*source_folders(copy), Path(__file__).parents[1]]
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(map(str, folders)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _folder(member: Path) -> Path:
    return next((member / name for name in _FOLDERS if (member / name).is_dir()), member)

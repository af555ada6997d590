"""docs/access.md: every method once, with whoever its options name."""

import re

import pytest

from lumi_common.rpc.access import MethodPolicy, read_policy
from lumi_envoy.contract import all_methods
from lumi_identity.domain.role import SEEDED_ROLES
from lumi_openapi.access_page import access, who

_ROW = re.compile(r"^\| (\w+) \| (.*?) \| (.*?) \| (yes)? ?\| (yes|no)? ?\|$", re.MULTILINE)


def test_every_method_of_every_service_has_one_row() -> None:
    sections = re.split(r"^## (\w+)\n", access(), flags=re.MULTILINE)[1:]
    found = []
    for context, text in zip(sections[::2], sections[1::2], strict=True):
        for service, rows in re.findall(r"^### (\w+)\n(.*?)(?=^###|\Z)", text, re.MULTILINE | re.DOTALL):
            found += [f"lumi.{context}.v1.{service}.{row[0]}" for row in _ROW.findall(rows)]

    assert sorted(found) == [method.full_name for method in all_methods()]


def test_a_row_says_what_is_asked_for() -> None:
    rows = {name: rest for name, *rest in _ROW.findall(access())}

    assert rows["PurgeUser"] == ["`POST /v1/users/{id}:purge`", "`users.purge`", "yes", "yes"]
    assert rows["SignIn"][1:] == ["anybody", "", "no"]
    assert rows["ListProducts"] == ["`GET /v1/products`", "anybody", "", ""]
    stepped_up = {method.name for method in all_methods() if read_policy(method).step_up}
    assert {name for name, row in rows.items() if row[2]} == stepped_up


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (MethodPolicy("", public=True), "anybody"),
        (MethodPolicy("", guest=True, owner=True), "guest, as owner"),
        (MethodPolicy("", user=True), "user"),
        (MethodPolicy("", permission="orders.read"), "`orders.read`"),
        (MethodPolicy("", permission="orders.read", owner=True), "`orders.read` or owner"),
        (MethodPolicy("", services=frozenset({"payments", "orders"})), "orders, payments"),
        (MethodPolicy("", permission="orders.read", services=frozenset({"orders"})), "`orders.read`; orders"),
    ],
)
def test_who_may_call_is_told_in_words(policy: MethodPolicy, said: str) -> None:
    assert who(policy) == said


def test_the_page_tells_what_each_seeded_role_holds() -> None:
    names, *rows = re.findall(r"^\| (?:permission|`(\w+\.\w+)`) \| .*? \| (.*) \|$", access(), re.MULTILINE)
    held = {key: dict(zip(names[1].split(" | "), cells.split("|"), strict=True)) for key, cells in rows}

    assert {role.name: {key for key, cells in held.items() if cells[role.name].strip()} for role in SEEDED_ROLES} == {
        role.name: set(role.permissions) for role in SEEDED_ROLES
    }

"""What may become of roles and permissions, and who may say so."""

from datetime import UTC, datetime

import pytest

from lumi_common.errors import FailedPrecondition, PermissionDenied
from lumi_identity.domain.permissions import PERMISSIONS
from lumi_identity.domain.role import SEEDED, Holdings, Permission, Role, check_permission_key, check_role_name

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOBODY = {"roles": 0, "users": 0}


def a_role(name: str = "pickers") -> Role:
    return Role("c1", name, None, NOW, NOW, ["orders.read"])


def test_one_covers_what_one_holds_and_nothing_beyond() -> None:
    holder = Holdings("c1", [], ["orders.read", "roles.write"])

    holder.check_covers([], ["orders.read"], {"roles.write"})
    with pytest.raises(PermissionDenied) as refusal:
        holder.check_covers(["orders.read"], ["users.purge", "orders.write"])
    assert (refusal.value.reason, refusal.value.facts) == ("BEYOND_OWN_PERMISSIONS", {"permission": "orders.write"})


@pytest.mark.parametrize("name", sorted(SEEDED))
def test_seeded_roles_keep_their_names_and_stay(name: str) -> None:
    for refused in (
        lambda: check_role_name(name),
        lambda: a_role(name).change({"name": "others"}),
        lambda: a_role().change({"name": name}),
    ):
        with pytest.raises(FailedPrecondition, match="ROLE_SEEDED"):
            refused()
    with pytest.raises(FailedPrecondition, match="LAST_ADMIN" if name == "admin" else "ROLE_SEEDED"):
        a_role(name).check_deletable(0)
    assert a_role(name).change({"name": name, "description": "ours"})


def test_a_role_of_the_shops_own_changes_and_goes_when_nobody_holds_it() -> None:
    role = a_role()

    assert role.change({"name": "packers", "description": "Pack."})
    assert (role.name, role.description) == ("packers", "Pack.")
    assert not role.change({"name": "packers"})
    role.check_narrowing()
    role.check_deletable(0)
    with pytest.raises(FailedPrecondition) as refusal:
        role.check_deletable(3)
    assert (refusal.value.reason, refusal.value.facts["holders"]) == ("ROLE_HELD", 3)


@pytest.mark.parametrize("key", sorted(PERMISSIONS))
def test_what_a_method_asks_for_stays_as_it_is(key: str) -> None:
    built_in, own = Permission("c1", key, None, NOW, NOW), Permission("c2", "shelves.read", None, NOW, NOW)

    for refused in (
        lambda: check_permission_key(key),
        lambda: built_in.change({"key": "shelves.write"}, **NOBODY),
        lambda: built_in.change({"description": "ours"}, **NOBODY),
        lambda: own.change({"key": key}, **NOBODY),
        lambda: built_in.check_deletable(**NOBODY),
    ):
        with pytest.raises(FailedPrecondition, match="PERMISSION_BUILT_IN"):
            refused()


def test_a_permission_of_the_shops_own_changes_and_goes_when_nobody_holds_it() -> None:
    own = Permission("c1", "shelves.read", None, NOW, NOW)

    assert own.change({"key": "racks.read", "description": "Look."}, **NOBODY)
    assert (own.key, own.description, own.change({"key": "racks.read"}, **NOBODY)) == ("racks.read", "Look.", False)
    own.check_deletable(**NOBODY)
    for held in ({"roles": 1, "users": 0}, {"roles": 0, "users": 2}):
        for refused in (
            lambda held=held: own.check_deletable(**held),
            lambda held=held: own.change({"key": "shelves.read"}, **held),
        ):
            with pytest.raises(FailedPrecondition, match="PERMISSION_HELD"):
                refused()
        assert own.change({"description": f"Held by {held}."}, **held)

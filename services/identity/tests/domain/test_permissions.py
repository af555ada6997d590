"""What may be allowed, and what the roles to begin with are allowed."""

from lumi_common.rpc.access import read_policy
from lumi_envoy.contract import all_methods
from lumi_identity.domain.permissions import PERMISSIONS
from lumi_identity.domain.role import ADMIN, SEEDED_ROLES


def test_every_permission_that_a_method_of_any_service_asks_for_is_known_and_no_other() -> None:
    asked = {read_policy(method).permission for method in all_methods()} - {""}

    assert set(PERMISSIONS) == asked


def test_seeded_roles_hold_permissions_that_there_are_in_order() -> None:
    for role in SEEDED_ROLES:
        assert set(role.permissions) <= set(PERMISSIONS), role.name
        assert list(role.permissions) == sorted(set(role.permissions)), role.name


def test_a_customer_may_do_nothing_more_than_anybody_and_an_admin_everything() -> None:
    held = {role.name: role.permissions for role in SEEDED_ROLES}

    assert set(held) == {"customer", "support", "catalogue_manager", "finance", ADMIN}
    assert held["customer"] == ()
    assert set(held[ADMIN]) == set(PERMISSIONS)


def test_only_admins_decide_who_may_do_what() -> None:
    assert [role.name for role in SEEDED_ROLES if "roles.write" in role.permissions] == [ADMIN]

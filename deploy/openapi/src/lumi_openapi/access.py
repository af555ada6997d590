"""Who may call a method: in words, as `x-lumi-access`, and as OpenAPI's `security`."""

from __future__ import annotations

from lumi_envoy.contract import RoutedMethod
from lumi_openapi.bounds import Json

BEARER = "bearer"


def in_words(method: RoutedMethod) -> str:
    """A sentence or two."""
    policy = method.policy
    own = ", on what is their own" if policy.owner else ""
    if method.brings_proof:
        who = "Anybody; a token that comes along is not looked at."
    elif policy.public:
        who = "Anybody, with or without a token."
    elif policy.guest:
        who = f"Whoever has a token, a guest's or a user's{own}."
    elif policy.user:
        who = f"A signed-in user{own}."
    elif policy.owner:
        who = f"Whoever it belongs to, and staff with the permission `{policy.permission}`."
    else:
        who = f"Staff with the permission `{policy.permission}`."
    return f"{who} The second factor has to be fresh." if policy.step_up else who


def extension(method: RoutedMethod) -> Json:
    """The same for programs: `who` is `public`, `guest`, `user` or `permission`."""
    policy = method.policy
    who = next(word for word in ("public", "guest", "user", "permission") if getattr(policy, word))
    found: Json = {"who": who}
    if policy.permission:
        found["permission"] = policy.permission
    return found | {"owner": policy.owner, "stepUp": policy.step_up}


def security(method: RoutedMethod) -> list[Json]:
    """The ways in, each of which suffices; a permission that nothing replaces stands as the role it asks for."""
    policy = method.policy
    if policy.public:
        return [] if method.brings_proof else [{}, {BEARER: []}]
    return [{BEARER: [policy.permission] if policy.permission and not policy.owner else []}]

"""Staff and owners keep accounts, by JSON through the gateway."""

from typing import Any
from uuid import uuid4

import httpx

from tests.kit.door import PASSWORD, Door
from tests.kit.waiting import until


async def called(door: Door, verb: str, path: str, token: str, body: dict[str, Any] | None = None) -> httpx.Response:
    return await door.http.request(verb, path, json=body, headers={"authorization": f"Bearer {token}"})


async def signed_in(door: Door, email: str) -> httpx.Response:
    return await door.http.post("/v1/auth:signIn", json={"email": email, "password": PASSWORD})


async def test_an_account_is_named_found_suspended_and_reactivated(door: Door) -> None:
    admin = await door.http.post("/v1/auth:signIn", json=dict(door.admin))
    staff, email = admin.json()["tokens"]["accessToken"], f"{uuid4().hex}@example.com"
    await door.http.post("/v1/auth:signUp", json={"email": email, "password": PASSWORD})
    tokens = (await signed_in(door, email)).json()["tokens"]
    token = tokens["accessToken"]

    named = await called(
        door,
        "PATCH",
        "/v1/users/me",
        token,
        {
            "user": {"firstName": "Ada", "lastName": "King", "status": "USER_STATUS_SUSPENDED", "emailVerified": True},
            "updateMask": "firstName",
        },
    )
    assert named.status_code == 200, named.text
    ada = named.json()
    assert (ada["firstName"], ada["lastName"], ada["status"]) == ("Ada", "", "USER_STATUS_ACTIVE")
    assert not ada["emailVerified"]
    refused = await called(door, "PATCH", "/v1/users/me", token, {"user": {"email": email}, "updateMask": "email"})
    assert (refused.status_code, refused.json()["details"][0]["reason"]) == (400, "FIELD_MASK_INVALID")

    found = await called(door, "GET", f"/v1/users?emailPrefix={email[:20].upper()}&status=USER_STATUS_ACTIVE", staff)
    assert [user["id"] for user in found.json()["users"]] == [ada["id"]]
    assert (await called(door, "GET", "/v1/users", token)).status_code == 403

    request = {"etag": ada["etag"], "requestId": str(uuid4())}
    suspended = await called(door, "POST", f"/v1/users/{ada['id']}:suspend", staff, request)
    assert suspended.json()["status"] == "USER_STATUS_SUSPENDED"
    again = await called(door, "POST", f"/v1/users/{ada['id']}:suspend", staff, request)
    assert again.json() == suspended.json()

    async def kept_out() -> bool:
        return (await called(door, "GET", "/v1/orders", token)).status_code == 401

    await until(kept_out, "orders refuses the token", seconds=5)
    assert (await signed_in(door, email)).json()["details"][0]["reason"] == "USER_SUSPENDED"
    refreshed = await door.http.post("/v1/auth:refreshToken", json={"refreshToken": tokens["refreshToken"]})
    assert refreshed.status_code == 401

    back = await called(door, "POST", f"/v1/users/{ada['id']}:reactivate", staff, {})
    assert back.json()["status"] == "USER_STATUS_ACTIVE"
    token = (await signed_in(door, email)).json()["tokens"]["accessToken"]
    events = (await called(door, "GET", "/v1/securityEvents?pageSize=20", token)).json()["securityEvents"]
    told = {event["type"]: bool(event["ipAddress"]) for event in events}
    # What somebody did themselves shows from where, what staff did to them does not.
    expected = {"account_suspended": False, "sign_in_refused": True, "account_reactivated": False, "signed_in": True}
    assert {type: told[type] for type in expected} == expected
    assert events[0]["type"] == "signed_in"
    by_staff = await called(door, "GET", f"/v1/securityEvents?userId={ada['id']}&type=account_suspended", staff)
    [event] = by_staff.json()["securityEvents"]
    assert (event["payload"]["by"], bool(event["ipAddress"])) == (admin.json()["user"]["id"], True)


async def test_who_is_given_an_account_cannot_be_told_from_who_has_none(door: Door) -> None:
    admin = await door.http.post("/v1/auth:signIn", json=dict(door.admin))
    staff, email = admin.json()["tokens"]["accessToken"], f"{uuid4().hex}@example.com"

    made = await called(door, "POST", "/v1/users", staff, {"user": {"email": email, "phone": "+90 532 123 45 67"}})

    assert (made.status_code, made.json()["phone"]) == (200, "+905321234567"), made.text
    refused = [await signed_in(door, each) for each in (email, f"{uuid4().hex}@example.com")]
    assert [answer.status_code for answer in refused] == [401, 401]
    assert refused[0].json() == refused[1].json()
    taken = await called(door, "POST", "/v1/users", staff, {"user": {"email": email.upper()}})
    assert (taken.status_code, taken.json()["details"][0]["reason"]) == (409, "EMAIL_TAKEN")

"""The console's pages for administrators, and for who is signed out, over HTTP."""

import msgspec

from services.contracts.ids import secret_hash
from services.registry.directory import user_id
from tests.integration.gateway_http.with_registry.test_console import EMAIL, PASSWORD, look, signed_in
from tests.support.http_gateway import ADMIN, Gateway

PAGES = ("/users", "/users/new", "/users/root", "/audit")


async def test_only_administrators_see_users_and_the_audit(gateway: Gateway) -> None:
    cookie = await signed_in(gateway)
    for path in (*PAGES, "/users/nobody"):
        shown = await look(gateway, path, cookie)
        assert (shown.status, "You may not see this" in shown.text) == (403, True), path
        assert 'href="/audit"' not in shown.text
        assert (await look(gateway, path)).status == 303
    role = msgspec.json.encode({"role": "admin"})
    assert (await gateway.call("PATCH", f"/v1/users/{user_id(EMAIL)}", role, key=ADMIN)).status == 200
    for path in PAGES:
        shown = await look(gateway, path, cookie)
        assert (shown.status, 'href="/audit"' in shown.text) == (200, True), path
    assert (await look(gateway, "/users/nobody", cookie)).status == 404
    assert "root@example.org" in (await look(gateway, "/users?q=ROOT", cookie)).text
    assert "root@example.org" not in (await look(gateway, "/users?q=bob", cookie)).text
    assert secret_hash(ADMIN) not in (await look(gateway, "/users/root", cookie)).text


async def test_who_comes_to_sign_in_is_told_why_their_session_is_over(gateway: Gateway) -> None:
    cookie = await signed_in(gateway)
    assert 'id="why"' not in (await look(gateway, "/sign-in")).text
    user = user_id(EMAIL)
    assert (await gateway.call("POST", f"/v1/users/{user}/disable", key=ADMIN)).status == 200
    assert "Your account is disabled" in (await look(gateway, "/sign-in", cookie)).text
    assert (await gateway.call("POST", f"/v1/users/{user}/enable", key=ADMIN)).status == 200
    token = (await gateway.call("POST", f"/v1/users/{user}/password-reset", key=ADMIN)).json["token"]
    body = msgspec.json.encode({"token": token, "password": f"{PASSWORD}, again"})
    assert (await gateway.call("POST", "/v1/password-reset", body, key="")).status == 204
    assert "Your password was changed" in (await look(gateway, "/sign-in", cookie)).text
    assert "Your session is over" in (await look(gateway, "/sign-in", "ws_session=gone")).text

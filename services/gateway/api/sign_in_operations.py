"""The operations on sign-in sessions, passwords and sign-up; `operations` offers them."""

from services.gateway.api import account_examples as accounts
from services.gateway.api import sign_in_examples as examples
from services.gateway.api.account_operations import USERS_TAG
from services.gateway.api.operation import ANY_PROBLEMS, KEY_PROBLEMS, Answer, Header, Operation, Parameter, Tag

SIGN_IN_TAG = Tag("Signing in", "Sessions of people who use the web pages, and passwords.")

_STRING = {"type": "string"}
_BODY = {
    "invalid_request": "The body is no JSON in UTF-8.",
    "payload_too_large": "The body is too large.",
    "input_invalid": "The body does not fit; `errors` says where.",
}
_OPEN_PROBLEMS = {
    **ANY_PROBLEMS,
    **_BODY,
    "forbidden": "A page of another host has sent this.",
    "quota_exceeded": "This address has called the gateway too often without a key that is good.",
}
_SESSION_PROBLEMS = {
    **KEY_PROBLEMS,
    "forbidden": "This was called with a key; or X-CSRF-Token is not the session's; or a page of another host sent this.",
}
_LOCKED_OUT = {
    "locked_out": "Ten wrong passwords came for this address within 15 minutes; Retry-After says when it is open."
}
_COOKIE = Header(
    "Set-Cookie",
    "The session's cookie, which no script can read.",
    _STRING,
    "ws_session=…; Path=/; HttpOnly; SameSite=Lax; Max-Age=1209600; Secure",
)
_USER_ID = Parameter("id", "path", "The user's id.", _STRING, accounts.USER_ID)

SIGN_IN = Operation(
    id="sign_in",
    callers="none",
    method="POST",
    path="/v1/session",
    tag=SIGN_IN_TAG,
    summary="Sign in",
    description="The session may do all that its user may, for 14 days, at every gateway. Unknown addresses are answered "
    "as wrong passwords are.",
    body=examples.SESSION_BODY,
    answers={201: Answer("Signed in.", examples.SESSION, (_COOKIE,))},
    problems={
        **_OPEN_PROBLEMS,
        "unauthenticated": "The e-mail address or the password is wrong, or the user is disabled.",
        **_LOCKED_OUT,
    },
)
SESSION = Operation(
    id="session",
    callers="session",
    method="GET",
    path="/v1/session",
    tag=SIGN_IN_TAG,
    summary="Who is signed in?",
    description="With the token that everything but GET and HEAD needs.",
    answers={200: Answer("The session.", examples.SESSION)},
    problems={**_SESSION_PROBLEMS, "forbidden": "This was called with a key."},
)
SIGN_OUT = Operation(
    id="sign_out",
    callers="session",
    method="DELETE",
    path="/v1/session",
    tag=SIGN_IN_TAG,
    summary="Sign out",
    description="Within a second the session is worth nothing at every gateway, and its streams have ended.",
    answers={204: Answer("Signed out.", headers=(_COOKIE,))},
    problems=_SESSION_PROBLEMS,
)
CHANGE_PASSWORD = Operation(
    id="change_password",
    scopes=("manage",),
    whole=True,
    method="POST",
    path="/v1/users/me/password",
    tag=SIGN_IN_TAG,
    summary="Change one's own password",
    description="All other sessions of the user end, at every gateway within a second; this one goes on, and so do keys.",
    body=examples.PASSWORD_BODY,
    answers={204: Answer("Changed.")},
    problems={
        **KEY_PROBLEMS,
        **_BODY,
        "forbidden": "The current password is wrong; or the key is an agent's, lacks a scope, or is limited to spaces.",
        "not_found": "The user is not known any more.",
        "exists": "The password was changed at the same time.",
        **_LOCKED_OUT,
    },
)
MAKE_PASSWORD_RESET = Operation(
    id="make_password_reset",
    scopes=("manage",),
    role="admin",
    whole=True,
    method="POST",
    path="/v1/users/{id}/password-reset",
    tag=SIGN_IN_TAG,
    summary="Make a link with which a user sets a new password",
    description="Good once, for 24 hours; a newer one, or a change of the password, makes it worthless. Until it is used "
    "everything stays as it is.",
    parameters=(_USER_ID,),
    answers={201: Answer("Give `url` to the user, and to nobody else.", examples.PASSWORD_RESET)},
    problems={
        **KEY_PROBLEMS,
        "forbidden": "The key is an agent's, or lacks a scope, or is limited to spaces, or is no administrator's.",
        "not_found": "There is no such user.",
    },
)
RESET_PASSWORD = Operation(
    id="reset_password",
    callers="none",
    method="POST",
    path="/v1/password-reset",
    tag=SIGN_IN_TAG,
    summary="Set a new password with the token of a link",
    description="All sessions of the user end, and a lock-out of the address does.",
    body=examples.RESET_BODY,
    answers={204: Answer("Sign in with the new password.")},
    problems={**_OPEN_PROBLEMS, "not_found": "The token is none, or was used, or is too old, or there is a newer one."},
)
SIGN_UP = Operation(
    id="sign_up",
    callers="none",
    method="POST",
    path="/v1/users/sign-up",
    tag=USERS_TAG,
    summary="Make oneself a member",
    description="Then sign in. Where the setting WS_SIGN_UP is `closed` only administrators make users.",
    body=examples.SIGN_UP_BODY,
    answers={201: Answer("The user.", accounts.USER)},
    problems={
        **_OPEN_PROBLEMS,
        "forbidden": "Sign-up is closed here; or a page of another host has sent this.",
        "exists": "There is a user with this address.",
    },
)
SIGN_IN_OPERATIONS = (SIGN_IN, SESSION, SIGN_OUT, CHANGE_PASSWORD, MAKE_PASSWORD_RESET, RESET_PASSWORD, SIGN_UP)

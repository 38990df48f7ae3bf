"""The operations on keys and users; `operations` offers them."""

from services.gateway.api import account_examples as examples
from services.gateway.api.operation import KEY_PROBLEMS, Answer, Operation, Parameter, Tag

_STRING = {"type": "string"}
_KEY_ID = Parameter("id", "path", "The key's id.", _STRING, examples.KEY_ID)
_USER_ID = Parameter("id", "path", "The user's id.", _STRING, examples.USER_ID)
_WHOSE = Parameter(
    "user", "query", "For administrators: the id of the user whose keys are wanted; empty: everybody's.", _STRING, ""
)

KEYS_TAG = Tag("Keys", "What programs and agents show to be let in.")
USERS_TAG = Tag("Users", "Whose keys, spaces and requests they are.")

_BODY = {
    "invalid_request": "The body is no JSON in UTF-8.",
    "payload_too_large": "The body is too large.",
    "input_invalid": "The body does not fit; `errors` says where.",
}
_USER_PROBLEMS = {
    **KEY_PROBLEMS,
    "forbidden": "The key is an agent's, or lacks a scope, or is limited to spaces, or is no administrator's.",
}

KEYS = Operation(
    id="keys",
    scopes=("manage",),
    method="GET",
    path="/v1/keys",
    tag=KEYS_TAG,
    summary="List the keys that are not revoked",
    description="The caller's own; for administrators also others'. A key for some spaces shows only keys for these.",
    parameters=(_WHOSE,),
    answers={200: Answer("The keys, the oldest first.", examples.KEYS)},
    problems={**KEY_PROBLEMS, "forbidden": "The key is an agent's, or lacks a scope, or `user` is another."},
)
MY_KEY = Operation(
    id="my_key",
    method="GET",
    path="/v1/keys/me",
    tag=KEYS_TAG,
    summary="What is this key, and what is it for?",
    description="The key that is shown. In a sign-in session it is one with the id `session` that may all that its user "
    "may, until the session ends.",
    answers={200: Answer("The key.", examples.KEY)},
    problems={**KEY_PROBLEMS, "forbidden": "The key is an agent's."},
)
CREATE_KEY = Operation(
    id="create_key",
    scopes=("manage",),
    method="POST",
    path="/v1/keys",
    tag=KEYS_TAG,
    summary="Make a key",
    description="Its secret is in this answer and nowhere else. It can do no more than the key that makes it: no other "
    "scopes, no other spaces, no longer, no more at once. One with `origins` may stand in web pages, and is good for "
    "pages of these alone, which see what comes of their submissions.",
    body=examples.KEY_BODY,
    answers={201: Answer("The key. It is good at this gateway at once, at others within a second.", examples.MADE_KEY)},
    problems={
        **KEY_PROBLEMS,
        **_BODY,
        "forbidden": "The key is an agent's, or lacks a scope, or the new one could do more than it, or is another's.",
        "exists": "Another key has this secret.",
    },
)
REVOKE_KEY = Operation(
    id="revoke_key",
    scopes=("manage",),
    method="DELETE",
    path="/v1/keys/{id}",
    tag=KEYS_TAG,
    summary="Revoke a key, for good",
    description="Within a second every gateway refuses it, ends the streams opened with it and closes its agents' "
    "connections. What was accepted goes on.",
    parameters=(_KEY_ID,),
    answers={204: Answer("It is worth nothing any more.")},
    problems={**KEY_PROBLEMS, "not_found": "There is no such key, or it is not the caller's, or was revoked before."},
)
USERS = Operation(
    id="users",
    scopes=("manage",),
    role="admin",
    whole=True,
    method="GET",
    path="/v1/users",
    tag=USERS_TAG,
    summary="List all users",
    description="By e-mail address.",
    answers={200: Answer("The users.", examples.USERS)},
    problems=_USER_PROBLEMS,
)
CREATE_USER = Operation(
    id="create_user",
    scopes=("manage",),
    role="admin",
    whole=True,
    method="POST",
    path="/v1/users",
    tag=USERS_TAG,
    summary="Make a user",
    description="Its id is made from the e-mail address. Make it a key with `POST /v1/keys`. The same body again is the "
    "same user.",
    body=examples.USER_BODY,
    answers={201: Answer("The user.", examples.USER)},
    problems={**_USER_PROBLEMS, **_BODY, "exists": "There is another user with this address."},
)
ME = Operation(
    id="me",
    method="GET",
    path="/v1/users/me",
    tag=USERS_TAG,
    summary="Whose key is this?",
    description="The user of the key that is shown.",
    answers={200: Answer("The user.", examples.USER)},
    problems={**KEY_PROBLEMS, "forbidden": "The key is an agent's."},
)
SET_ROLE = Operation(
    id="set_role",
    scopes=("manage",),
    role="admin",
    whole=True,
    method="PATCH",
    path="/v1/users/{id}",
    tag=USERS_TAG,
    summary="Give a user another role",
    description="Within a second, at every gateway: keys and sessions that there are may then what the new role may, within "
    "their scopes and spaces. Streams that the user has open end; whoever comes again reads on, if they still may. Nobody "
    "changes their own role, and the last administrator who is enabled stays one.",
    parameters=(_USER_ID,),
    body=examples.ROLE_BODY,
    answers={200: Answer("The user.", examples.ADMIN)},
    problems={
        **_USER_PROBLEMS,
        **_BODY,
        "forbidden": "The key is an agent's, or lacks a scope, or is limited to spaces, or is no administrator's; or the "
        "user is the caller, or the last administrator.",
        "not_found": "There is no such user.",
    },
)
DISABLE_USER = Operation(
    id="disable_user",
    scopes=("manage",),
    role="admin",
    whole=True,
    method="POST",
    path="/v1/users/{id}/disable",
    tag=USERS_TAG,
    summary="Disable a user: all of their keys are refused",
    description="As if they were revoked, until the user is enabled again. What was accepted goes on. To disable a disabled "
    "user changes nothing; nobody disables themselves.",
    parameters=(_USER_ID,),
    answers={200: Answer("The user.", examples.DISABLED)},
    problems={**_USER_PROBLEMS, "not_found": "There is no such user."},
)
ENABLE_USER = Operation(
    id="enable_user",
    scopes=("manage",),
    role="admin",
    whole=True,
    method="POST",
    path="/v1/users/{id}/enable",
    tag=USERS_TAG,
    summary="Enable a user that is disabled",
    description="Their keys are good again, except those that expired or were revoked meanwhile.",
    parameters=(_USER_ID,),
    answers={200: Answer("The user.", examples.USER)},
    problems={**_USER_PROBLEMS, "not_found": "There is no such user."},
)
ACCOUNT_OPERATIONS = (KEYS, MY_KEY, CREATE_KEY, REVOKE_KEY, USERS, CREATE_USER, ME, SET_ROLE, DISABLE_USER, ENABLE_USER)

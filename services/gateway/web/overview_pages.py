"""The overview: how the whole does."""

import contextlib

from fastapi import APIRouter
from starlette.requests import Request

from services.gateway.auth import Caller, seen_by
from services.gateway.problems import ApiProblem
from services.gateway.rules import Finding
from services.gateway.series import DEFAULT_SERIES_WINDOW, SERIES_WINDOWS
from services.gateway.watching import Watching
from services.gateway.web.console import Console, Page
from services.gateway.web.overview_views import (
    EVERY_S,
    ChartsPart,
    ChartsView,
    OverviewView,
    StatePart,
    StateView,
    charts_view,
    state_view,
    windows,
)
from services.runtime.directory import DirectoryFollower
from services.runtime.errors import NatsUnavailable


def router(console: Console, follower: DirectoryFollower, watching: Watching) -> APIRouter:
    """The route of this page. `part` asks for what has turned: state or charts."""

    async def shown(request: Request, caller: Caller) -> Page:
        asked = request.query_params
        window, space = asked.get("window", ""), asked.get("space", "")
        window = window if window in SERIES_WINDOWS else DEFAULT_SERIES_WINDOW
        part = asked.get("part")
        if part == "state":
            return Page("overview_state.html", StatePart(await state(caller)))
        charts = await drawn(caller, space, window)
        if part == "charts":
            return Page("overview_charts.html", ChartsPart(charts))
        view = OverviewView(
            window=window,
            windows=windows(window, space),
            space=space,
            spaces=tuple(each.space for each in seen_by(follower, caller)),
            every_s=EVERY_S[window],
            whole=caller.user.role == "admin",
            state=await state(caller),
            charts=charts,
        )
        return Page("overview.html", view)

    async def state(caller: Caller) -> StateView:
        platform = await watching.platform() if watching.administers(caller) else None
        found: list[Finding] | None = None
        with contextlib.suppress(NatsUnavailable):
            found = await watching.findings(caller, platform)
        return state_view(found, platform)

    async def drawn(caller: Caller, space: str, window: str) -> ChartsView | None:
        try:
            return charts_view(await watching.series(caller, space or None, SERIES_WINDOWS[window]))
        except NatsUnavailable:
            return None
        except ApiProblem as problem:
            if problem.code != "unavailable":
                raise
            return None

    routes = APIRouter()
    console.add(routes, "/overview", shown)
    return routes

"""A real Prometheus reads a real stack by the configuration that we ship."""

import functools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.dashboard import expressions
from tests.support.metrics import targets
from tests.support.prometheus import Prometheus, prometheus
from tests.support.stack import Stack, fresh_home


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with fresh_home() as home, Stack(home) as stack:
        yield stack


@pytest.fixture(scope="module")
def watching(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with prometheus(stack.home, tmp_path_factory.mktemp("prometheus")) as running:
        yield running


def test_it_scrapes_every_process_of_the_stack(stack: Stack, watching: Prometheus) -> None:
    names = set(targets(stack))
    assert names == {"gateway-1", "registry-1", "dispatcher-1", "history-1", "agent-1"}

    def all_are_up() -> bool:
        active: list[dict[str, Any]] = watching.get("targets", state="active")["activeTargets"]
        return {each["labels"]["process"] for each in active if each["health"] == "up"} == names

    watching.until(all_are_up, "all targets are up")


def test_on_a_stack_that_is_well_no_alert_is_even_pending(stack: Stack, watching: Prometheus) -> None:
    for n in range(3):
        assert stack.submit({"n": n})["status"] == "succeeded"

    def rules() -> list[dict[str, Any]]:
        return [rule for group in watching.get("rules")["groups"] for rule in group["rules"]]

    def requests_are_counted() -> bool:
        return watching.query('sum(ws_requests_ended_total{status="succeeded"}) >= 3') != []

    def all_is_well() -> bool:
        return not watching.query("ALERTS") and all(rule["health"] == "ok" for rule in rules())

    watching.until(requests_are_counted, "history has counted the requests")
    watching.until(all_is_well, "no alert is pending")
    assert len([rule for rule in rules() if rule["type"] == "alerting"]) > 30


def test_it_answers_every_question_of_the_dashboard(watching: Prometheus) -> None:
    # Only what has never happened here has no answer: failures, refused and late ones, questions without an answer, limits.
    never = ("failed_total", "refused_frames", "unanswered", "status=~", "retries", "tail_pending", "closed_total")
    asked = [expression for expression in expressions() if not any(word in expression for word in never)]
    for expression in asked:  # a rate has none before the second sample of its process
        watching.until(functools.partial(watching.query, expression), f"an answer to {expression}")
    assert len(asked) > 30


def test_requests_that_nobody_serves_are_told(stack: Stack, watching: Prometheus) -> None:
    with stack.calls() as http:
        made = http.post("/v1/spaces", json={"id": "lonely"})
        assert made.is_success, made.text
        rid = stack.submit({}, space="lonely", wait=0)["id"]
        pending = 'ALERTS{alertname="SpacesNoAgents",alertstate="pending"}'
        watching.until(lambda: watching.query(pending), "the alert is pending")
        assert http.post(f"/v1/requests/{rid}/cancel").is_success
        watching.until(lambda: not watching.query(pending), "it is over")

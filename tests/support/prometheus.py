"""A real Prometheus on a free port of this machine, with the rules and the scrape that we ship."""

import contextlib
import json
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.support.metrics import rules_file
from tests.support.own_ports import own_port
from tests.support.tools import tool

DEADLINE_S = 60.0
QUICKLY = "1s"


class Prometheus:
    """One that runs."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its API. Fails when it is an error."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self._url}/api/v1/{path}?{query}", timeout=10) as answer:
            said = json.load(answer)
        assert said["status"] == "success", said
        return said["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an expression now."""
        found: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return found

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """The first true value of the condition. Fails after the deadline."""
        end = time.monotonic() + DEADLINE_S
        while True:
            value = None
            with contextlib.suppress(OSError):  # it is starting
                value = condition()
            if value:
                return value
            assert time.monotonic() < end, f"{what}: not within {DEADLINE_S:g} s"
            time.sleep(0.2)


@contextlib.contextmanager
def prometheus(home: Path, directory: Path) -> Iterator[Prometheus]:
    """Scrape the stack at this home as our example does, only more often; it is ended with the block."""
    config = yaml.safe_load((rules_file().parent / "prometheus.yaml").read_text())
    assert config["scrape_configs"][0]["file_sd_configs"] == [{"files": ["../../.spaces/prometheus.json"]}]
    config["scrape_configs"][0]["file_sd_configs"] = [{"files": [str(home / "prometheus.json")]}]
    config["rule_files"] = [str(rules_file().parent / name) for name in config["rule_files"]]
    config["global"] = dict.fromkeys(config["global"], QUICKLY)
    (directory / "prometheus.yaml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{own_port()}"
    command = [
        tool("prometheus", "observability"),
        f"--config.file={directory / 'prometheus.yaml'}",
        f"--web.listen-address={address}",
    ]
    command += [f"--storage.tsdb.path={directory / 'data'}", "--storage.tsdb.retention.size=64MB", "--log.level=warn"]
    with (directory / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        yield Prometheus(f"http://{address}")
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        print((directory / "prometheus.log").read_text()[-3000:])

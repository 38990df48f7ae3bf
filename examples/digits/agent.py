"""An agent that reads handwritten digits.

    python -m examples.digits.agent --url http://127.0.0.1:5001 --space demo    (the key: WS_AGENT_KEY or --key-file)

It takes `{"pixels": [64 numbers 0..16]}` or `{"image": "data:image/png;base64,…"}` and answers
`{"digit": 3, "confidence": 0.98}`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from examples.digits import model, picture
from spaces_agent import Agent, ConfigError


@click.command()
@click.option("--url", "urls", multiple=True, required=True, metavar="URL", help="A gateway; repeat it for several.")
@click.option("--key", envvar="WS_AGENT_KEY", show_envvar=True, metavar="KEY", help="The agent's key (wsa_…).")
@click.option("--key-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file that holds the key.")
@click.option("--space", default="demo", show_default=True, metavar="SPACE", help="The space to serve.")
@click.option("--slots", type=click.IntRange(1, 64), default=4, show_default=True, help="Requests to run at a time.")
@click.option("--state-dir", type=click.Path(file_okay=False, path_type=Path), help="Where identity and results are kept.")
def main(
    urls: tuple[str, ...], key: str | None, key_file: Path | None, space: str, slots: int, state_dir: Path | None
) -> None:
    """Serve a classifier of handwritten digits until Ctrl-C."""
    started = time.monotonic()
    classifier = model.train()
    right = model.accuracy(classifier, model.held_out())
    click.echo(f"digits: trained in {time.monotonic() - started:.1f} s, {right:.1%} of held-out digits right", err=True)
    try:
        secret = key_file.read_text(encoding="utf-8") if key_file else key or ""
        agent = Agent(urls, secret, [space], slots, state_dir=state_dir)
    except (ConfigError, UnicodeDecodeError) as error:
        print(f"digits: {error}", file=sys.stderr)
        raise SystemExit(2) from None

    @agent.handler
    def read_digit(value: Any) -> dict[str, Any]:
        digit, confidence = classifier.classify(picture.pixels_of(value))
        return {"digit": digit, "confidence": round(confidence, 4)}

    agent.run()


if __name__ == "__main__":
    main()

"""The command `spaces-agent`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from click.core import ParameterSource

from spaces_agent import engines
from spaces_agent.agent import Agent
from spaces_agent.errors import ConfigError
from spaces_agent.version import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="spaces-agent")
def main() -> None:
    """Serve inference requests from this machine.

    An agent dials out to a gateway of WebSocket Spaces, so that this machine needs no public address and no open port.
    It takes requests of the spaces that its key allows, runs them, and sends the results back."""


@main.command()
@click.option(
    "--url", "urls", multiple=True, required=True, metavar="URL",
    help="A gateway, like https://spaces.example.com. Repeat it for several: any that answers will do.",
)  # fmt: skip
@click.option(
    "--key-file", envvar="WS_AGENT_KEY_FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    show_envvar=True, help="A file that holds the agent's key (wsa_…).",
)  # fmt: skip
@click.option(
    "--key", envvar="WS_AGENT_KEY", metavar="KEY", show_envvar=True,
    help="The key itself. Others on this machine can see arguments: prefer --key-file, or the variable.",
)  # fmt: skip
@click.option(
    "--space", "spaces", multiple=True, required=True, metavar="SPACE", help="A space to serve. Repeat it for several."
)
@click.option(
    "--slots", type=click.IntRange(1, 1024), default=1, show_default=True, metavar="N",
    help="How many requests to run at a time.",
)  # fmt: skip
@click.option(
    "--engine", required=True, metavar="ENGINE",
    help="What runs a request: `echo` returns its input; `python:module:function` calls your function with the input"
    " and returns what it returns. The module may lie in the working directory.",
)  # fmt: skip
@click.option(
    "--setup", metavar="MODULE:FUNCTION",
    help="A function of yours to call once before any request is taken, to load a model for example. Requests wait"
    " meanwhile and are told why.",
)  # fmt: skip
@click.option(
    "--isolate", is_flag=True,
    help="Run requests in processes of their own, one for each slot: one that crashes, or does not end when it is"
    " canceled, takes nothing with it. Each process calls the setup function.",
)  # fmt: skip
@click.option(
    "--drain-s", type=click.FloatRange(min=0), default=30.0, show_default=True, metavar="SECONDS",
    help="How long what runs may take to finish when the agent is told to end. What has not finished then is given to"
    " another agent.",
)  # fmt: skip
@click.option(
    "--name", metavar="NAME",
    help="The identity of this agent. Without it a random one is made and kept in the state directory.",
)  # fmt: skip
@click.option(
    "--state-dir", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Where identity and unsent results are kept [default: $XDG_STATE_HOME/spaces-agent or"
    " ~/.local/state/spaces-agent].",
)  # fmt: skip
@click.option(
    "--metrics-port", type=click.IntRange(1, 65535), envvar="WS_AGENT_METRICS_PORT", show_envvar=True, metavar="PORT",
    help="Show Prometheus how this agent is, at /metrics on this port [default: nowhere].",
)  # fmt: skip
@click.option(
    "--metrics-host", envvar="WS_AGENT_METRICS_HOST", show_envvar=True, default="127.0.0.1", show_default=True,
    metavar="ADDR", help="The address to listen on for that; anybody who reaches it can read it.",
)  # fmt: skip
def run(
    urls: tuple[str, ...],
    key: str | None,
    key_file: Path | None,
    spaces: tuple[str, ...],
    slots: int,
    engine: str,
    setup: str | None,
    isolate: bool,
    drain_s: float,
    name: str | None,
    state_dir: Path | None,
    metrics_port: int | None,
    metrics_host: str,
) -> None:
    """Serve until Ctrl-C or SIGTERM.

    It connects again for as long as it takes, whatever happens to the network. Told to end, it takes no more work and
    gives what runs --drain-s seconds to finish (a service manager must wait longer than that before it kills); told
    twice, it ends at once. It ends with status 2 when it was set up wrongly, its key is not valid, or another process has
    connected under its name.

    \b
    Try it:
      export WS_AGENT_KEY=wsa_…
      spaces-agent run --url http://127.0.0.1:5001 --space demo --engine echo
    With your own function, answer(input) in model.py:
      spaces-agent run --url https://spaces.example.com --key-file agent.key \\
        --space demo --slots 4 --engine python:model:answer"""
    try:
        agent = Agent(
            urls, _key(key, key_file), spaces, slots, name, state_dir, drain_s, isolate, metrics_port or 0, metrics_host
        )
        agent.handler(engines.named(engine))
        if setup is not None:
            agent.setup(setup)
    except ConfigError as error:
        print(f"spaces-agent: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    agent.run()


def _key(key: str | None, key_file: Path | None) -> str:
    if key is not None and key_file is not None:
        asked = [name for name in ("key", "key_file") if _is_option(name)]
        if len(asked) != 1:
            raise ConfigError(
                "the agent's key is given twice: keep one of --key-file (WS_AGENT_KEY_FILE) and --key (WS_AGENT_KEY)"
            )
        key_file = key_file if asked == ["key_file"] else None
    if key_file is not None:
        return _text_of(key_file)
    if key is None:
        raise ConfigError("give the agent's key: by --key-file, or the variable WS_AGENT_KEY_FILE or WS_AGENT_KEY")
    return key


def _is_option(name: str) -> bool:
    """Whether a parameter stood on the command line, and not only in the environment."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"the key file {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:  # neither is the cause told: it quotes the content
        raise ConfigError(f"the key file {file} is no text in UTF-8") from None


if __name__ == "__main__":
    main()

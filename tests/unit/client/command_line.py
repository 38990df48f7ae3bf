"""The command `spaces`, run in this process for a unit test."""

from click.testing import CliRunner, Result

from services.cli import main
from tests.unit.client.scripted_server import ScriptedServer

KEY = "wsk_very_secret"


def spaces(*arguments: str, stdin: str = "", **variables: str) -> Result:
    """Run a command with these of the variables that say where to connect, and none of the machine's."""
    environment = {
        **dict.fromkeys(("WS_URL", "WS_API_KEY", "WS_API_KEY_FILE", "WS_HOME")),
        "XDG_CONFIG_HOME": "/nowhere",
        **variables,
    }
    result = CliRunner().invoke(main, arguments, input=stdin, env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert KEY not in result.stdout + result.stderr
    return result


def at(server: ScriptedServer, *arguments: str, stdin: str = "") -> Result:
    """Run a command on the server."""
    return spaces(*arguments, stdin=stdin, WS_URL=server.url, WS_API_KEY=KEY)

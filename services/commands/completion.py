"""`spaces completion`."""

import click

_VARIABLE = "_SPACES_COMPLETE"
_PROGRAM = "spaces"


@click.command(short_help="Let the shell complete commands and options.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Write the script that lets SHELL complete the commands and options of `spaces` when you press Tab.

    \b
    Once for all sessions to come:
      bash  spaces completion bash > ~/.local/share/bash-completion/completions/spaces
      zsh   echo 'eval "$(spaces completion zsh)"' >> ~/.zshrc
      fish  spaces completion fish > ~/.config/fish/completions/spaces.fish

    It needs bash 4.4 or newer."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None, "click has these three"
    root = context.find_root().command
    click.echo(kind(root, {}, _PROGRAM, _VARIABLE).source())

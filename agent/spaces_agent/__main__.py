"""`python -m spaces_agent`: the command `spaces-agent`."""

from spaces_agent.cli import main

main(prog_name="spaces-agent")

"""The version that an agent tells its gateway; read from the installed distribution."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("spaces-agent")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0"

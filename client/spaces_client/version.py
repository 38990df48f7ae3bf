"""The version that a client tells the gateway; read from the installed distribution."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("spaces-client")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0"

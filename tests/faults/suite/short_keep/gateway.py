"""The gateway, with a short `stream_keep`."""

from services.gateway.main import start
from tests.faults.suite.short_keep.keeping import run_keeping

if __name__ == "__main__":
    run_keeping("gateway", start)

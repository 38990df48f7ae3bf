"""The history, with a short `stream_keep`."""

from services.history.main import start
from tests.faults.suite.short_keep.keeping import run_keeping

if __name__ == "__main__":
    run_keeping("history", start)

"""Asking a process how it is."""

import urllib.error
import urllib.request


def fetched(url: str) -> tuple[int, str]:
    """Status and body; 0 when nobody listens yet."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except (urllib.error.URLError, ConnectionError):
        return 0, ""

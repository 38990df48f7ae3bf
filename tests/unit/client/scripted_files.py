"""Steps of a scripted server that plays a gateway with files."""

import hashlib
from typing import Any

from tests.unit.client.scripted_server import Exchange, Step, answer

ID = "7ba684f146c94457.01a2044a439c7146874bdc2036ab0957"
PATH = f"/v1/files/{ID.replace('.', '%2E')}"
CONTENT = bytes(range(256)) * 16 * 1024
"""4 MiB: too much for one piece."""


def file(content: bytes = CONTENT, **changes: Any) -> dict[str, Any]:
    """A file object as the gateway sends it."""
    at = "2026-01-01T10:00:00.000000Z"
    return {
        "id": ID, "kind": "upload", "space": "demo", "user": "7ba684f146c94457", "name": "clip.mp4",
        "media_type": "video/mp4", "size": len(content), "received": len(content), "done": True, "created_at": at,
        "expires_at": at, "sha256": hashlib.sha256(content).hexdigest(),
        "urls": {"self": f"/v1/files/{ID}", "content": f"/v1/files/{ID}/content?token=t"}, **changes,
    }  # fmt: skip


def begun(content: bytes = CONTENT) -> Step:
    """The answer to who begins an upload."""
    return answer(file(content, done=False, sha256=None, received=0), 201)


def has(count: int, status: int = 204) -> Step:
    """So many bytes of an upload have come."""
    length = "" if status == 204 else "Content-Length: 0\r\n"
    return lambda exchange: exchange.send(
        f"HTTP/1.1 {status} Scripted\r\n{length}Upload-Offset: {count}\r\nConnection: close\r\n\r\n"
    )


def sends(content: bytes, start: int = 0, upto: int | None = None, status: int | None = None) -> Step:
    """The bytes from `start` on; cut off at `upto`, if that is given."""
    part = content[start:]

    def serve(exchange: Exchange) -> None:
        said = status or (206 if start else 200)
        head = f"HTTP/1.1 {said} Scripted\r\nContent-Length: {len(part)}\r\nConnection: close\r\n"
        if said == 206:
            head += f"Content-Range: bytes {start}-{len(content) - 1}/{len(content)}\r\n"
        exchange.send(f"{head}\r\n")
        exchange.send(content[start:upto])
        if upto is not None:
            exchange.cut()

    return serve

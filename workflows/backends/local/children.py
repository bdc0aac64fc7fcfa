"""The engine as its steps see it: a unix socket, one JSON object a line, each question with one answer.

{"do": "create", "manifest": {...}}  {"do": "list", "run": "..."}  {"do": "stop", "name": "..."}
{"do": "phase", "name": "..."}
answers: {"ok": ...} or {"error": <class of steps/domain/errors.py>, "what": ..., "where": ..., "hint": ...}
"""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any, Protocol

from steps.domain.errors import HerasphereError

LONGEST_LINE = 64 << 20  # a manifest may carry a whole host table


class Host(Protocol):
    """What the engine can be asked for."""

    def create(self, manifest: dict[str, Any]) -> object: ...
    def list(self, run: str) -> list[dict[str, Any]]: ...
    def phase(self, name: str) -> str | None: ...
    def stop(self, name: str) -> None: ...


async def serve(host: Host, path: Path) -> asyncio.Server:
    """Answer on this socket until the server is closed."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ValueError):  # a step that died in mid-sentence
            while line := await reader.readline():
                writer.write(json.dumps(answer(host, line)).encode() + b"\n")
                await writer.drain()
        writer.close()

    return await asyncio.start_unix_server(converse, path, limit=LONGEST_LINE)


def answer(host: Host, line: bytes) -> dict[str, Any]:
    """The answer to one line."""
    try:
        question = json.loads(line)
        return {"ok": _do(host, question)}
    except HerasphereError as error:
        return {"error": type(error).__name__, "what": error.what, "where": error.where, "hint": error.hint}
    except (ValueError, KeyError, TypeError) as error:
        return {"error": "Unsupported", "what": f"not understood: {error!r}", "where": "local engine", "hint": __name__}


def _do(host: Host, question: dict[str, Any]) -> Any:
    match question["do"]:
        case "create":
            host.create(question["manifest"])
            return None
        case "list":
            return host.list(question["run"])
        case "phase":
            return host.phase(question["name"])
        case "stop":
            host.stop(question["name"])
            return None
        case other:
            raise ValueError(f"do {other!r}")

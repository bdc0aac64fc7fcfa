"""A file from a URL, for the desk to hand on: what the cluster cannot reach by itself."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests

from steps.domain.errors import HerasphereError, NotFound, Unavailable
from steps.domain.media import check_iso_name

CONNECT_S, READ_S = 10.0, 60.0
AT_ONCE = 1 << 20


def name_in(url: str) -> str:
    """The file name at the end of a URL; Unsupported if an ISO of this name could not be served."""
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    check_iso_name(name, where=url)
    return name


@contextmanager
def downloaded(url: str, folder: Path) -> Iterator[Path]:
    """The file at this URL, whole, below this folder for as long as the context lasts."""
    name = name_in(url)
    with tempfile.TemporaryDirectory(dir=folder, prefix="download-") as place:
        path = Path(place) / name
        _fetch(url, path)
        yield path


def _fetch(url: str, path: Path) -> None:
    where = urlsplit(url)._replace(query="", fragment="").geturl()  # a query may hold a key
    hint = "check the URL in a browser; or download it yourself and name the file"
    try:
        with requests.get(url, stream=True, timeout=(CONNECT_S, READ_S)) as answer, path.open("wb") as file:
            if answer.status_code >= 400:
                raise _refused(answer.status_code, answer.reason, where, hint)
            for chunk in answer.iter_content(AT_ONCE):
                file.write(chunk)
    except requests.RequestException as error:
        raise Unavailable(f"cannot be downloaded ({type(error).__name__})", where=where, hint=hint) from error
    said = answer.headers.get("Content-Length")
    if said and "Content-Encoding" not in answer.headers and int(said) != path.stat().st_size:
        raise Unavailable(f"ended after {path.stat().st_size} of {said} bytes", where=where, hint="try again")


def _refused(status: int, reason: str, where: str, hint: str) -> HerasphereError:
    kind = NotFound if status in (404, 410) else Unavailable
    return kind(f"the server answers {status} {reason}", where=where, hint=hint)

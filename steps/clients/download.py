"""A large file from the web as a stream, which goes on where it broke off."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from steps.domain.errors import HerasphereError, NotFound, Unavailable, Unsupported, VerifyFailed
from steps.domain.wait import SYSTEM_CLOCK, Clock

CONNECT_S, IDLE_S = 15.0, 60.0
CHUNK_BYTES = 1 << 20
MOST_BREAKS = 20  # without a chunk in between: 5
BREAKS_IN_A_ROW = 5
PAUSE_S = 2.0
SAME = ("Content-Length", "ETag", "Last-Modified")  # what a file that has changed does not keep
NO_URL = (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema, requests.exceptions.InvalidSchema)


@dataclass
class Download:
    """A file that has begun to come. Made by `opened`."""

    url: str
    size_bytes: int
    _session: requests.Session
    _answer: Any
    _clock: Clock

    def chunks(self) -> Iterator[bytes]:
        """The whole of it, once. Unavailable if it breaks off again and again, VerifyFailed if it changes meanwhile."""
        done, breaks, in_a_row = 0, 0, 0
        while True:
            try:
                for chunk in self._answer.iter_content(CHUNK_BYTES):
                    done += len(chunk)
                    in_a_row = 0
                    yield chunk
                if done >= self.size_bytes:
                    break
                reason = f"it ended after {done} of {self.size_bytes} bytes"
            except requests.RequestException as error:
                reason = str(error)
            breaks, in_a_row = breaks + 1, in_a_row + 1
            if in_a_row >= BREAKS_IN_A_ROW or breaks >= MOST_BREAKS:
                raise Unavailable(f"the download broke off: {reason}", where=self.url, hint="it is tried again")
            self._clock.sleep(PAUSE_S)
            self._go_on(done)
        if done != self.size_bytes:
            what = f"{done} bytes came, {self.size_bytes} were announced"
            raise VerifyFailed(what, where=self.url, hint="look at the server")

    def _go_on(self, done: int) -> None:
        """Ask for the rest; where the server cannot answer just now, the next attempt asks again."""
        headers = {"Range": f"bytes={done}-", "Accept-Encoding": "identity"} | self._unchanged()
        try:
            answer = self._session.get(self.url, headers=headers, stream=True, timeout=(CONNECT_S, IDLE_S))
        except requests.RequestException:
            return
        if self._is_rest(answer, done):
            self._answer.close()
            self._answer = answer
        elif answer.status_code in (200, 206):
            answer.close()
            hint = "another mirror; the file has changed, or its server cannot send a part"
            raise VerifyFailed("the download broke off and cannot go on", where=self.url, hint=hint)
        else:
            answer.close()

    def _unchanged(self) -> dict[str, str]:
        """The condition that the file is still the same; a weak tag is none, and servers do not take it for one."""
        tag = self._answer.headers.get("ETag", "W/")
        same = self._answer.headers.get("Last-Modified", "") if tag.startswith("W/") else tag
        return {"If-Range": same} if same else {}

    def _is_rest(self, answer: Any, done: int) -> bool:
        """Whether this is the same file from there on: the rest of it, or all of it while nothing has come."""
        if answer.status_code == 200:
            same = all(answer.headers.get(key) == self._answer.headers.get(key) for key in SAME)
            return not done and same
        part = f"bytes {done}-{self.size_bytes - 1}/"
        told = answer.headers.get("Content-Range", "")  # some servers forget it
        return answer.status_code == 206 and told in ("", f"{part}{self.size_bytes}", f"{part}*")


class Chunks:
    """A stream of chunks as something to read from."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes; none at the end."""
        if not self._left:
            self._left = next(self._chunks, b"")
        given, self._left = self._left[:size], self._left[size:]
        return given


@contextmanager
def opened(url: str, *, clock: Clock = SYSTEM_CLOCK) -> Iterator[Download]:
    """The file at this URL, which is there and says how large it is."""
    with requests.Session() as session:
        try:
            answer = session.get(url, headers={"Accept-Encoding": "identity"}, stream=True, timeout=(CONNECT_S, IDLE_S))
        except requests.RequestException as error:
            raise _error(error, url) from error
        with answer:
            if answer.status_code in (404, 410):
                raise NotFound(f"HTTP {answer.status_code}", where=url, hint="is it still there? add another mirror")
            if answer.status_code >= 500 or answer.status_code in (408, 429):
                raise Unavailable(f"HTTP {answer.status_code}", where=url, hint="it is tried again")
            if answer.status_code != 200:
                raise Unsupported(f"HTTP {answer.status_code}", where=url, hint="a URL that anybody may read")
            length = answer.headers.get("Content-Length", "")
            if not length.isdigit():
                hint = "a server that does; a datastore wants the size first"
                raise Unsupported("the server does not say how large it is", where=url, hint=hint)
            yield Download(url, int(length), session, answer, clock)


def _error(error: requests.RequestException, url: str) -> HerasphereError:
    if isinstance(error, requests.exceptions.SSLError):
        return VerifyFailed(f"its certificate is not trusted: {error}", where=url, hint="http:// and a checksum do")
    if isinstance(error, NO_URL):
        return Unsupported(f"it is no URL: {error}", where=url, hint="correct iso_url")
    return Unavailable(f"it cannot be fetched: {error}", where=url, hint="can the server be reached from here?")

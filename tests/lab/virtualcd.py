"""What is in a machine's virtual CD: an ISO at a URL, read by ranges while the machine runs, as BMCs do."""

import ssl
import urllib.request
from typing import Any

READAHEAD_BYTES = 512 * 1024
ANSWER_S = 60


class MachineError(Exception):
    """The machine cannot do it; the text is QEMU's own."""


class MediaUnreadable(MachineError):
    """The URL of a medium does not answer, or not with ranges."""


def block_source(url: str) -> dict[str, Any]:
    """QEMU's words for the file behind the URL."""
    driver = url.split(":", 1)[0]
    source: dict[str, Any] = {"driver": driver, "url": url, "readahead": READAHEAD_BYTES, "timeout": ANSWER_S}
    if driver == "https":
        source["sslverify"] = False  # few BMCs verify the media server
    return {**source, "read-only": True}


def check_readable(url: str) -> None:
    """As a BMC does when media are inserted: ask for the size, and look that ranges are served."""
    unverified = ssl._create_unverified_context()
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=unverified)
    )
    try:
        with opener.open(urllib.request.Request(url, method="HEAD"), timeout=30) as answer:
            ranges = answer.headers.get("Accept-Ranges", "")
    except (OSError, ValueError) as error:
        raise MediaUnreadable(f"{url}: {error}") from error
    if ranges.lower() != "bytes":
        raise MediaUnreadable(f"{url}: the server offers no ranges (Accept-Ranges: {ranges or 'missing'})")

"""Text as XML can hold it."""

import re
from typing import Annotated

from pydantic import AfterValidator

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def _as_xml(text: str) -> str:
    if found := _FORBIDDEN.search(text):
        raise ValueError(f"U+{ord(found[0]):04X} cannot stand in an OVF descriptor")
    return text.replace("\r\n", "\n").replace("\r", "\n")


Text = Annotated[str, AfterValidator(_as_xml)]  # line ends become \n, as every reader of XML makes them

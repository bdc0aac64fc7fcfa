"""SOAP as ESXi speaks it: requests read by hand, answers written by pyvmomi's own serialiser."""

import re
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from pyVmomi import SoapAdapter
from pyVmomi.VmomiSupport import IsChildVersion, Object, versionMap

VIM25 = "urn:vim25"
HEAD = f"{SoapAdapter.XML_HEADER}\n{SoapAdapter.SOAP_START}"
TAIL = SoapAdapter.SOAP_END


@dataclass(frozen=True)
class Call:
    """One request: the method's and the object's name, and the arguments as XML."""

    method: str
    object_id: str
    arguments: ElementTree.Element
    version: str  # pyvmomi's name of the API version spoken

    def text(self, path: str) -> str:
        """An argument's text, by its path below the method; "" where it is not given."""
        return self.arguments.findtext("/".join(f"{{*}}{part}" for part in path.split("/")), "")

    def texts(self, path: str) -> list[str]:
        found = self.arguments.findall("/".join(f"{{*}}{part}" for part in path.split("/")))
        return [element.text or "" for element in found]


def read(body: bytes, action: str) -> Call:
    """The call in a request; ValueError where there is none."""
    try:
        method = ElementTree.fromstring(body).find("{*}Body/*")
    except ElementTree.ParseError as error:
        raise ValueError(f"no XML: {error}") from error
    if method is None:
        raise ValueError("no call in the body")
    name = method.tag.rsplit("}", 1)[-1]
    spoken = re.sub(r'^"?urn:|"$', "", action)
    return Call(name, method.findtext("{*}_this", ""), method, versionMap.get(spoken, "vim.version.version9"))


def answer(call: Call, value: Any, kind: Any) -> str:
    """The envelope of a call's result; kind None: the call returns nothing."""
    inside = "" if kind is None or value is None else _written(call, value, kind)
    return f'{HEAD}<{call.method}Response xmlns="{VIM25}">{inside}</{call.method}Response>{TAIL}'


def fault(call: Call, problem: Any) -> str:
    """The envelope of a fault."""
    name = type(problem).__name__.rsplit(".", 1)[-1]
    info = Object(name=f"{name}Fault", type=type(problem), version="vmodl.version.version0", flags=0)
    namespaces = {**SoapAdapter.SOAP_NSMAP, VIM25: ""}
    detail = SoapAdapter.SerializeFaultDetail(problem, info, call.version, namespaces)
    if f'xmlns="{VIM25}"' not in detail:
        detail = detail.replace(f"<{name}Fault", f'<{name}Fault xmlns="{VIM25}"', 1)
    return (
        f"{HEAD}<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>{problem.msg or name}</faultstring>"
        f"<detail>{detail}</detail></soapenv:Fault>{TAIL}"
    )


def is_property(kind: Any, path: str, version: str) -> bool:
    """Whether a type of the API has the property at this path, in this version of the API."""
    for part in path.split("."):
        try:
            info = kind._GetPropertyInfo(part)
        except AttributeError:
            return False
        if not IsChildVersion(version, info.version):
            return False
        kind = info.type
    return True


def _written(call: Call, value: Any, kind: Any) -> str:
    info = Object(name="returnval", type=kind, version="vim.version.version1", flags=0)
    return str(SoapAdapter.SerializeToStr(value, info, call.version, {**SoapAdapter.SOAP_NSMAP, VIM25: ""}))

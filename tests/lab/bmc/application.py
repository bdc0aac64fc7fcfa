"""The Redfish service of one emulated BMC: sushy-tools' own, with what it lacks put around it."""

import importlib.util
import json
from typing import Any

import flask

from tests.lab.bmc.driver import BOOT_ENABLED, BOOT_MODES, BOOT_TARGETS, MachineDriver, StreamingMedia, Task
from tests.lab.bmc.faults import Behaviour
from tests.lab.bmc.sessions import Sessions

ROOT = "/redfish/v1"
_SESSIONS = f"{ROOT}/SessionService/Sessions"
_TASKS = f"{ROOT}/TaskService/Tasks"
_OPEN_TO_ALL = frozenset({"", "/redfish", ROOT})
_MESSAGES = {
    400: "Base.1.8.PropertyValueNotInList",
    401: "Base.1.8.NoValidSession",
    404: "Base.1.8.ResourceMissingAtURI",
    409: "Base.1.8.ResourceInUse",
    503: "Base.1.8.ServiceTemporarilyUnavailable",
}


class Indicators:
    """The identification light: always off. sushy-tools' own keeps it in a file which all BMCs share."""

    def get_indicator_state(self, _identity: str) -> str:
        return "Off"


class Service:
    """Flask application and state of one BMC."""

    def __init__(
        self, driver: MachineDriver, sessions: Sessions, behaviour: Behaviour, *, model: str, firmware: str
    ) -> None:
        self.driver = driver
        self.media = StreamingMedia(driver, behaviour)
        self.sessions = sessions
        self._behaviour = behaviour
        self._model = model
        self._firmware = firmware
        self.app = _fresh_app(driver, self.media)
        self._system = f"{ROOT}/Systems/{driver.machine.uuid}"
        self._extend()

    def _extend(self) -> None:
        app = self.app
        app.before_request(self._guard)
        app.after_request(self._correct)
        stock = app.view_functions["system_resource"]
        app.view_functions["system_resource"] = lambda identity: (
            self._patch_system(identity) if flask.request.method == "PATCH" else stock(identity)
        )
        insert = app.view_functions["VirtualMedia.virtual_media_insert"]
        app.view_functions["VirtualMedia.virtual_media_insert"] = lambda identity, device: self._accept_task(
            insert(identity, device)
        )
        add = app.add_url_rule
        add(f"{ROOT}/SessionService", view_func=self._show_session_service)
        add(_SESSIONS, view_func=self._show_sessions)
        add(_SESSIONS, view_func=self._log_in, methods=["POST"])
        add(f"{_SESSIONS}/<identity>", view_func=self._show_session)
        add(f"{_SESSIONS}/<identity>", view_func=self._log_out, methods=["DELETE"])
        add(f"{_TASKS}/<identity>", view_func=self._show_task)

    # Who may ask

    def _guard(self) -> flask.Response | None:
        path = flask.request.path.rstrip("/")
        if path in _OPEN_TO_ALL or (path == _SESSIONS and flask.request.method == "POST"):
            return None
        headers = flask.request.headers
        if self.sessions.admits(headers.get("Authorization", ""), headers.get("X-Auth-Token", "")):
            return None
        return problem(401, "There is no valid session established with the implementation.")

    def _log_in(self) -> flask.Response:
        given = flask.request.get_json(silent=True) or {}
        if not self.sessions.accepts(given.get("UserName"), given.get("Password")):
            return problem(401, "The user name or password is wrong.")
        session = self.sessions.open()
        if session is None:
            return problem(503, "The session limit is exceeded.")
        response = _document(201, _session(session.identity))
        response.headers["X-Auth-Token"] = session.token
        response.headers["Location"] = f"{_SESSIONS}/{session.identity}"
        return response

    def _log_out(self, identity: str) -> flask.Response:
        if not self.sessions.close(identity):
            return problem(404, f"The resource Sessions/{identity} was not found.")
        return flask.Response(status=204)

    def _show_session_service(self) -> flask.Response:
        return _document(200, {
            "@odata.id": f"{ROOT}/SessionService", "Id": "SessionService", "Name": "Session Service",
            "ServiceEnabled": True, "Sessions": {"@odata.id": _SESSIONS},
        })  # fmt: skip

    def _show_sessions(self) -> flask.Response:
        members = [{"@odata.id": f"{_SESSIONS}/{identity}"} for identity in self.sessions.identities]
        return _document(200, {
            "@odata.id": _SESSIONS, "Name": "Sessions", "Members": members, "Members@odata.count": len(members),
        })  # fmt: skip

    def _show_session(self, identity: str) -> flask.Response:
        if identity not in self.sessions.identities:
            return problem(404, f"The resource Sessions/{identity} was not found.")
        return _document(200, _session(identity))

    # What sushy-tools does otherwise

    def _patch_system(self, identity: str) -> flask.Response:
        """sushy-tools ignores Enabled, and refuses a PATCH of nothing else."""
        self.driver.uuid(identity)
        given = flask.request.get_json(silent=True) or {}
        if set(given) != {"Boot"} or not isinstance(given["Boot"], dict):
            return problem(400, "Only the property Boot can be written.")
        self.driver.patch_boot(given["Boot"])
        return flask.Response(status=204)

    def _accept_task(self, response: flask.typing.ResponseReturnValue) -> flask.typing.ResponseReturnValue:
        if not self._behaviour.insert_is_task:
            return response
        *_, task = self.media.tasks.values()  # the newest
        accepted = _document(202, _task(task))
        accepted.headers["Location"] = f"{_TASKS}/{task.identity}"
        return accepted

    def _show_task(self, identity: str) -> flask.Response:
        task = self.media.tasks.get(identity)
        if task is None:
            return problem(404, f"The resource Tasks/{identity} was not found.")
        self.media.advance()
        return _document(200, _task(task))

    def _correct(self, response: flask.Response) -> flask.Response:
        """Fill in what sushy-tools' documents leave out or make up."""
        document = response.get_json(silent=True) if response.is_json else None
        if response.status_code >= 400:
            return _explained(response, document)
        if flask.request.method != "GET" or not isinstance(document, dict):
            return response
        path = flask.request.path.rstrip("/")
        if path == ROOT:
            document["SessionService"] = {"@odata.id": f"{ROOT}/SessionService"}
            document["Links"] = {"Sessions": {"@odata.id": _SESSIONS}}
        elif path == self._system:
            self._correct_system(document)
        elif path.startswith(f"{ROOT}/Managers/"):
            document |= {"Model": self._model, "FirmwareVersion": self._firmware}
            del document["VirtualMedia"]  # it would point to the System's, under another name
        elif path.startswith(f"{self._system}/VirtualMedia/"):
            document["Image"] = document["Image"] or None
            document["ConnectedVia"] = "URI" if document["Inserted"] else "NotConnected"
        response.set_data(json.dumps(_without(document, self._behaviour.hidden)))
        return response

    def _correct_system(self, document: dict[str, Any]) -> None:
        machine, override = self.driver.machine, self.driver.override
        document |= {
            "Manufacturer": machine.manufacturer,
            "Model": machine.model,
            "SerialNumber": machine.serial,
            "BootProgress": {"LastState": machine.boot_progress()},
            "Boot": {
                "BootSourceOverrideEnabled": override.enabled,
                "BootSourceOverrideEnabled@Redfish.AllowableValues": list(BOOT_ENABLED),
                "BootSourceOverrideTarget": override.target,
                "BootSourceOverrideTarget@Redfish.AllowableValues": list(BOOT_TARGETS),
                "BootSourceOverrideMode": override.mode,
                "BootSourceOverrideMode@Redfish.AllowableValues": list(BOOT_MODES),
            },
        }


def problem(status: int, message: str) -> flask.Response:
    """An error document as the standard has it."""
    identity = _MESSAGES.get(status, "Base.1.8.GeneralError")
    extended = {"MessageId": identity, "Message": message, "Severity": "Critical", "Resolution": "None."}
    return _document(status, {"error": {"code": identity, "message": message, "@Message.ExtendedInfo": [extended]}})


def _fresh_app(driver: MachineDriver, media: StreamingMedia) -> Any:
    """An application of its own: sushy-tools' is a global of its module, so the module is made anew for each BMC."""
    spec = importlib.util.find_spec("sushy_tools.emulator.main")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, part in (("systems", driver), ("vmedia", media), ("indicators", Indicators())):
        setattr(module.Application, name, part)
    return module.app


def _explained(response: flask.Response, document: Any) -> flask.Response:
    """sushy-tools' errors are bare, some of them no JSON; real ones tell more."""
    error = document.get("error") if isinstance(document, dict) else None
    if isinstance(error, dict) and "Message" in (error.get("@Message.ExtendedInfo") or [{}])[0]:
        return response
    text = error.get("message", "") if isinstance(error, dict) else response.get_data(as_text=True)
    return problem(response.status_code, str(text))


def _without(document: Any, hidden: frozenset[str]) -> Any:
    if isinstance(document, dict):
        return {key: _without(value, hidden) for key, value in document.items() if key not in hidden}
    return document


def _session(identity: str) -> dict[str, Any]:
    return {"@odata.id": f"{_SESSIONS}/{identity}", "Id": identity, "Name": "Session", "UserName": None}


def _task(task: Task) -> dict[str, Any]:
    message = [{"MessageId": "Base.1.8.GeneralError", "Message": task.failure}] if task.state == "Exception" else []
    return {
        "@odata.id": f"{_TASKS}/{task.identity}", "Id": task.identity, "Name": "Insert media",
        "TaskState": task.state, "Messages": message,
    }  # fmt: skip


def _document(status: int, body: dict[str, Any]) -> flask.Response:
    return flask.Response(json.dumps(body), status=status, content_type="application/json")

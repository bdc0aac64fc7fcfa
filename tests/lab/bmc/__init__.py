"""An emulated BMC: Redfish over HTTP or TLS in front of any `Machine`.

sushy-tools gives the documents and routes; here it gets a driver over `Machine`, and what it lacks: a boot override
that is true to `Once`, media that are streamed and never downloaded, sessions, errors with extended messages, faults.

    with serve(machine, username="root", password="calvin") as bmc:
        ... bmc.url, bmc.log.entries, bmc.open_sessions, bmc.faults ...

What of a real BMC it does not show:

- It is quick. A real BMC takes seconds for a GET, half a minute for an insert, and minutes to start; `Fault.delay_s`
  is the only slowness here.
- One System, one Manager, two virtual media slots (Cd, Floppy), all under the System; no licences, roles or events.
- Power changes at once: no PoweringOn or PoweringOff, and no refusal of changes during POST.
- `Continuous` is applied at each power-on by the BMC, not at a reboot from inside the server.
- Media: http and https only, looked at once with HEAD at the insert; what the server reads, the Machine reads.
- Session slots and the idle time-out are its only limits; it has no account lock-out.
- Vendors' ways, and what they do against the standard, are not here yet.
"""

from tests.lab.bmc.emulator import Emulator, serve
from tests.lab.bmc.faults import Behaviour, Fault
from tests.lab.bmc.memory import MemoryMachine

__all__ = ["Behaviour", "Emulator", "Fault", "MemoryMachine", "serve"]

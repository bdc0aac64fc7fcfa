"""The local engine: runs built Argo manifests on this machine, each step in a process of its own.

run()     walks a Workflow and the children that its steps create (engine.py)
check()   names what of a manifest lies outside what the engine understands (subset.py)
refuse()  raises Unsupported for the same

Where it differs from Argo 4.0.2, on purpose:
- a stopped step's process has ended (SIGTERM, after 30 s SIGKILL) before the exit handler begins; Argo does not wait
- a failure that is not retried ends its node at once; Argo waits out the backoff first
- a workflow terminated while it waits for a lock is Failed; Argo calls it Succeeded
- after Terminate no node stays Running
- an output of a step that may be skipped is refused before the start; Argo waits for it for ever
- a missing secret is refused before the start; Argo's pod waits for it for ever
- names of a fan-out's nodes show numbers and escapes of JSON as they are written anew (2.5), not as given (2.50)
- a DAG below onExit is refused: Argo gives it up, failed, as soon as the workflow is stopped, and leaves its pod alone
- a value that holds two braces is not scanned again for tags
"""

from workflows.backends.local.engine import LocalRun, run
from workflows.backends.local.subset import check, refuse

__all__ = ["LocalRun", "check", "refuse", "run"]

"""The local engine: runs built Argo manifests on this machine, each step in a process of its own.

run()     walks a Workflow and the children that its steps create (engine.py)
check()   names what of a manifest lies outside what the engine understands (subset.py)
refuse()  raises Unsupported for the same
"""

from workflows.backends.local.engine import LocalRun, run
from workflows.backends.local.subset import check, refuse

__all__ = ["LocalRun", "check", "refuse", "run"]

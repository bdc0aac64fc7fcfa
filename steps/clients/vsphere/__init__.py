"""A vCenter, by pyvmomi: the only importer of it besides the ESXi client. All errors are this project's own.

connect(...)  ->  VSphere, logged in
"""

from steps.clients.vsphere.connection import VSphere, connect

__all__ = ["VSphere", "connect"]

"""Stream-optimized VMDK, as a vSphere export lease delivers it and an OVA holds it. Read as a stream, never whole."""

from steps.domain.vmdk.stream import VmdkFacts, VmdkFault, VmdkStream, most_bytes

__all__ = ["VmdkFacts", "VmdkFault", "VmdkStream", "most_bytes"]

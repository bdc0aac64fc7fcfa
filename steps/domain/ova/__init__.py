"""An OVA: descriptor, manifest and disks in one tar, written in one pass, and read and checked as a stream."""

from steps.domain.ova.disk import DiskWriter, Spool, WrittenFile
from steps.domain.ova.target import FileTarget, PartsTarget, Target, TeeTarget
from steps.domain.ova.writer import OvaWriter, WrittenOva, most_bytes

__all__ = [
    "DiskWriter",
    "FileTarget",
    "OvaWriter",
    "PartsTarget",
    "Spool",
    "Target",
    "TeeTarget",
    "WrittenFile",
    "WrittenOva",
    "most_bytes",
]

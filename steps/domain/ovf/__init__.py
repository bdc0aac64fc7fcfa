"""The OVF descriptor: an appliance as a frozen model, written as text, and read back from anybody's."""

from steps.domain.ovf.appliance import Appliance, Network, OperatingSystem, Product, Property, Setting
from steps.domain.ovf.descriptor import DiskFile, descriptor
from steps.domain.ovf.hardware import CdDrive, Controller, Disk, Floppy, Hardware, Nic

__all__ = [
    "Appliance",
    "CdDrive",
    "Controller",
    "Disk",
    "DiskFile",
    "Floppy",
    "Hardware",
    "Network",
    "Nic",
    "OperatingSystem",
    "Product",
    "Property",
    "Setting",
    "descriptor",
]

"""What a vCenter user needs to build images: the least set, by the object that it is needed on."""

from typing import Literal

On = Literal["VM folder", "datastore", "network", "resource pool"]

NEEDED: dict[On, tuple[str, ...]] = {
    "VM folder": (
        "Folder.Create",
        "VApp.Export",
        "VApp.ApplicationConfig",
        "VirtualMachine.Config.AddNewDisk",
        "VirtualMachine.Config.AddRemoveDevice",
        "VirtualMachine.Config.AdvancedConfig",
        "VirtualMachine.Config.Annotation",
        "VirtualMachine.Config.CPUCount",
        "VirtualMachine.Config.DiskExtend",
        "VirtualMachine.Config.EditDevice",
        "VirtualMachine.Config.Memory",
        "VirtualMachine.Config.Rename",
        "VirtualMachine.Config.Settings",
        "VirtualMachine.Interact.CreateScreenshot",
        "VirtualMachine.Interact.DeviceConnection",
        "VirtualMachine.Interact.PowerOff",
        "VirtualMachine.Interact.PowerOn",
        "VirtualMachine.Interact.PutUsbScanCodes",
        "VirtualMachine.Interact.Reset",
        "VirtualMachine.Interact.SetCDMedia",
        "VirtualMachine.Interact.SetFloppyMedia",
        "VirtualMachine.Inventory.Create",
        "VirtualMachine.Inventory.CreateFromExisting",
        "VirtualMachine.Inventory.Delete",
        "VirtualMachine.Provisioning.Clone",
        "VirtualMachine.Provisioning.CloneTemplate",
        "VirtualMachine.Provisioning.DeployTemplate",
        "VirtualMachine.Provisioning.MarkAsTemplate",
        "VirtualMachine.State.CreateSnapshot",
    ),
    "datastore": ("Datastore.AllocateSpace", "Datastore.Browse", "Datastore.FileManagement"),
    "network": ("Network.Assign",),
    "resource pool": ("Resource.AssignVMToPool",),
}

"""The settings as people write them: one flat list of keys, in Packer's words where it has one."""

from steps.domain.image.keys.artifact import ArtifactKeys
from steps.domain.image.keys.guest import GuestKeys
from steps.domain.image.keys.installer import InstallerKeys
from steps.domain.image.keys.machine import MachineKeys
from steps.domain.image.keys.vcenter import VCenterKeys


class Settings(VCenterKeys, MachineKeys, InstallerKeys, GuestKeys, ArtifactKeys):
    """What the files given to `hera plan build-image` say together."""

"""The settings as people write them: one flat list of keys, in Packer's words where it has one."""

from steps.domain.image.keys.artifact import ArtifactKeys
from steps.domain.image.keys.guest import GuestKeys
from steps.domain.image.keys.installer import InstallerKeys
from steps.domain.image.keys.machine import MachineKeys
from steps.domain.image.keys.vcenter import VCenterKeys


class Settings(VCenterKeys, MachineKeys, InstallerKeys, GuestKeys, ArtifactKeys):
    """What the files given to `hera plan build-image` say together."""

    @property
    def os_name(self) -> str:
        """What people call the system; empty if nothing says it."""
        return self.os_display_name or " ".join(filter(None, [self.distro_name, self.distro_version]))

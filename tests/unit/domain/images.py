"""Plans of images for tests, of settings as a workflow's parameter has them: their secrets are references."""

from datetime import UTC, datetime

from steps.domain.image import planning
from steps.domain.image.checks import Surroundings
from steps.domain.image.plan import AppliancePlan, BuildPlan
from steps.domain.image.planning import Choices
from steps.domain.image.reading import SettingsFile, read_settings
from steps.domain.image.template import Around
from steps.domain.table import SecretEntry

COMMON = """
vcenter_server: vcenter.example.com
username: {secret: vcenter, key: username}
password: {secret: vcenter, key: password}
cluster: one
datastore: fast
network: VM Network
ssh_username: root
ssh_password: {secret: guest, key: password}
"""
IMAGE = f"""{COMMON}
name: base
guest_os_type: otherLinux64Guest
iso_url: https://mirror.example.com/linux.iso
iso_checksum: {"0" * 64}
boot_command: [<enter>]
floppy_files: [ks.cfg]
provision: [{{inline: ["true"]}}]
files: {"1" * 64}
"""
APPLIANCE = f"""{COMMON}
name: appliance
base: base
output_dir: /var/lib/appliances
ova_name: appliance
content_library: {{name: images}}
"""


def build_plan(more: str = "", choices: Choices | None = None) -> BuildPlan:
    """A base image. more: settings besides those of IMAGE"""
    settings, layers = read_settings([SettingsFile("settings", (IMAGE + more).encode())], _around())
    return planning.plan_build(settings, layers, _surroundings(), choices or Choices())[0]


def appliance_plan(more: str = "", choices: Choices | None = None) -> AppliancePlan:
    """An appliance. more: settings besides those of APPLIANCE"""
    settings, layers = read_settings([SettingsFile("settings", (APPLIANCE + more).encode())], _around())
    return planning.plan_appliance(settings, layers, _surroundings(), choices or Choices())[0]


def _around() -> Around:
    return Around(datetime(2026, 1, 31, tzinfo=UTC), {})


def _surroundings() -> Surroundings:
    return Surroundings(read_secret=lambda entry: None, keep_secret=_not_kept, check_files=lambda name: None)


def _not_kept(key: str, text: str) -> SecretEntry:
    raise AssertionError(f"{key} is no reference")

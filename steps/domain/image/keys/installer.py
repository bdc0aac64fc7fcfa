"""The medium an operating system is installed from, and what is told to its installer."""

from typing import Annotated

from pydantic import Field

from steps.domain.image.values import ChecksumKind, DatastorePath, Duration, Lines
from steps.domain.table import Entry


class InstallerKeys(Entry):
    iso_url: Lines = Field((), description="URL or file; of several the first that works")
    iso_path: DatastorePath | None = Field(None, description="[datastore] path of an ISO that lies there already")
    iso_checksum: str | None = Field(None, description="hex; or sha256:HEX; or none, which checks nothing")
    iso_checksum_type: ChecksumKind | None = Field(None, description="default: by the checksum's length")
    boot_command: Lines = Field((), description="typed at the boot prompt; see docs/boot-command.md")
    boot_command_prefix: str | None = Field(None, description="with boot_media_path and boot_command_suffix: the same")
    boot_media_path: str | None = Field(None, description="the second part of it")
    boot_command_suffix: str | None = Field(None, description="the third part of it")
    boot_wait: Duration = Field(10.0, description="from power-on to the first key")
    boot_keygroup_interval: Duration | None = Field(None, description="between two batches of keys (100ms)")
    boot_keygroup_size: Annotated[int, Field(ge=1, le=64)] | None = Field(None, description="keys of a batch (8)")
    floppy_files: Lines = Field((), description="files for a floppy, in its root")
    floppy_dirs: Lines = Field((), description="folders for a floppy; 'x/' puts in what x holds")
    floppy_label: str = Field("", max_length=11, description="of the floppy")
    cd_files: Lines = Field((), description="files and folders for a second CD, in its root")
    cd_label: str = Field("OEMDRV", max_length=32, description="OEMDRV: anaconda reads /ks.cfg from it untold")
    http_directory: str | None = Field(None, description="what http://{{ .HTTPIP }}:{{ .HTTPPort }}/ serves")
    files: str | None = Field(None, description="bundle with what the settings refer to; set by hera submit")

"""What becomes of the built VM: snapshot, template, OVA, and where they go."""

from typing import Any

from pydantic import Field

from steps.domain.image.values import Lines, VmName
from steps.domain.table import Entry, SecretEntry


class PropertyEntry(Entry):
    """A value that whoever imports the appliance may give."""

    key: str = Field(description="name")
    type: str = Field("string", description="OVF's: string, boolean, uint16, int32, real64 …")
    default: str = Field("", description="value if none is given")
    label: str = Field("", description="what the form calls it")
    description: str = Field("", description="what the form says of it")
    category: str = Field("", description="under which heading it stands there")
    password: bool = Field(False, description="it is not shown")


class ProductEntry(Entry):
    name: str = Field("", description="default: the VM's name")
    vendor: str = Field("", description="who makes it")
    version: str = Field("", description="default: git describe")
    full_version: str = Field("", description="version as people are shown it")
    url: str = Field("", description="page of the product")
    vendor_url: str = Field("", description="page of the vendor")
    app_url: str = Field("", description='page of the appliance: "http://${ip}/"')


class S3Entry(Entry):
    endpoint: str = Field("", description="URL; empty: AWS")
    bucket: str = Field(description="it must exist")
    prefix: str = Field("", description="what the names of objects begin with")
    region: str = Field("us-east-1", description="of the bucket")
    access_key: SecretEntry = Field(description="who writes")
    secret_key: SecretEntry = Field(description="the secret of the access key")


class LibraryEntry(Entry):
    name: str = Field(description="of the library")
    item: str = Field("", description="default: the OVA's name")


class ArtifactKeys(Entry):
    create_snapshot: bool = Field(True, description="which linked clones start from")
    snapshot_name: str = Field("herasphere", description="what it is called")
    convert_to_template: bool = Field(False, description="at the end")
    base: VmName | None = Field(None, description="VM or template that an appliance is made of")
    base_snapshot: str | None = Field(None, description="default: its current one")
    base_library_item: str | None = Field(None, description="LIBRARY/ITEM of a content library, in the place of base")
    base_ova: str | None = Field(None, description="OVA file or URL, in the place of base")
    linked_clone: bool = Field(True, description="of base: shares its disks; false: has its own")
    export: bool = Field(True, description="write an OVA")
    ova_name: str | None = Field(None, description="default: k3s-<os>-<git describe>")
    product: ProductEntry = Field(ProductEntry(), description="what the OVA says it is")
    properties: tuple[PropertyEntry, ...] = Field((), description="OVF properties the guest reads at its first boot")
    property_values: dict[str, str] = Field({}, description="values of OVF properties for the VM itself")
    eula: Lines = Field((), description="files with licence texts")
    annotation: str = Field("", description="text that importers show; default: notes")
    output_dir: str | None = Field(None, description="folder for the OVA")
    s3: S3Entry | None = Field(None, description="bucket for the OVA")
    content_library: LibraryEntry | None = Field(None, description="vSphere content library for the OVA")
    export_manifest: str = Field(
        "sha256", pattern=r"^sha256$", description="sums in the OVA's manifest, which every OVA has"
    )
    distro_name: str = Field("", description="part of the OVA's name")
    distro_version: str = Field("", description="part of the OVA's name")
    distro_arch: str = Field("", description="for {{user `distro_arch`}} only")
    os_display_name: str = Field("", description="the system in manifest.json; default: distro_name, distro_version")
    build_name: str | None = Field(None, description="the VM's name, when there is no name")
    build_version: str = Field("", description="git describe, as a rule")
    base_build_version: str = Field("", description="version of the base in manifest.json")
    build_timestamp: str = Field("", description="default: the moment of the plan, UTC")
    variables: dict[str, Any] = Field({}, description="values of no meaning of their own, for {{user `x`}}")

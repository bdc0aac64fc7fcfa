"""What becomes of the built VM: snapshot, template, OVA, and where they go."""

from typing import Any

from pydantic import Field

from steps.domain.image.values import Lines, VmName
from steps.domain.table import Entry, SecretEntry


class PropertyEntry(Entry):
    """A value that whoever imports the appliance may give."""

    key: str
    type: str = "string"
    default: str = ""
    label: str = ""
    description: str = ""
    category: str = ""
    password: bool = False


class ProductEntry(Entry):
    name: str = ""
    vendor: str = ""
    version: str = Field("", description="default: git describe")
    full_version: str = ""
    url: str = ""
    vendor_url: str = ""
    app_url: str = Field("", description='page of the appliance: "http://${ip}/"')


class S3Entry(Entry):
    endpoint: str = Field("", description="URL; empty: AWS")
    bucket: str
    prefix: str = ""
    region: str = "us-east-1"
    access_key: SecretEntry
    secret_key: SecretEntry


class LibraryEntry(Entry):
    name: str
    item: str = Field("", description="default: the OVA's name")


class ArtifactKeys(Entry):
    create_snapshot: bool = Field(True, description="which linked clones start from")
    snapshot_name: str = "herasphere"
    convert_to_template: bool = False
    base: VmName | None = Field(None, description="VM or template that an appliance is made of")
    base_snapshot: str | None = Field(None, description="default: its current one")
    base_library_item: str | None = Field(None, description="LIBRARY/ITEM of a content library, in the place of base")
    base_ova: str | None = Field(None, description="OVA file or URL, in the place of base")
    linked_clone: bool = True
    export: bool = Field(True, description="write an OVA")
    ova_name: str | None = Field(None, description="default: k3s-<os>-<git describe>")
    product: ProductEntry = ProductEntry()
    properties: tuple[PropertyEntry, ...] = Field((), description="OVF properties the guest reads at its first boot")
    property_values: dict[str, str] = Field({}, description="values of OVF properties for the VM itself")
    eula: Lines = Field((), description="files with licence texts")
    annotation: str = ""
    output_dir: str | None = Field(None, description="folder for the OVA")
    s3: S3Entry | None = None
    content_library: LibraryEntry | None = None
    export_manifest: str = Field("sha256", pattern=r"^(sha256|none)$", description="of the OVA")
    distro_name: str = ""
    distro_version: str = ""
    distro_arch: str = ""
    os_display_name: str = ""
    build_name: str | None = None
    build_version: str = Field("", description="git describe, as a rule")
    base_build_version: str = ""
    build_timestamp: str = Field("", description="default: the moment of the plan, UTC")
    variables: dict[str, Any] = Field({}, description="values of no meaning of their own, for {{user `x`}}")

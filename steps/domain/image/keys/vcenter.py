"""Which vCenter, and where in it."""

from pydantic import Field

from steps.domain.image.values import SecretSetting, ServerName
from steps.domain.table import Entry, SecretEntry


class VCenterKeys(Entry):
    vcenter_server: ServerName | None = Field(None, description="name or address; $VCENTER_SERVER wins")
    username: SecretSetting | None = Field(None, description="$VCENTER_USERNAME wins")
    password: SecretSetting | None = Field(None, description="$VCENTER_PASSWORD wins")
    insecure_connection: bool = Field(False, description="accept any certificate")
    ca: SecretEntry | None = Field(None, description="PEM certificates to verify vCenter's certificate with")
    datacenter: str | None = Field(None, description="needed only if there are several")
    cluster: str | None = Field(None, description="where the VM runs; or host, or resource_pool")
    host: str | None = Field(None, description="ESXi host of the cluster, or alone")
    resource_pool: str | None = Field(None, description="of the cluster; default: its root")
    folder: str | None = Field(None, description="VM folder, made if it is not there; default: the datacenter's own")
    datastore: str | None = Field(None, description="for the VM's disks, and for the cache of ISOs")
    network: str | None = Field(None, description="network or port group of the first NIC")

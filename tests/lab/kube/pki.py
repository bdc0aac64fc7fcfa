"""The cluster's certificate authority, what it signs, and kubeconfigs that trust it."""

import base64
import ipaddress
from collections.abc import Sequence
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.lab.certificates import Authority
from tests.lab.kube.layout import API_SERVICE_ADDRESS, API_URL, ARGO_NAMESPACE, NODE, NODE_ADDRESS, Layout

API_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
ARGO_NAMES = ("argo-server", f"argo-server.{ARGO_NAMESPACE}", f"argo-server.{ARGO_NAMESPACE}.svc")


class ClusterAuthority(Authority):
    """A CA which signs for several names, and for clients."""

    def sign(self, folder: Path, name: str, alternatives: Sequence[str], *, group: str = "") -> None:
        """NAME.pem and NAME.key are in the folder: a server's, or with a group that of a client which is in it."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if group else ExtendedKeyUsageOID.SERVER_AUTH
        builder = self._builder(x509.Name([*subject, *_organization(group)]), key)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
        )
        if alternatives:
            names = x509.SubjectAlternativeName([_general_name(text) for text in alternatives])
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        _write_key(folder / f"{name}.key", key)


def make_certificates(layout: Layout) -> None:
    """All that the cluster's programs show each other; new each time."""
    layout.pki.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = ClusterAuthority("herasphere lab cluster CA")
    layout.ca.write_text(authority.pem)
    authority.sign(layout.pki, "apiserver", [NODE_ADDRESS, API_SERVICE_ADDRESS, "127.0.0.1", *API_NAMES])
    authority.sign(layout.pki, "kubelet", [NODE_ADDRESS, NODE])
    authority.sign(layout.pki, "argo-server", [NODE_ADDRESS, "127.0.0.1", "localhost", *ARGO_NAMES])
    authority.sign(layout.pki, "kubelet-client", [], group="system:masters")
    _write_key(layout.pki / "tokens.key", ec.generate_private_key(ec.SECP256R1()))


def write_kubeconfig(path: Path, ca: Path, user: str, token: str, namespace: str = "default") -> None:
    """The file lets who reads it act as this user; only its owner may."""
    authority = base64.b64encode(ca.read_bytes()).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NODE, "cluster": {"server": API_URL, "certificate-authority-data": authority}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": NODE, "context": {"cluster": NODE, "user": user, "namespace": namespace}}],
        "current-context": NODE,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_secret(path, yaml.safe_dump(config))


def write_secret(path: Path, text: str) -> None:
    """The file has this text, and nobody but its owner reads it."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)


def _organization(name: str) -> list[x509.NameAttribute[str]]:
    return [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name)] if name else []


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    form = serialization.PrivateFormat.TraditionalOpenSSL  # what Kubernetes reads as a signing key
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    write_secret(path, pem.decode())

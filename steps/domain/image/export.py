"""The part of an appliance's plan that is about its base and its OVA."""

import re

from pydantic import ValidationError

from steps.domain.host import SecretRef
from steps.domain.image.checks import Checks
from steps.domain.image.plan import CLAIM, Base, Export, Facts, LibraryTarget, S3Target
from steps.domain.image.settings import Settings
from steps.domain.image.values import DIGEST_LENGTHS
from steps.domain.ovf import Product, Property
from steps.domain.table import SecretEntry

ON_A_CLAIM = CLAIM + r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(/(?!\.\.?(/|$))[^/]+)*/?"


def base(check: Checks) -> Base:
    """What the appliance is made of."""
    settings = check.settings
    given = [key for key in ("base", "base_library_item", "base_ova") if getattr(settings, key)]
    if len(given) != 1:
        check.fault(given[0] if given else "base", "not one base", "give base, base_library_item or base_ova")
    if settings.base_library_item and not re.fullmatch(r"[^/]+/[^/]+", settings.base_library_item):
        check.fault("base_library_item", f"{settings.base_library_item!r} is no item", "LIBRARY/ITEM")
    return Base(
        vm=settings.base or "",
        snapshot=settings.base_snapshot or "",
        library_item=settings.base_library_item or "",
        ova=settings.base_ova or "",
        linked=settings.linked_clone and bool(settings.base),
    )


def facts(settings: Settings, name: str, version: str) -> Facts:
    """What manifest.json will tell."""
    checksum = (settings.iso_checksum or "").strip().lower()
    kind = {length: name for name, length in DIGEST_LENGTHS.items()}.get(len(checksum), "")
    return Facts(
        name=name,
        version=settings.build_version or version,
        base_version=settings.base_build_version,
        built_at=settings.build_timestamp,
        os_name=settings.os_name,
        iso_checksum=f"{kind}:{checksum}" if kind else "" if checksum == "none" else checksum,
    )


def export(check: Checks, told: Facts) -> Export | None:
    """The OVA; None when something of it is faulty."""
    settings = check.settings
    if not (settings.output_dir or settings.s3 or settings.content_library):
        check.fault(
            "output_dir", "the OVA has nowhere to go", "output_dir, s3 or content_library; export: false for none"
        )
    elif not (settings.output_dir or settings.s3):
        what = "an OVA for a library is written somewhere first, and read again for its sums"
        check.fault("content_library", what, "give output_dir or s3 as well")
    if (settings.output_dir or "").startswith(CLAIM) and not re.fullmatch(ON_A_CLAIM, settings.output_dir or ""):
        check.fault("output_dir", f"{settings.output_dir} names no volume", "pvc:CLAIM/FOLDER")
    name = settings.ova_name or _ova_name(settings, told)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", name):
        check.fault("ova_name", f"{name!r} is no name for an OVA", "letters, digits, '.', '_' and '-', at most 80")
    library = settings.content_library
    product = _product(check, told)
    if product is None:
        return None
    return Export(
        name=name,
        product=product,
        annotation=settings.annotation or settings.notes,
        eulas=check.files("eula", settings.eula),
        bundle=settings.files or "",
        folder=settings.output_dir or "",
        s3=_s3(check),
        library=LibraryTarget(name=library.name, item=library.item or name) if library else None,
    )


def _ova_name(settings: Settings, told: Facts) -> str:
    """k3s-<os>-<git describe>, as its users know it."""
    system = f"{settings.distro_name}{settings.distro_version}" or told.name
    words = ["k3s", system, told.version or "dev"]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(words))[:80].strip("-")


def _product(check: Checks, told: Facts) -> Product | None:
    """The product section; None when a property is faulty."""
    given, properties = check.settings.product, []
    for index, entry in enumerate(check.settings.properties):
        try:
            properties.append(Property.model_validate(entry.model_dump()))
        except ValidationError as error:
            for each in error.errors(include_url=False):
                message = str(each["msg"]).removeprefix("Value error, ")
                check.fault(("properties", index), message, "see docs/image-settings.md")
    try:
        return Product(
            name=given.name or told.name,
            vendor=given.vendor,
            version=given.version or told.version,
            full_version=given.full_version,
            product_url=given.url,
            vendor_url=given.vendor_url,
            app_url=given.app_url,
            properties=tuple(properties),
        )
    except ValidationError as error:
        check.fault("properties", str(error.errors()[0]["msg"]).removeprefix("Value error, "), "leave one of them out")
        return None


def _s3(check: Checks) -> S3Target | None:
    given = check.settings.s3
    if given is None:
        return None

    def key(name: str, entry: SecretEntry) -> SecretRef:
        return check.reference(("s3", name), entry) or SecretRef(name="", key="")

    return S3Target(
        endpoint=given.endpoint,
        bucket=given.bucket,
        prefix=given.prefix.strip("/"),
        region=given.region,
        access_key=key("access_key", given.access_key),
        secret_key=key("secret_key", given.secret_key),
    )

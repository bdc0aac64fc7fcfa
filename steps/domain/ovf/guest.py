"""The number OVF wants for an operating system (CIM_OperatingSystem.OSType), from vSphere's name of it.

vSphere goes by the name (vmw:osType); the number is for everybody else. 32-bit first, 64-bit second.
"""

_BY_PREFIX = {
    "centos": (106, 107),
    "rhel": (79, 80),
    "oraclelinux": (108, 109),
    "ubuntu": (93, 94),
    "debian": (95, 96),
    "sles": (84, 85),
    "opensuse": (82, 83),
    "freebsd": (42, 78),
    "vmkernel": (104, 104),
}
_LINUX_WORDS = ("linux", "photon", "rockylinux", "almalinux", "fedora", "coreos", "asianux", "crx", "amazon")
LINUX, LINUX_64 = 36, 101
OTHER, OTHER_64 = 1, 102


def cim_id(guest_id: str) -> int:
    """The number of the operating system; the one for "other" where there is none."""
    name = guest_id.lower()
    is_64 = "64" in name
    for prefix, numbers in _BY_PREFIX.items():
        if name.startswith(prefix):
            return numbers[is_64]
    if any(word in name for word in _LINUX_WORDS):
        return LINUX_64 if is_64 else LINUX
    return OTHER_64 if is_64 else OTHER

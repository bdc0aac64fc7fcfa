"""Root passwords: what ESXi accepts, the hash a kickstart carries, and the one-time password of a run.

A `$6$` hash passes ESXi's installer whatever the password is. So a weak one would be installed and then refused at the
first change over the API; `faults` says so at the desk instead.
"""

import hashlib
import hmac

from passlib.hash import sha512_crypt as passlib_sha512_crypt

MIN_LENGTH = 7  # retry=3 min=disabled,disabled,disabled,7,7: three or four classes of characters, seven long
MAX_LENGTH = 39  # "less than 40" (vSphere Security guides 6.7 to 8.0)
MIN_CLASSES = 3
MIN_DIFFERENT = 5  # passwdqc: what chance gives a password of 7 characters, less one

# One group of the one-time password. The two sets of small letters share no letter, so that MIN_DIFFERENT holds for
# every outcome. No vowels: no words. Nothing that is mistaken for something else when read from a screen.
_GROUP = ("bcdfghjkm", "23456789", "BCDFGHJKLMNPQRSTVWXZ", "npqrstvwxz")
_GROUPS = 7  # 13.8 bits each

_CRYPT_BASE64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def faults(password: str) -> list[str]:
    """Why ESXi would refuse this as root's password; empty when it would take it, as far as can be known here.

    Not looked at: the list of words inside ESXi, which differs from release to release.
    """
    found = []
    if not password.isascii() or not password.isprintable():
        found.append("has characters other than printable ASCII")
    if len(password) < MIN_LENGTH:
        found.append(f"is shorter than {MIN_LENGTH} characters")
    if len(password) > MAX_LENGTH:
        found.append(f"is longer than {MAX_LENGTH} characters")
    if _classes(password) < MIN_CLASSES:
        found.append(
            f"has fewer than {MIN_CLASSES} of: lower case, upper case, digit, other character"
            " (an upper case letter at the start and a digit at the end do not count)"
        )
    if len(set(password)) < MIN_DIFFERENT:
        found.append(f"has fewer than {MIN_DIFFERENT} different characters")
    if "root" in password.lower():
        found.append("contains the user name root")
    return found


def _classes(password: str) -> int:
    """How many classes of characters passwdqc counts."""
    lower = any(c.islower() for c in password)
    upper = any(c.isupper() for c in password[1:])
    digit = any(c.isdigit() for c in password[:-1])
    other = any(not c.isalnum() for c in password)
    return lower + upper + digit + other


def sha512_crypt(password: str, *, salt: str) -> str:
    """The crypt(3) hash `$6$<salt>$...` with 5000 rounds.

    5000 is the number that is not written out: ESXi's installer knows no `$6$rounds=...$` and calls it invalid.
    """
    return str(passlib_sha512_crypt.using(salt=salt, rounds=5000).hash(password))


def salt(*, run: str, host: str) -> str:
    """The salt of a host's hash in a run: a step that is run twice writes the same kickstart.

    Made without the password on purpose: a salt is readable, and a fast hash of the password in it would spare an
    attacker the slow one.
    """
    digest = hashlib.sha256(f"herasphere/salt\0{run}\0{host}".encode()).digest()
    return "".join(_CRYPT_BASE64[byte % 64] for byte in digest[:16])


def one_time_password(root_password: str, *, run: str, host: str) -> str:
    """The password that only this run's installation of this host has, until `verify` replaces it.

    Derived, so that the step which writes the kickstart and the one which logs in both know it and nobody stores it.
    34 characters, 96 bits; letters, digits and '-' only; `faults` finds nothing in it.
    """
    message = f"herasphere/one-time-password\0{run}\0{host}".encode()
    number = int.from_bytes(hmac.digest(root_password.encode(), message, "sha256"), "big")
    groups = []
    for _ in range(_GROUPS):
        group = ""
        for alphabet in _GROUP:
            number, index = divmod(number, len(alphabet))
            group += alphabet[index]
        groups.append(group)
    return "-".join(groups)

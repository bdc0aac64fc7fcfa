"""Kickstarts are filled in, and a fault in one has its line."""

import pytest

from steps.domain.errors import ConfigError
from steps.domain.image.rendering import rendered

VALUES = {"name": "base", "ssh_username": 'o\'ne <&> "two"', "ssh_password_hash": "$6$salt$hash"}


def of(text: str) -> str:
    ((_, content),) = rendered([("ks.cfg.j2", text.encode())], VALUES)
    return content.decode()


def test_files_with_the_suffix_are_filled_in_and_lose_it() -> None:
    files = [("ks.cfg.j2", b"name={{ name }}\n"), ("folder.j2/plain", b"{{ name }} \xff\0"), ("sub.j2/ks.j2", b"")]
    assert list(rendered(files, VALUES)) == [
        ("ks.cfg", b"name=base\n"),
        ("folder.j2/plain", b"{{ name }} \xff\0"),
        ("sub.j2/ks", b""),
    ]


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_the_end_of_a_file_stays(end: str) -> None:
    assert of(f"größe {{{{ name }}}}{end}") == f"größe base{end}"


def test_values_are_put_in_as_they_are() -> None:
    assert of("{{ ssh_username }} {{ ssh_password_hash }}") == 'o\'ne <&> "two" $6$salt$hash'


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ("a\n\n{{ nobody }}\nb", 3, "'nobody' is undefined", "known: name, ssh_password_hash, ssh_username"),
        ("{% if name %}\n{{ nobody }}{% endif %}", 2, "'nobody' is undefined", "known: name, "),
        ("{{ name.first }}", 1, "'str object' has no attribute 'first'", "known: name, "),
        ("{% macro f() %}\n{{ inner }}\n{% endmacro %}\n\n{{ f() }}", 2, "'inner' is undefined", "known: name, "),
        ("\n{% if %}", 2, "Expected an expression", "docs/image-settings.md"),
        ("\n\n{% if name %}", 3, "Unexpected end of template", "docs/image-settings.md"),
        ("\n{{ name | upcase }}", 2, "No filter named 'upcase'", "docs/image-settings.md"),
        ("\n{% include 'other' %}", 2, "no loader", "docs/image-settings.md"),
        ("\n\n{{ name + 1 }}", 3, "can only concatenate str", "docs/image-settings.md"),
        ("{{ name.__class__.__mro__ }}", 1, "'__class__' of 'str' object is unsafe", "docs/image-settings.md"),
        ("{{ 1 / 0 }}", 1, "division by zero", "docs/image-settings.md"),
    ],
)
def test_a_fault_has_its_line(text: str, line: int, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        of(text)
    (fault,) = caught.value.faults
    assert (fault.file, fault.line) == ("ks.cfg.j2", line)
    assert message in fault.message and hint in fault.hint
    assert "$6$salt$hash" not in str(caught.value)


def test_what_is_no_text() -> None:
    with pytest.raises(ConfigError, match=r"logo\.png\.j2:0:0: it is no text \(only a text's name ends in \.j2\)"):
        list(rendered([("logo.png.j2", b"\x89PNG")], VALUES))

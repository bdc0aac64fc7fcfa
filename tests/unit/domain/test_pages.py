"""Where an installer's pages are, and how that is said in the two words of Packer's templates."""

import pytest

from steps.domain.bootcommand import fill
from steps.domain.errors import Unsupported
from steps.domain.media import check_page_path, http_values, pages_url


@pytest.mark.parametrize(
    ("public_url", "base_url", "values"),
    [
        ("http://10.0.0.5:8080", "http://10.0.0.5:8080/p/tok", ("10.0.0.5", "8080/p/tok")),
        ("http://10.0.0.5", "http://10.0.0.5:80/p/tok", ("10.0.0.5", "80/p/tok")),
        ("http://Media.Example:8080/", "http://media.example:8080/p/tok", ("media.example", "8080/p/tok")),
        ("http://[fd00::5]:8080", "http://[fd00::5]:8080/p/tok", ("[fd00::5]", "8080/p/tok")),
        ("http://[fd00::5]", "http://[fd00::5]:80/p/tok", ("[fd00::5]", "80/p/tok")),
        ("http://lab/a/media/", "http://lab:80/a/media/p/tok", ("lab", "80/a/media/p/tok")),
    ],
)
def test_a_template_means_the_page(public_url: str, base_url: str, values: tuple[str, str]) -> None:
    assert pages_url(public_url, "tok") == base_url
    assert http_values(base_url) == values
    typed = "http://{{ .HTTPIP }}:{{ .HTTPPort }}/7/ks.cfg"
    assert fill(typed, {"HTTPIP": values[0], "HTTPPort": values[1]}) == f"{base_url}/7/ks.cfg"


@pytest.mark.parametrize("public_url", ["https://10.0.0.5", "10.0.0.5:8080", "http://", "ftp://x"])
def test_installers_read_http_only(public_url: str) -> None:
    with pytest.raises(Unsupported, match="no http URL"):
        pages_url(public_url, "tok")


@pytest.mark.parametrize(
    "base_url",
    ["http://10.0.0.5/p/tok", "https://x:1/p/t", "http://u:p@x:1/p", "http://fd00::5:80/p", "http://x:1/p?q", ""],
)
def test_a_url_without_a_port_has_no_values(base_url: str) -> None:
    with pytest.raises(Unsupported, match="no http URL with a port"):
        http_values(base_url)


@pytest.mark.parametrize("path", ["ks.cfg", "7/ks.cfg", "a b/ä%?#.cfg", "...", ".hidden", "a/..b"])
def test_paths_that_arrive(path: str) -> None:
    check_page_path(path, where="run/ks")

"""Where ISOs lie: what has the same checksum lies in the same place, and what is not whole lies in none."""

from steps.domain.image import cache
from steps.domain.image.plan import IsoSource

DIGEST = "0123456789abcdef" * 4
ISO = IsoSource(urls=("https://mirror.example.com/linux.iso",), name="linux.iso", digest=DIGEST)
UNCHECKED = ISO.model_copy(update={"digest": ""})


def test_a_checked_iso_is_every_runs() -> None:
    assert cache.folder_of(ISO, "run-1") == cache.folder_of(ISO, "run-2") == f"herasphere/iso/sha256-{DIGEST}"
    assert cache.path_of(ISO, "run-1") == f"herasphere/iso/sha256-{DIGEST}/linux.iso"


def test_another_kind_of_checksum_is_another_place() -> None:
    assert cache.folder_of(ISO.model_copy(update={"checksum": "md5"}), "run-1") == f"herasphere/iso/md5-{DIGEST}"


def test_an_unchecked_iso_is_its_runs_own() -> None:
    assert cache.folder_of(UNCHECKED, "one") == cache.unchecked_folder("one") == "herasphere/iso/run-one"
    assert cache.path_of(UNCHECKED, "one") == "herasphere/iso/run-one/linux.iso"
    assert cache.path_of(UNCHECKED, "one") != cache.path_of(UNCHECKED, "two")


def test_while_it_comes_it_is_not_where_a_whole_one_is_and_each_run_has_its_own() -> None:
    for iso in (ISO, UNCHECKED):
        assert cache.partial_path_of(iso, "one") == f"{cache.path_of(iso, 'one')}.one.part"
        places = {cache.partial_path_of(iso, "one"), cache.partial_path_of(iso, "two"), cache.path_of(iso, "one")}
        assert len(places) == 3

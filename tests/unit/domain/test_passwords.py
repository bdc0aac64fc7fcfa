import pytest
from hypothesis import given
from hypothesis import strategies as st
from passlib.hash import sha512_crypt

from steps.domain import passwords

TEXT = st.text(min_size=1, max_size=60).filter(lambda text: "\0" not in text)


@pytest.mark.parametrize(
    "password",
    ["xQaTEhb!", "xQaT3#A", "VMware1!", "Herasphere-1 lab", "aB3$def", "9aBcdef", "a2345B7" + "x" * 32],
)
def test_accepts(password: str) -> None:
    assert passwords.faults(password) == []


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("Xqat3hi", "fewer than 3 of"),  # the examples of the vSphere Security guide: leading upper case
        ("xQaTEh2", "fewer than 3 of"),  # trailing digit
        ("", "shorter than 7"),
        ("aB3$de", "shorter than 7"),
        ("a2345B7" + "x" * 33, "longer than 39"),
        ("password!", "fewer than 3 of"),
        ("aB1aB1aB1a", "fewer than 5 different"),
        ("pässW0rt!x", "printable ASCII"),
        ("aB3$def\n", "printable ASCII"),
        ("aB3$\tdef", "printable ASCII"),
        ("xyRoot#42z", "user name"),
    ],
)
def test_refuses(password: str, words: str) -> None:
    assert any(words in fault for fault in passwords.faults(password))


def test_all_faults_at_once() -> None:
    assert len(passwords.faults("root")) == 4  # short, two classes, three different characters, user name


def test_hash_is_the_published_one() -> None:
    # test vector of the SHA-crypt specification
    expected = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
    assert passwords.sha512_crypt("Hello world!", salt="saltstring") == expected


def test_hash_verifies_and_names_no_rounds() -> None:
    hashed = passwords.sha512_crypt("aB3$def", salt=passwords.salt(run="r1", host="esx01"))
    assert sha512_crypt.verify("aB3$def", hashed) and not sha512_crypt.verify("aB3$deg", hashed)
    assert hashed.count("$") == 3 and "rounds" not in hashed


@given(TEXT, TEXT)
def test_salt_is_one_crypt_takes(run: str, host: str) -> None:
    salt = passwords.salt(run=run, host=host)
    assert passwords.sha512_crypt("aB3$def", salt=salt).startswith(f"$6${salt}$")


def test_salt_differs_by_run_and_host() -> None:
    assert len({passwords.salt(run=run, host=host) for run in ("a", "b", "ab") for host in ("a", "b", "bb")}) == 9


@given(TEXT, TEXT, TEXT)
def test_one_time_password_is_always_accepted_and_shell_safe(root_password: str, run: str, host: str) -> None:
    password = passwords.one_time_password(root_password, run=run, host=host)
    assert passwords.faults(password) == []
    assert len(password) == 34
    assert all(c.isascii() and (c.isalnum() or c == "-") for c in password) and password[0].isalpha()


@pytest.mark.parametrize("index", range(len(passwords._GROUP)))
def test_one_time_password_needs_no_luck(index: int) -> None:
    # the least varied outcome: each group the same
    group = "".join(alphabet[0] for alphabet in passwords._GROUP[:index]) + "".join(
        alphabet[-1] for alphabet in passwords._GROUP[index:]
    )
    assert passwords.faults("-".join([group] * passwords._GROUPS)) == []


def test_one_time_password_depends_on_each_part() -> None:
    def of(root_password: str = "aB3$def", run: str = "r1", host: str = "esx01") -> str:
        return passwords.one_time_password(root_password, run=run, host=host)

    assert of() == of()
    assert len({of(), of(root_password="aB3$deg"), of(run="r2"), of(host="esx02"), of(run="r1esx", host="01")}) == 5

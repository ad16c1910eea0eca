from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacsweb.env import BY_NAME, ROOT, VARIABLES, Environment, SettingError


def test_unknown_name_is_refused_and_the_right_one_named() -> None:
    with pytest.raises(
        SettingError, match="PACSWEB_HTTP_PROT is not a setting of PACSWeb; did you mean PACSWEB_HTTP_PORT"
    ):
        Environment(environ={"PACSWEB_HTTP_PROT": "8000"})


@given(st.sampled_from(sorted(name for name in BY_NAME if name.startswith("PACSWEB_"))), st.data())
def test_any_single_typing_error_is_refused(name: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(min_value=len("PACSWEB_"), max_value=len(name) - 1))
    mistyped = name[:place] + name[place + 1 :]
    if mistyped in BY_NAME:
        return
    with pytest.raises(SettingError):
        Environment(environ={mistyped: "x"})


def test_foreign_names_are_none_of_our_business() -> None:
    Environment(environ={"HOME": "/root", "MY_PACSWEB_THING": "1", "_PACSWEB_TREE": "/x"})


def test_secret_is_read_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("from-a-file\n", encoding="utf-8")
    assert (
        Environment(environ={"PACSWEB_METRICS_TOKEN_FILE": str(secret)}).get("PACSWEB_METRICS_TOKEN") == "from-a-file"
    )


def test_value_and_file_together_are_a_contradiction(tmp_path: Path) -> None:
    env = Environment(environ={"PACSWEB_SECRET_KEY": "a", "PACSWEB_SECRET_KEY_FILE": str(tmp_path / "key")})
    with pytest.raises(SettingError, match="both set"):
        env.secret_key()


def test_missing_secret_file_is_named(tmp_path: Path) -> None:
    env = Environment(environ={"PACSWEB_SECRET_KEY_FILE": str(tmp_path / "absent")})
    with pytest.raises(SettingError, match="cannot be read: No such file"):
        env.secret_key()


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("PACSWEB_HTTP_PORT", "eighty", "a whole number"),
        ("PACSWEB_HTTP_PORT", "0", "a port number"),
        ("PACSWEB_HTTP_PORT", "70000", "a port number"),
        ("PACSWEB_WEB_WORKERS", "0", "at least 1"),
        ("PACSWEB_DEBUG", "maybe", "yes or no"),
        ("PACSWEB_DEMO", "tiny", "yes, small or no"),
        ("PACSWEB_LOG_FORMAT", "xml", "one of json, console"),
        ("PACSWEB_STORAGE_URL", "/srv/images", "file:// or s3://"),
        ("PACSWEB_STORAGE_URL", "s3:///images", "the name of a bucket"),
        ("PACSWEB_STORAGE_URL", "s3://images/pacs?endpont=https://minio", "whose only options are endpoint and region"),
        ("DATABASE_URL", "mysql://x", "postgres:// or postgresql://"),
    ],
)
def test_malformed_value_is_explained(name: str, value: str, complaint: str) -> None:
    with pytest.raises(SettingError, match=complaint):
        Environment(environ={name: value}).get(name)


def test_malformed_secret_is_not_repeated() -> None:
    with pytest.raises(SettingError) as caught:
        Environment(environ={"DATABASE_URL": "mysql://me:my-password@host/db"}).get("DATABASE_URL")
    assert "my-password" not in str(caught.value)


@pytest.mark.parametrize("key", ["short", "a" * 80])
def test_weak_secret_is_refused(key: str) -> None:
    with pytest.raises(SettingError, match="too weak"):
        Environment(environ={"PACSWEB_SECRET_KEY": key}).secret_key()


def test_empty_counts_as_not_set() -> None:
    assert Environment(environ={"PACSWEB_HTTP_PORT": ""}).get("PACSWEB_HTTP_PORT") == 8000


def test_every_variable_stands_in_the_operations_guide() -> None:
    guide = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for variable in VARIABLES:
        row = f"| `{variable.name}` | {variable.shown_default} | {variable.meaning} |"
        assert row in guide, f"docs/operations.md lacks this row:\n{row}"

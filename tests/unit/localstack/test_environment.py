"""What our processes find of the caller's environment."""

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from localstack import environment

INDEX = "https://index.example/simple"


@pytest.mark.parametrize("name", [
    "AWS_PROFILE", "AWS_ENDPOINT_URL_SQS", "AWS_CA_BUNDLE", "PGSERVICE", "PGOPTIONS", "USE_SSL", "LOCALSTACK_HOST",
    "PYTHONWARNINGS", "PYTHONHOME", "PIP_TARGET", "PYTEST_ADDOPTS", "HOST", "PUBLIC_URL", "VIRTUAL_ENV",
])  # fmt: skip
def test_what_leads_elsewhere_is_left_out(name: str) -> None:
    assert name not in environment.clean_environment({name: "elsewhere"})


@pytest.mark.parametrize("name", ["PATH", "HOME", "LC_ALL", "PORT", "ORDER_ENGINE_HOST", "PIP_INDEX_URL", "ALL_PROXY"])
def test_what_is_needed_is_kept(name: str) -> None:
    assert environment.clean_environment({name: "this"})[name] == "this"


def test_composing_twice_changes_nothing() -> None:
    once = environment.clean_environment({"PATH": "/bin", "NO_PROXY": "example.com", "no_proxy": "example.org"})
    assert environment.clean_environment(once) | once == once


@pytest.mark.parametrize("excepted", ["", "example.com", "localhost", " example.com , 127.0.0.1"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "rest.localhost.localstack.cloud"])
def test_no_proxy_is_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch, excepted: str, host: str) -> None:
    for name, value in environment.clean_environment(
        {"http_proxy": "http://proxy.example", "NO_PROXY": excepted}
    ).items():
        monkeypatch.setenv(name, value)
    assert urllib.request.proxy_bypass(f"{host}:3000")
    assert not urllib.request.proxy_bypass("example.org")


def test_an_exception_for_everything_stays_one() -> None:
    assert environment.clean_environment({"no_proxy": "*"})["no_proxy"] == "*"


def test_authorities_that_are_gone_are_left_out(tmp_path: Path) -> None:
    there = tmp_path / "authorities.pem"
    there.touch()
    cleaned = environment.clean_environment({"SSL_CERT_FILE": str(there), "REQUESTS_CA_BUNDLE": str(tmp_path / "gone")})
    assert cleaned["SSL_CERT_FILE"] == str(there)
    assert "REQUESTS_CA_BUNDLE" not in cleaned


@pytest.mark.parametrize(("columns", "kept"), [("80", True), ("1", False), ("0", False), ("wide", False)])
def test_a_terminal_too_narrow_for_a_word_is_not_believed(columns: str, *, kept: bool) -> None:
    assert ("COLUMNS" in environment.clean_environment({"COLUMNS": columns})) is kept


def test_this_process_can_be_given_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"PGHOST": "elsewhere", "LOCALSTACK_HOST": "kept", "PATH": "/bin"})
    environment.adopt_clean_environment("LOCALSTACK_HOST")
    assert "PGHOST" not in os.environ
    assert os.environ["LOCALSTACK_HOST"] == "kept"
    assert os.environ["AWS_CONFIG_FILE"] == os.devnull


@pytest.mark.parametrize(
    ("wanted", "usual", "encoding"),
    [
        ("", "utf-8", "utf-8:backslashreplace"),
        ("", "ISO-8859-1", "iso8859-1:backslashreplace"),
        ("latin-1:strict", "utf-8", "iso8859-1:backslashreplace"),
        ("none such", "utf-8", "utf-8:backslashreplace"),
    ],
)
def test_output_ends_no_command(wanted: str, usual: str, encoding: str) -> None:
    assert environment.output_encoding({"PYTHONIOENCODING": wanted}, usual) == encoding


def test_pip_installs_from_where_the_caller_says_and_to_where_we_say(tmp_path: Path) -> None:
    authorities = tmp_path / "authorities.pem"
    authorities.touch()
    configuration = tmp_path / "pip.conf"
    configuration.write_text(
        f"[global]\nindex-url = https://other.example/simple\nquiet = 3\ncert = {authorities}\nproxy = http://proxy:1\n"
        f"[install]\nuser = true\ntarget = /nowhere\nindex-url = {INDEX}\n"
    )
    given = {
        "PATH": os.defpath,
        "PIP_CONFIG_FILE": str(configuration),
        "PIP_PREFIX": "/nowhere",
        "PIP_VERSION": "1",
        "PIP_FIND_LINKS": "/wheels",
        "PIP_CLIENT_CERT": "/nowhere/key.pem",
    }
    cleaned = environment.pip_environment(given, sys.executable)
    assert {name: value for name, value in cleaned.items() if name.startswith("PIP_")} == {
        "PIP_INDEX_URL": INDEX,
        "PIP_CERT": str(authorities),
        "PIP_PROXY": "http://proxy:1",
        "PIP_FIND_LINKS": "/wheels",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_ROOT_USER_ACTION": "ignore",
    }
    listed = subprocess.run(
        [sys.executable, "-I", "-m", "pip", "config", "list"], env=cleaned, capture_output=True, text=True, check=True
    )
    assert "user" not in listed.stdout.replace("root-user-action", "")
    assert INDEX in listed.stdout


def test_a_broken_configuration_of_pip_s_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("no section = here\n")
    cleaned = environment.pip_environment(
        {"PATH": os.defpath, "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}, sys.executable
    )
    assert cleaned["PIP_CONFIG_FILE"] == os.devnull

"""The environment of our processes: what they need of the caller's, and nothing else.

A shell exports what it likes: a profile of AWS that is gone, a PGSERVICE, PYTHONWARNINGS=error, a proxy that would be
asked for 127.0.0.1. `./dev` composes the environment once, and whatever it starts inherits that. Standard library only:
`./dev` uses it before anything is installed.
"""

import ast
import codecs
import os
import re
import subprocess
from collections.abc import Mapping

_KEPT = frozenset(
    {
        *("HOME", "USER", "LOGNAME", "SHELL", "PATH", "TMPDIR", "TZ", "LANG", "LANGUAGE", "CI"),
        *("TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "LINES"),
        # How interpreters are found and started
        *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYENV_ROOT"),
        # For pip
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
        *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"),
        # Ours; PORT because everybody knows it
        *("PORT", "SIMULATED_DELAY_SCALE", "SIMULATED_FAULTS"),
    }
)
_KEPT_PREFIXES = ("LC_", "ORDER_ENGINE_", "PYTEST_XDIST_", "PYTEST_CURRENT_")
# A path that leads nowhere would fail the connection instead of choosing the usual authorities.
_KEPT_FILES = frozenset({"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"})
_PIP_FILES = frozenset({"cert", "client-cert"})
# From where pip installs; not where to, or how (`user`, `target`, `no-binary`, …).
_PIP_SETTINGS = _PIP_FILES | {
    *("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "proxy"),
    *("timeout", "default-timeout", "retries", "cache-dir", "keyring-provider"),
}
# The last is the name that LocalStack has on its own machine.
_LOOPBACK = ("localhost", "127.0.0.1", "::1", "[::1]", "localhost.localstack.cloud")
_NARROWEST_COLUMNS = 40
_PIP_SECONDS = 60
_PIP_LINE = re.compile(r"^([a-z]+)\.([a-z-]+)=(.*)$")


def _pip_name(key: str) -> str:
    return "PIP_" + key.upper().replace("-", "_")


_PIP_NAMES = {_pip_name(key): key for key in _PIP_SETTINGS}


def without_proxy_for_loopback(given: Mapping[str, str]) -> dict[str, str]:
    """The same, with this machine's own addresses excepted from whatever proxy is named."""
    # Lower case wins in urllib and requests where both are set.
    excepted = [part.strip() for part in (given.get("no_proxy") or given.get("NO_PROXY") or "").split(",")]
    if excepted != ["*"]:
        excepted = [*filter(None, excepted), *(name for name in _LOOPBACK if name not in excepted)]
    return {**given, "NO_PROXY": ",".join(excepted), "no_proxy": ",".join(excepted)}


def without_python_settings(given: Mapping[str, str]) -> dict[str, str]:
    """The same, without what would change how an interpreter of ours works or which modules it finds."""
    return {name: value for name, value in given.items() if not name.startswith("PYTHON") and name != "VIRTUAL_ENV"}


def _is_kept(name: str, value: str) -> bool:
    if name in _KEPT_FILES:
        return os.path.exists(value)  # noqa: PTH110  # whatever it holds, also what no path can be
    if name == "COLUMNS":
        return value.isdecimal() and int(value) >= _NARROWEST_COLUMNS
    return name in _KEPT or name in _PIP_NAMES or name.startswith(_KEPT_PREFIXES)


def clean_environment(given: Mapping[str, str]) -> dict[str, str]:
    """What the local commands, and so everything that they start, find of the caller's environment."""
    kept = {name: value for name, value in given.items() if _is_kept(name, value)}
    return {
        **without_proxy_for_loopback(kept),
        "PYTHONUTF8": "1",
        # Not the person's own either: a profile there can be broken or lead elsewhere, and the emulator needs none.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def adopt_clean_environment(*also_kept: str) -> None:
    """Gives this process the clean environment, where it was not started by `./dev` or with the caller's own."""
    wanted = clean_environment(os.environ) | {name: os.environ[name] for name in also_kept if name in os.environ}
    for name in [name for name in os.environ if name not in wanted and not name.startswith("PYTHON")]:
        del os.environ[name]
    os.environ.update(wanted)


def output_encoding(given: Mapping[str, str], usual: str) -> str:
    """PYTHONIOENCODING for our commands: a character that the terminal can't show ends none of them."""
    wanted = given.get("PYTHONIOENCODING", "").partition(":")[0]
    try:
        return f"{codecs.lookup(wanted or usual).name}:backslashreplace"
    except LookupError:
        return "utf-8:backslashreplace"


def _read_pip_config(python: str, environment: Mapping[str, str]) -> dict[str, str]:
    """What pip's configuration files say of the settings that are kept; nothing where they can't be read."""
    asked = subprocess.run(  # noqa: S603  # our own command line
        # As loud as it can be: the files may ask for silence.
        [python, "-I", "-m", "pip", "config", "list", "-vvv"],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        errors="replace",
        timeout=_PIP_SECONDS,
        check=False,
    )
    found = {}
    # As pip ranks them: a command's section over the global one.
    for wanted in ("global", "install", "download"):
        for line in asked.stdout.splitlines():
            match = _PIP_LINE.match(line)
            if match and match[1] == wanted and match[2] in _PIP_SETTINGS:
                found[match[2]] = str(ast.literal_eval(match[3]))
    return found


def pip_environment(given: Mapping[str, str], python: str) -> dict[str, str]:
    """What `python -m pip` runs with: the caller's index, proxy and authorities, but none of the settings that install
    elsewhere or otherwise.
    """
    base = {name: value for name, value in clean_environment(given).items() if not name.startswith("PIP_")}
    files = {name: given[name] for name in ("PIP_CONFIG_FILE",) if name in given}
    exported = {_PIP_NAMES[name]: value for name, value in given.items() if name in _PIP_NAMES}
    settings = {**_read_pip_config(python, {**base, **files}), **exported}
    chosen = {
        _pip_name(key): value
        for key, value in settings.items()
        if key not in _PIP_FILES or os.path.exists(value)  # noqa: PTH110
    }
    return {**base, **chosen, "PIP_CONFIG_FILE": os.devnull, "PIP_ROOT_USER_ACTION": "ignore", "PYTHONUNBUFFERED": "1"}

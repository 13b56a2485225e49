"""Fetch pip's wheel with the standard library alone, for a Python that comes without pip (Debian's bare python3).

Usage: download_pip.py VERSION SHA256 FOLDER; prints the path of the verified wheel. The package index, local wheel
folders and certificates are those that pip itself would use: PIP_* variables first, then pip's configuration files.
"""

from __future__ import annotations

import configparser
import hashlib
import os
import ssl
import sys
import urllib.parse
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

DEFAULT_INDEX = "https://pypi.org/simple"
TIMEOUT_SECONDS = 60


def configuration_files(environment: dict[str, str]) -> list[Path]:
    """Pip's configuration files, weakest first."""
    home = Path(environment.get("HOME") or "/nonexistent")
    user = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf"), home / ".pip/pip.conf", user / "pip/pip.conf"]
    chosen = environment.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return []
    return [*files, Path(chosen)] if chosen else files


def pip_setting(name: str, environment: dict[str, str]) -> str | None:
    """The value pip would use for an option such as ``index-url``; ``None`` when it is not set."""
    variable = environment.get("PIP_" + name.upper().replace("-", "_"))
    if variable:
        return variable
    value: str | None = None
    for path in configuration_files(environment):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue
        for section in ("global", "install"):
            value = parser.get(section, name, fallback=value)
    return value


class Links(HTMLParser):
    """Collects the targets of all links of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember the target of one link."""
        self.targets += [value for name, value in attrs if tag == "a" and name == "href" and value]


def fetch(url: str, context: ssl.SSLContext) -> tuple[bytes, str]:
    """Read a URL, with its user name and password if it has them; returns the content and the final URL."""
    parts = urllib.parse.urlsplit(url)
    request = urllib.request.Request(url, headers={"User-Agent": "avatar-studio-setup"})
    if parts.username:
        login = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        host = parts.netloc.rpartition("@")[2]
        request = urllib.request.Request(parts._replace(netloc=host).geturl(), headers=dict(request.headers))
        request.add_header("Authorization", "Basic " + b64encode(login.encode()).decode())
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=context) as response:
        return response.read(), response.geturl()


def places(wheel: str, environment: dict[str, str], context: ssl.SSLContext) -> Iterator[str]:
    """URLs where the wheel may be: local wheel folders first, then every configured index."""
    for folder in (pip_setting("find-links", environment) or "").split():
        path = Path(folder.removeprefix("file://")) / wheel
        if path.is_file():
            yield path.resolve().as_uri()
    indexes = [pip_setting("index-url", environment) or DEFAULT_INDEX]
    indexes += (pip_setting("extra-index-url", environment) or "").split()
    for index in indexes:
        page = index.rstrip("/") + "/pip/"
        try:
            content, base = fetch(page, context)
        except (OSError, ValueError) as error:
            print(f"{page}: {error}", file=sys.stderr)
            continue
        for target in Links(content.decode("utf-8", "replace")).targets:
            if urllib.parse.urlsplit(target).path.rsplit("/", 1)[-1] == wheel:
                yield urllib.parse.urljoin(base, target)


def certificates(environment: dict[str, str]) -> ssl.SSLContext:
    """The certificates to trust: those configured for pip, else the system's, else the file given as a last resort."""
    configured = pip_setting("cert", environment) or environment.get("REQUESTS_CA_BUNDLE")
    context = ssl.create_default_context(cafile=configured)
    fallback = environment.get("AVATAR_STUDIO_FALLBACK_CERTIFICATES")
    if fallback and configured is None and not context.cert_store_stats()["x509_ca"] and not has_system_folder():
        context.load_verify_locations(fallback)
    return context


def has_system_folder() -> bool:
    """Whether the system's certificate folder holds anything (it is read only when a connection is made)."""
    folder = ssl.get_default_verify_paths().capath
    return bool(folder and os.path.isdir(folder) and os.listdir(folder))


def download(version: str, sha256: str, folder: Path, environment: dict[str, str]) -> Path:
    """Save the wheel of this pip version under ``folder``.

    Raises:
        SystemExit: with a sentence, when no configured place has a file with this SHA-256.
    """
    wheel = f"pip-{version}-py3-none-any.whl"
    context = certificates(environment)
    for url in places(wheel, environment, context):
        try:
            content, _ = fetch(url, context)
        except (OSError, ValueError) as error:
            print(f"{url}: {error}", file=sys.stderr)
            continue
        if hashlib.sha256(content).hexdigest() == sha256:
            target = folder / wheel
            target.write_bytes(content)
            return target
        print(f"{wheel}: the downloaded file is damaged or not the published one", file=sys.stderr)
    raise SystemExit(f"pip {version} could not be downloaded from the configured package index")


if __name__ == "__main__":
    print(download(sys.argv[1], sys.argv[2], Path(sys.argv[3]), dict(os.environ)))

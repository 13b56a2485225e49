"""Lists of files on the hub or a mirror of it, with sizes and checksums."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass

import httpx2

from live_avatar.errors import UserError
from live_avatar.store.pace import Pace

_REPOSITORY = re.compile(r"[A-Za-z0-9_][\w.\-]*/[A-Za-z0-9_][\w.\-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_GIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository: bytes, and its checksum as in a record."""

    bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class HubListing:
    """A repository at one commit."""

    repository: str
    commit: str
    files: dict[str, HubFile]


def check_repository(name: str) -> str:
    """Refuse what is no ``owner/name``.

    Raises:
        UserError: ``MODEL_REPOSITORY_INVALID``.
    """
    if _REPOSITORY.fullmatch(name) is None or ".." in name:
        raise UserError(
            "MODEL_REPOSITORY_INVALID",
            f'"{name}" is not the name of a model on the hub.',
            "Names look like owner/name.",
            "Copy the name from the model's page.",
            field="repo",
        )
    return name


def list_repository(
    endpoint: str, repository: str, revision: str, make_client: Callable[[], httpx2.Client], pace: Pace
) -> HubListing:
    """Ask for all files of a repository.

    Args:
        endpoint: address of the hub or mirror.
        repository: ``owner/name``.
        revision: branch, tag or commit.
        make_client: a client that knows proxy and patience; the library closes it when it likes.
        pace: how long to go on trying.

    Raises:
        UserError: ``MODEL_NOT_ON_HUB``, ``MODEL_ACCESS_REFUSED``, ``MODEL_LIST_UNUSABLE``, ``MODEL_SERVER_…``.
        Cancelled: the user stopped it.
    """
    # Without, the library tells the hub what it finds on this machine. It reads this once, when it is imported; another
    # part of the program may have done that before.
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    from huggingface_hub import HfApi, constants, set_client_factory
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    constants.HF_HUB_DISABLE_TELEMETRY = True
    set_client_factory(make_client)
    api = HfApi(endpoint=endpoint, token=False, library_name="avatar-studio")

    def ask() -> HubListing:
        try:
            found = api.model_info(
                repository, revision=revision, files_metadata=True, timeout=pace.patience.silence_seconds
            )
        except HFValidationError as error:
            raise _unusable(repository, endpoint, str(error)) from error
        except HfHubHTTPError as error:
            status = error.response.status_code
            if status == 404 or (status == 401 and "X-Error-Code" in error.response.headers):
                raise not_on_hub(endpoint, repository, revision) from error
            if status in (401, 403):
                raise access_refused(endpoint, repository) from error
            if status in (408, 425, 429) or status >= 500:
                raise pace.busy(error.response) from error
            raise _unusable(repository, endpoint, f"it answered with status {status}") from error
        except (ValueError, TypeError, KeyError) as error:
            raise _unusable(repository, endpoint, "its answer is not in the form of the hub") from error
        files: dict[str, HubFile] = {}
        for sibling in found.siblings or []:
            if sibling.lfs is not None and _SHA256.fullmatch(sibling.lfs.sha256) is not None:
                files[sibling.rfilename] = HubFile(int(sibling.lfs.size), f"sha256:{sibling.lfs.sha256}")
            elif (
                sibling.size is not None and sibling.blob_id is not None and _GIT.fullmatch(sibling.blob_id) is not None
            ):
                files[sibling.rfilename] = HubFile(int(sibling.size), f"git:{sibling.blob_id}")
        if found.sha is None or _GIT.fullmatch(found.sha) is None or any(file.bytes < 0 for file in files.values()):
            raise _unusable(repository, endpoint, "its list lacks the commit or sizes")
        return HubListing(repository, found.sha, files)

    return pace.patiently(ask)


def not_on_hub(endpoint: str, repository: str, what: str) -> UserError:
    """A repository, revision or file that the hub does not have."""
    return UserError(
        "MODEL_NOT_ON_HUB",
        f"{repository} ({what}) is not on {endpoint}.",
        "The server says that it does not have it.",
        "Check the name; a mirror may lack it: try without one.",
        field="repo",
    )


def access_refused(endpoint: str, repository: str) -> UserError:
    """The hub wants a sign-in, or a proxy refuses."""
    return UserError(
        "MODEL_ACCESS_REFUSED",
        f"{endpoint} does not give out {repository}.",
        "The server or a proxy on the way refuses the request; nothing is ever sent to sign in.",
        "Check proxy and mirror; or download the files in a browser and import the folder.",
        field="repo",
    )


def _unusable(repository: str, endpoint: str, why: str) -> UserError:
    return UserError(
        "MODEL_LIST_UNUSABLE",
        f"The list of files of {repository} cannot be used.",
        f"{endpoint}: {why}.",
        "Check the address of the mirror, or try without one.",
        field="endpoint",
    )

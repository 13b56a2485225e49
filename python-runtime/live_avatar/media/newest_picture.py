"""A picture of the block that was made last, for eyes that cannot wait for its clip."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from live_avatar.media.atomic import explain_disk_errors, temporary_name
from live_avatar.vae.frame_copies import Frame

PICTURE_NAME = "newest.jpg"
_QUALITY = 88


def write_picture(path: Path, picture: Frame) -> None:
    """Put ``picture`` (uint8 RGB [height, width, 3]) at ``path`` as JPEG, in place of the one before.

    Whoever looks sees one or the other, whole. It is not flushed to the device: the next one comes soon.

    Raises:
        UserError: ``DISK_FULL``.
    """
    temporary = temporary_name(path)
    try:
        with explain_disk_errors(path):
            Image.fromarray(picture).save(temporary, "JPEG", quality=_QUALITY)
            os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

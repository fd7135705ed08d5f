"""Where a sign-in link leads, and the file in which the newest one lies."""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings
from django.urls import reverse

FILE_NAME = "sign-in-link"


def sign_in_url(secret: str, base_url: str) -> str:
    """``base_url`` is where the browser of this machine finds us: ``http://127.0.0.1:8000``."""
    return base_url.rstrip("/") + reverse("signin-link", args=[secret])


def write_link(url: str) -> Path:
    """Keep the link in a file that only its owner reads: a terminal may be gone, and a log must not hold it."""
    path: Path = settings.VAR_DIR / FILE_NAME
    aside = path.with_name(f"{FILE_NAME}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(url + "\n")
    aside.replace(path)
    return path

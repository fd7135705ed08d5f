"""How long pieces of work may take."""

from __future__ import annotations

CHUNK_SECONDS = 4.0  # of a chunk: what is begun by then is finished
# What a provider may take for what it was asked after that; then its connection is closed, which ends the wait.
PATIENCE_SECONDS = 30.0

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import django
import pytest

django.setup()  # tests/conftest.py has named the settings; test modules import models


@pytest.fixture
async def hub(redis_client: object) -> AsyncIterator[Any]:
    """The hub of the test's event loop."""
    from tests.quotes.live import hub_of_this_loop

    async with hub_of_this_loop() as hub:
        yield hub

"""What the schema says about syncs."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from marketdata.models import SyncItem, SyncRun
from marketdata.serializers import PROBLEM

ORDER = """Brings series up to date in the background. The answer is a run; its `url` tells how far it is.

Choose symbols by name, by a filter over the registry, or both. Without `start` each series is filled as far back as its
provider goes; without `intervals` all 13 are. Only what is missing or unconfirmed is asked for, unless
`missing_only` is false. `dry_run` answers with the plan: missing ranges, requests, about how long. `wait` answers
when it is done; for one series of at most 5,000 bars.

```
curl -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -H 'Idempotency-Key: 7c1d' \\
  'http://127.0.0.1:8000/api/v1/sync' -d '{"symbols": ["DEMO:BTCUSD"], "intervals": ["1h", "1d"]}'
```
```python
session = requests.Session()
session.headers["Authorization"] = f"Bearer {token}"
run = session.post("http://127.0.0.1:8000/api/v1/sync", json={"filter": {"exchange": ["DEMO"]}}).json()
while session.get(run["url"]).json()["state"] == "running":
    time.sleep(1)
```"""
KEY = "The same key with the same body gives the same run, so that a request may safely be sent again."
ACTIONS = """`pause` starts nothing more, `resume` goes on, `cancel` ends the run (what is stored stays), `retry` tries
what failed, is not whole or was cancelled once more: at once, or where the run is paused, when it is resumed. 409 if
the run's state does not allow it."""
EXAMPLES = [
    OpenApiExample("One symbol", value={"symbols": ["DEMO:BTCUSD"], "intervals": ["1h", "1d"]}, request_only=True),
    OpenApiExample(
        "An exchange, as a dry run", value={"filter": {"exchange": ["DEMO"]}, "dry_run": True}, request_only=True
    ),
]
_LIMIT = OpenApiParameter("limit", int, description="at most so many")
_CURSOR = OpenApiParameter("cursor", str, description="from `next`")
LIST_PARAMETERS = [
    OpenApiParameter("state", str, many=True, enum=SyncRun.State.values, description="repeat for several"),
    OpenApiParameter("kind", str, many=True, enum=SyncRun.Kind.values),
    OpenApiParameter(
        "idle",
        str,
        enum=["true", "false"],
        description="runs that nobody ordered and that found all up to date, or the others",
    ),
    _LIMIT,
    _CURSOR,
]
ITEM_PARAMETERS = [
    OpenApiParameter("state", str, many=True, enum=SyncItem.State.values, description="of the series"),
    _LIMIT,
    _CURSOR,
]


def problems(*statuses: int) -> dict[int, OpenApiResponse]:
    return dict.fromkeys(statuses, PROBLEM)

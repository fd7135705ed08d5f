from django.urls import path, re_path

from marketdata.sync_api import SyncRunAction, SyncRunDetail, SyncRunList, SyncView

urlpatterns = [
    path("sync", SyncView.as_view(), name="sync"),
    path("sync/runs", SyncRunList.as_view(), name="sync-runs"),
    path("sync/runs/<int:run_id>", SyncRunDetail.as_view(), name="sync-run"),
    re_path(
        r"^sync/runs/(?P<run_id>[0-9]{1,18})/(?P<action>pause|resume|cancel|retry)$",
        SyncRunAction.as_view(),
        name="sync-run-action",
    ),
]

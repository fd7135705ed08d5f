from django.apps import AppConfig


class MarketdataConfig(AppConfig):
    name = "marketdata"

    def ready(self) -> None:
        from django.conf import settings

        from marketdata import receivers  # noqa: F401  # connects them
        from marketdata.queue_settings import check_queue

        check_queue(settings.Q_CLUSTER)

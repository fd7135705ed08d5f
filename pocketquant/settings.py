"""All settings. Whatever varies is read from the environment (or `.env`) and checked here, at start."""

from __future__ import annotations

import secrets
from pathlib import Path

import environ

from pocketquant.embedded import paths

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
env.read_env(BASE_DIR / ".env")

VAR_DIR = Path(env.str("POCKETQUANT_VAR", default=str(BASE_DIR / "var"))).resolve()
VAR_DIR.mkdir(parents=True, exist_ok=True)


def _secret_key() -> str:
    """The key from the environment, else one made at first start and kept in a 0600 file."""
    given: str = env.str("SECRET_KEY", default="")
    if given:
        return given
    path = VAR_DIR / "secret_key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(50))
    return path.read_text().strip()


SECRET_KEY = _secret_key()
DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])

# Stores: unset means the embedded servers that `manage.py up` starts.
MONGODB_URI = env.str("MONGODB_URI", default=paths.mongodb_uri(VAR_DIR))
MONGODB_DATABASE = env.str("MONGODB_DATABASE", default="pocketquant")
REDIS_URL = env.str("REDIS_URL", default=paths.redis_url(VAR_DIR))


def redis_url(number: int) -> str:
    """URL of Redis database ``number``: 0 live state, 1 Django's cache, 2 channel layer."""
    return f"{REDIS_URL}?db={number}" if REDIS_URL.startswith("unix:") else f"{REDIS_URL.rstrip('/')}/{number}"


DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'pocketquant.sqlite3'}")}
IS_SQLITE = DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3"
if IS_SQLITE:
    # Without IMMEDIATE, a transaction that reads first and then writes fails at once when another writes.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
# A file also in tests: other threads and processes must see the same database.
DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")} if IS_SQLITE else {}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "daphne",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_structlog",
    "django_filters",
    "django_q",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "accounts",
    "symbols",
    "marketdata",
    "quotes",
    "web",
    "pocketquant",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
AUTH_USER_MODEL = "accounts.User"
CSRF_FAILURE_VIEW = "pocketquant.error_pages.csrf_failure"
ROOT_URLCONF = "pocketquant.urls"
ASGI_APPLICATION = "pocketquant.asgi.application"
WSGI_APPLICATION = "pocketquant.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]

TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "en"

CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis_url(1)}}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        # redis-py 8 gives sockets a timeout of 5 s, which would end every quiet subscription.
        "CONFIG": {"hosts": [{"address": redis_url(2), "socket_timeout": None}]},
    }
}
Q_CLUSTER = {
    "name": "pocketquant",
    "orm": "default",
    "workers": 2,
    "timeout": 60,
    "retry": 75,
    "ack_failures": True,
    "max_attempts": 1,
    "catch_up": False,
    "poll": 0.5,
    "bulk": 1,
    "recycle": 500,
    "save_limit": 1000,
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "pocketquant.exception_handler.problem_json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "PocketQuant",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# The feed
TRADINGVIEW_URL = env.str("TRADINGVIEW_URL", default="wss://data.tradingview.com/socket.io/websocket")
TRADINGVIEW_SEARCH_URL = env.str(
    "TRADINGVIEW_SEARCH_URL", default="https://symbol-search.tradingview.com/symbol_search/v3/"
)
TRADINGVIEW_TOKEN = env.str("TRADINGVIEW_TOKEN", default="")
DEMO_MARKET_URL = env.str("DEMO_MARKET_URL", default="ws://127.0.0.1:8765/socket.io/websocket")

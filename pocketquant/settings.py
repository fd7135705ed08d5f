"""All settings. Whatever varies is read from the environment (or `.env`) and checked here, at start."""

from __future__ import annotations

import logging
import os
import secrets
import sys
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from pocketquant import admin_look, logs
from pocketquant.embedded import lock, paths
from pocketquant.environment import Environment

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment.load(Path(os.environ.get("POCKETQUANT_ENV_FILE", BASE_DIR / ".env")))
ENVIRONMENT_WARNINGS = env.warnings

VAR_DIR = Path(env.text("POCKETQUANT_VAR", str(BASE_DIR / "var"))).resolve()
try:
    VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
except OSError as error:
    raise ImproperlyConfigured(
        f"The data folder cannot be made: {error}. Set POCKETQUANT_VAR to one that can."
    ) from None
if not os.access(VAR_DIR, os.W_OK | os.X_OK):
    raise ImproperlyConfigured(
        f"The data folder {VAR_DIR} cannot be written. Change its owner, or set POCKETQUANT_VAR to another."
    )


def _secret_key() -> str:
    """The key from the environment, else one made at first start and kept in a 0600 file."""
    path = VAR_DIR / "secret_key"
    if env.given("SECRET_KEY"):
        return env.text("SECRET_KEY")
    if not path.exists():
        # Written aside and linked into place: of several processes that start at once, one wins, whole.
        aside = VAR_DIR / f"secret_key.{os.getpid()}"
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(50))
        try:
            os.link(aside, path)
        except FileExistsError:
            pass  # the other one won
        finally:
            aside.unlink()
    return path.read_text().strip()


try:
    SECRET_KEY = _secret_key()
except OSError as error:
    raise ImproperlyConfigured(
        f"The data folder cannot be used: {error}. Is it another user's? Change its owner, or set POCKETQUANT_VAR."
    ) from None
DEBUG = env.flag("DEBUG")
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.names("CSRF_TRUSTED_ORIGINS", [])

# Where `manage.py up` listens; the next free port is taken if this one is not.
HOST = env.text("POCKETQUANT_HOST", "127.0.0.1")
PORT = env.port("POCKETQUANT_PORT", 8000)

# Stores: unset means the embedded servers that `manage.py up` starts.
MONGODB_IS_EMBEDDED = not env.given("MONGODB_URI")
MONGODB_URI = env.url("MONGODB_URI", paths.mongodb_uri(VAR_DIR), ("mongodb", "mongodb+srv"))
MONGODB_DATABASE = env.text("MONGODB_DATABASE", "pocketquant")
REDIS_IS_EMBEDDED = not env.given("REDIS_URL")
REDIS_URL = env.redis("REDIS_URL", paths.redis_url(VAR_DIR))


def redis_url(number: int) -> str:
    """URL of Redis database ``number``: 0 live state, 1 Django's cache, 2 channel layer."""
    return f"{REDIS_URL}?db={number}" if REDIS_URL.startswith("unix:") else f"{REDIS_URL}/{number}"


DATABASES: dict[str, dict[str, Any]] = {
    "default": env.database(
        "DATABASE_URL", {"ENGINE": "django.db.backends.sqlite3", "NAME": str(VAR_DIR / "pocketquant.sqlite3")}
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Without IMMEDIATE, a transaction that reads first and then writes fails at once when another writes.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    # A file also in tests: other threads and processes must see the same database.
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "unfold",
    # Its pages are found by urls.py, so that only the web process imports them (0.4 s for each of the others).
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_structlog",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "accounts",
    "symbols",
    "marketdata",
    "django_q",  # below the app whose command qcluster replaces its own
    "quotes",
    "web",
    "pocketquant",
]
MIDDLEWARE = [
    "pocketquant.middleware.RequestId",
    "pocketquant.csp.ContentSecurityPolicy",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "pocketquant.error_pages.ErrorPages",
    # Innermost and synchronous, so that the whole chain runs in one hop to a thread; see the class.
    "pocketquant.middleware.SignInRequired",
]
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

# Static files are served from where they lie; `collectstatic` is only for those who put a proxy in front.
STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 0  # ask again each time (304 if unchanged): after an update nobody runs old scripts

TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "en"

# Who may come in
AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "signin"
LOGIN_REDIRECT_URL = "/"
CSRF_FAILURE_VIEW = "pocketquant.error_pages.csrf_failure"
SESSION_COOKIE_NAME = "pocketquant_session"  # cookies know no port: other sites on this machine use Django's name
SESSION_COOKIE_AGE = 30 * 24 * 3600
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if env.flag("BEHIND_TLS_PROXY"):
    # Only then is the proxy's word on the scheme trusted; anybody can send such a header.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_HSTS_SECONDS = 3600

FORMING_BARS = "quotes.forming.read_forming"  # whom history asks for the bars that are forming now
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis_url(1)}}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        # redis-py 8 gives sockets a timeout of 5 s, which would end every quiet subscription.
        "CONFIG": {"hosts": [{"address": redis_url(2), "socket_timeout": None}]},
    }
}
Q_CLUSTER: dict[str, Any] = {
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
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.SessionAuthentication",
        "accounts.authentication.TokenAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "accounts.permissions.ScopeAllows",
    ],
    "DEFAULT_PARSER_CLASSES": ["pocketquant.parsers.BoundedJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "pocketquant.exception_handler.problem_json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "PocketQuant API",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    # Two fields are called state; left alone, one of them would be named by a number.
    "ENUM_NAME_OVERRIDES": {
        "SyncRunState": "marketdata.models.SyncRun.State",
        "SyncItemState": "marketdata.models.SyncItem.State",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "pocketquant.schema.say_problems",
        "pocketquant.snippets.give_snippets",
    ],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": f"{STATIC_URL}img/mark.svg",
    "REDOC_DIST": "SIDECAR",
    # Its own fonts, not those of another host.
    "REDOC_UI_SETTINGS": {
        "theme": {"typography": {"fontFamily": "sans-serif", "headings": {"fontFamily": "sans-serif"}}}
    },
}
UNFOLD = admin_look.look(STATIC_URL)

# The feed
TRADINGVIEW_URL = env.url("TRADINGVIEW_URL", "wss://data.tradingview.com/socket.io/websocket", ("wss", "ws"))
TRADINGVIEW_SEARCH_URL = env.url(
    "TRADINGVIEW_SEARCH_URL", "https://symbol-search.tradingview.com/symbol_search/v3/", ("https", "http")
)
TRADINGVIEW_TOKEN = env.text("TRADINGVIEW_TOKEN")
DEMO_MARKET_PORT = env.port("DEMO_MARKET_PORT", 8765)
DEMO_MARKET_IS_EMBEDDED = not env.given("DEMO_MARKET_URL")
# A supervisor that found the port taken says where its demo market is; commands run beside it must find it.
_running = lock.alive(VAR_DIR)
DEMO_MARKET_URL = env.url(
    "DEMO_MARKET_URL",
    (_running and _running.demo_market_url) or f"ws://127.0.0.1:{DEMO_MARKET_PORT}/socket.io/websocket",
    ("ws", "wss"),
)
# How many requests of history a minute all our processes together make of each provider.
REQUESTS_PER_MINUTE = {
    "demo": env.count("DEMO_REQUESTS_PER_MINUTE", 12_000),
    "tradingview": env.count("TRADINGVIEW_REQUESTS_PER_MINUTE", 120),
}
# How many bars back from now each provider's history reaches; it depends on what the account may see.
WINDOW_BARS = {
    "demo": env.count("DEMO_WINDOW_BARS", 5_000),
    "tradingview": env.count("TRADINGVIEW_WINDOW_BARS", 5_000),
}
BASE_URL = (_running and _running.url) or f"http://127.0.0.1:{PORT}"

# Logs
logs.hide([TRADINGVIEW_TOKEN, SECRET_KEY])
LOGGING_CONFIG = "logging.config.dictConfig"
LOGGING = logs.configuration(
    env.one_of("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
)
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG  # one line a request: when it is finished
DJANGO_STRUCTLOG_STATUS_4XX_LOG_LEVEL = logging.INFO
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True  # `RequestId` has replaced it if it was not fit
sys.excepthook = logs.log_uncaught

env.check()

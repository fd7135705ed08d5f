"""For those who serve plain HTTP from a WSGI server beside daphne, which keeps the sockets; docs/api.md tells how."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pocketquant.settings")
application = get_wsgi_application()

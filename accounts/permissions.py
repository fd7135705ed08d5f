"""What a token's scope allows; a session may all that its person may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts.models import ApiToken

if TYPE_CHECKING:
    from rest_framework.views import APIView


class ScopeAllows(BasePermission):
    """Reading needs the scope ``read``; else ``scope`` of the view, and ``admin`` where it says none."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        token = request.auth
        if not isinstance(token, ApiToken):
            return True
        scope = ApiToken.Scope.READ if request.method in SAFE_METHODS else self._scope(view)
        self.message = f"The scope of this token is {token.scope}; this needs {scope}."
        return token.may(scope)

    def _scope(self, view: APIView) -> ApiToken.Scope:
        return ApiToken.Scope(getattr(view, "scope", ApiToken.Scope.ADMIN))

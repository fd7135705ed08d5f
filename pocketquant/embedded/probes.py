"""Does a TCP server answer yet? Asked without ever waiting, since one loop looks after all."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import urllib.error
import urllib.request


class HttpProbe:
    """Asks once for a page and then only looks whether the answer has come."""

    def __init__(self, host: str, port: int, path: str = "/livez") -> None:
        self._address = ("127.0.0.1" if host in ("", "0.0.0.0") else host, port)  # noqa: S104 - compared, not bound
        self._request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
        self._socket: socket.socket | None = None

    def reset(self) -> None:
        """Forget a question that was put to a process that has ended."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def answers(self) -> bool:
        """True once an HTTP answer of any status below 500 has come: the process is there and speaks."""
        try:
            if self._socket is None:
                self._socket = socket.create_connection(self._address, timeout=1)
                self._socket.sendall(self._request)
            if not select.select([self._socket], [], [], 0)[0]:
                return False
            answer = self._socket.recv(64)
        except OSError:
            self.reset()
            return False
        self.reset()
        return answer.startswith(b"HTTP/1.") and answer[9:10] in (b"2", b"3", b"4")


def accepts_tcp(host: str, port: int) -> bool:
    """True if something listens there."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=0.5):
        return True
    return False


def unwell(address: str, *, timeout_seconds: float = 10.0) -> dict[str, str]:
    """The checks on the site's readiness page that do not pass, and what each says. This one waits for its answer."""
    try:
        with urllib.request.urlopen(address, timeout=timeout_seconds) as answer:  # noqa: S310 - our own http address
            body = answer.read()
    except urllib.error.HTTPError as error:
        with error:
            body = error.read()
    except OSError as error:
        return {"The site": str(error)}
    checks = json.loads(body)["checks"]
    return {name: check["said"] for name, check in checks.items() if check["status"] != "pass"}

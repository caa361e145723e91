"""A time limit that a server cannot stretch by sending a byte now and then."""

import http.client
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

__all__ = ["Deadline"]


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Redirects that close the answer even if it leads to an address that is none."""

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        """Follow it, or raise what is wrong with its address."""
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except ValueError:
            fp.close()
            raise

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


class Deadline:
    """A moment `seconds` from now.

    >>> print(Deadline(90))
    90 seconds
    """

    def __init__(self, seconds: float):
        self.seconds, self.end = seconds, time.monotonic() + seconds

    def __str__(self) -> str:
        return f"{self.seconds:g} seconds"

    def left(self) -> float:
        """Seconds to it; 0 past it."""
        return max(0.0, self.end - time.monotonic())

    @contextmanager
    def cutting(self) -> Iterator[urllib.request.OpenerDirector]:
        """An opener whose connections are cut when the moment comes, whatever they wait for then.

        A socket's own timeout starts anew with every byte.
        """
        sockets: list[socket.socket] = []

        def cut() -> None:
            for one in sockets:
                with suppress(OSError):
                    socket.socket.shutdown(one, socket.SHUT_RDWR)  # not TLS's own, which would wait for the other end

        class Http(http.client.HTTPConnection):
            def connect(self) -> None:
                super().connect()
                sockets.append(self.sock)

        class Https(http.client.HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                sockets.append(self.sock)

        class HttpHandler(urllib.request.HTTPHandler):
            def http_open(self, req: urllib.request.Request) -> Any:
                return self.do_open(Http, req)

        class HttpsHandler(urllib.request.HTTPSHandler):
            def https_open(self, req: urllib.request.Request) -> Any:
                return self.do_open(Https, req)

        timer = threading.Timer(self.left(), cut)
        timer.daemon = True
        timer.start()
        try:
            yield urllib.request.build_opener(HttpHandler, HttpsHandler, _Redirects)
        finally:
            timer.cancel()

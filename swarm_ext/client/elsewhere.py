"""Attributes that other clients have and this one has not: who asks for one is told how it is done here."""

from __future__ import annotations

from typing import Never


class Elsewhere:
    """Stands where an attribute is not. To read or to set it raises AttributeError, so that `hasattr` is false."""

    def __init__(self, instead: str) -> None:
        self._instead = instead

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type | None = None) -> Never:
        raise self._lack(owner or type(instance))

    def __set__(self, instance: object, value: object) -> None:
        raise self._lack(type(instance))

    def _lack(self, owner: type) -> AttributeError:
        return AttributeError(f"{owner.__name__!r} object has no attribute {self._name!r}: {self._instead}")


class OfTheUserClass:
    """What is set on an HttpSession for all requests: here a session is one arrival's, and its user class has the settings.

    To take it silently would be to send requests without it.
    """

    headers = Elsewhere("give default_headers to the user class, or headers= to the request")
    auth = Elsewhere(
        "put name and password into the host, as in http://name:password@shop, or give auth= to the request"
    )
    verify = Elsewhere("certificates are checked if the user class sets insecure = False")
    cert = Elsewhere("give the user class an ssl_context_factory")
    proxies = Elsewhere("give the user class proxy_host and proxy_port")
    trust_env = Elsewhere(
        "nothing is taken from the environment: give the user class proxy_host and proxy_port"
    )
    cookies = Elsewhere("self.client.cookiejar has them, for this arrival")
    params = Elsewhere("give params= to the request")
    hooks = Elsewhere("listen to Locust's request event")
    mount = Elsewhere("there are no adapters: the user class has the settings of the connections")

"""The two HTTP applications. They answer from memory: what they are given is a callable that returns the state."""

import ipaddress
import json
import re
import time
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from sidecar.readiness import State
from sidecar.report import Conclusion, to_json, to_text
from sidecar.status import STYLE_HASH, About, status_to_json, status_to_page, status_to_text

CurrentState = Callable[[], State]
Describe = Callable[[], About]
Expose = Callable[[str], tuple[bytes, str]]
CountRequest = Callable[[str, str, str, int], None]
Check = Callable[[], Awaitable[Conclusion]]

MAX_REQUEST_BODY_BYTES = 1024
"""No endpoint reads a body."""

PAGE_POLICY = (
    f"default-src 'none'; style-src '{STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What a browser may do with the page: show it, in its own style."""

_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST"})


class BusyError(Exception):
    """A check cannot be made now; the message says why."""


def probe_app(current: CurrentState, expose: Expose, count: CountRequest) -> web.Application:
    """Return the application that the kubelet, load balancers and Prometheus ask.

    Args:
        current: returns the state in force.
        expose: Accept header → metrics and their content type.
        count: told of every answer.
    """

    async def ready(request: web.Request) -> web.Response:
        state = current()
        return _text(state.line, 200 if state.is_ready else 503)

    async def live(request: web.Request) -> web.Response:
        return _text("live")

    async def metrics(request: web.Request) -> web.Response:
        body, content_type = expose(request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})

    return _app("probe", count, {"/ready": {"GET": ready}, "/live": {"GET": live}, "/metrics": {"GET": metrics}})


def admin_app(current: CurrentState, describe: Describe, check: Check, count: CountRequest) -> web.Application:
    """Return the application for people and tools inside the pod.

    Args:
        current: returns the state in force.
        describe: returns what there is to say of the process.
        check: makes one attempt now and changes nothing; raises BusyError.
        count: told of every answer.
    """

    async def status(request: web.Request) -> web.Response:
        state, about = current(), describe()
        match _wanted(request):
            case "json":
                return _json(status_to_json(state, about))
            case "html":
                page = status_to_page(state, about, time.time())
                headers = {"Content-Security-Policy": PAGE_POLICY, "Referrer-Policy": "no-referrer"}
                return web.Response(text=page, content_type="text/html", headers=headers)
            case _:
                return _text(status_to_text(state, about, time.time()).rstrip("\n"))

    async def check_now(request: web.Request) -> web.Response:
        try:
            conclusion = await check()
        except BusyError as error:
            return _text(str(error), 409)
        code = 200 if conclusion.report is not None else 503
        if _wanted(request) == "json":
            return _json(to_json(conclusion), code)
        return _text(to_text(conclusion).rstrip("\n"), code)

    return _app("admin", count, {"/status": {"GET": status}, "/check": {"POST": check_now}}, refuse=_foreign)


def _app(
    listener: str,
    count: CountRequest,
    routes: dict[str, dict[str, Handler]],
    *,
    refuse: Callable[[web.Request], str] = lambda request: "",
) -> web.Application:
    """Return an application that answers these routes, unless ``refuse`` gives a reason not to."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            reason = refuse(request)
            response = _text(reason, 403) if reason else await handler(request)
        except web.HTTPMethodNotAllowed as error:
            allowed = ", ".join(sorted(error.allowed_methods))
            response = _text(f"method not allowed; {request.path} takes {allowed}", 405)
            response.headers[hdrs.ALLOW] = allowed
        except web.HTTPNotFound:
            response = _text(f"not found; here are {', '.join(routes)}", 404)
        except web.HTTPException as error:
            response = _text(error.reason.lower(), error.status)
        response.headers[hdrs.CACHE_CONTROL] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers[hdrs.SERVER] = "sidecar"
        path = request.path if request.path in routes else "other"
        count(listener, path, request.method if request.method in _METHODS else "other", response.status)
        return response

    app = web.Application(middlewares=[answer], client_max_size=MAX_REQUEST_BODY_BYTES)
    for path, methods in routes.items():
        allowed = ", ".join(sorted({*methods, "OPTIONS", *(["HEAD"] if "GET" in methods else [])}))
        for method, handler in methods.items():
            app.router.add_route(method, path, handler)
            if method == "GET":
                app.router.add_route("HEAD", path, handler)
        app.router.add_route("OPTIONS", path, _options(allowed))
    return app


def _options(allowed: str) -> Handler:
    async def options(request: web.Request) -> web.StreamResponse:
        return web.Response(status=204, headers={hdrs.ALLOW: allowed})

    return options


def _foreign(request: web.Request) -> str:
    """Return why a request to the admin listener is refused: it comes from somebody else's page.

    Whoever forwards the port to a laptop has a browser there, and any page in it can send requests to localhost: under
    a name of its own that leads there (DNS rebinding), or by a form (cross-site request forgery).
    """
    host = request.headers.get(hdrs.HOST, "localhost")
    if not _is_loopback(host):
        return "refused: this listener answers to localhost and loopback addresses alone"
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
        return "refused: the request comes from another site's page"
    return ""


def _is_loopback(host: str) -> bool:
    name = host.rpartition(":")[0] if re.search(r":\d*\Z", host) else host
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _wanted(request: web.Request) -> str:
    """Return json, html or text: what ``?format=`` names, else what the Accept header prefers among them."""
    asked = request.query.get("format", "")
    if asked:
        return asked
    forms = {"application/json": "json", "text/html": "html", "text/plain": "text"}
    best, form = 0.0, "text"
    for part in request.headers.get(hdrs.ACCEPT, "").split(","):
        kind, *parameters = (word.strip() for word in part.lower().split(";"))
        quality = next((_number(word[2:]) for word in parameters if word.startswith("q=")), 1.0)
        if kind in forms and quality > best:
            best, form = quality, forms[kind]
    return form


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _text(text: str, status: int = 200) -> web.Response:
    return web.Response(text=f"{text}\n", status=status)


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(text=json.dumps(value, indent=2) + "\n", status=status, content_type="application/json")

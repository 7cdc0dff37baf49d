"""The OpenAPI 3.1 file, made from the table of endpoints and the types that they take and give."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ferryman import __version__
from ferryman.rest_api import rights
from ferryman.rest_api.answers import PROBLEM
from ferryman.rest_api.bodies import Problem
from ferryman.rest_api.endpoint import OK, Endpoint
from ferryman.rest_api.endpoints import ENDPOINTS
from ferryman.rest_api.sessions import COOKIE, CSRF
from ferryman.rest_api.words import AREAS, PARAMETERS

PREFIX = "/api/v1"
IDEMPOTENCY = "Idempotency-Key"
_REFERENCES = "#/components/schemas/{name}"
_PATH = {"eid": {"type": "string", "pattern": "^[0-9]{32}$", "description": "EID, 32 decimal digits."}}
_NAME = {"type": "string", "minLength": 1, "maxLength": 100, "pattern": "^[A-Za-z0-9._-]+$"}
REFUSALS = {
    "400": "The request does not fit its description, or the platform finds a value wrong.",
    "401": "No API key, or one that is unknown, expired or revoked.",
    "403": "The key does not have this right, or the platform does not allow it.",
    "404": "There is no such object; one of another tenant is answered alike.",
    "405": "The path has no such method.",
    "408": "The body did not come in time.",
    "409": "The state of eUICC, profile or order does not allow it.",
    "412": "The object is not what If-Match names any more.",
    "413": "The body is larger than is taken.",
    "415": "The body must be application/json.",
    "422": "This Idempotency-Key was used for another request.",
    "429": "Too many requests of this key or address: Retry-After says when.",
    "503": "A part of the platform does not answer now: nothing is known of the outcome. Repeat the request.",
}

_WAIT = {"schema": {"type": "string", "pattern": "^[0-9]+$"}, "description": "Seconds to wait."}
_HEADERS = {status: {"headers": {"Retry-After": _WAIT}} for status in ("429", "503")}


def document() -> dict[str, Any]:
    """The whole file, ready for JSON."""
    kinds = {kind for one in ENDPOINTS for kind in (one.answer, one.body, one.query) if kind is not None}
    ordered = sorted((*kinds, Problem), key=lambda kind: kind.__name__)
    schemas, components = msgspec.json.schema_components(ordered, ref_template=_REFERENCES)
    schema_of = dict(zip(ordered, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        operation = _operation(endpoint, schema_of, components)
        paths.setdefault(PREFIX + endpoint.path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Ferryman",
            "version": __version__,
            "description": "eSIM subscription management (GSMA SGP.02) for an operator's own systems. Times are "
            "seconds since 1970; octets are base64. What a key of a tenant does not see does not exist for it.",
        },
        "tags": [{"name": area, "description": AREAS[area]} for area in sorted({one.area for one in ENDPOINTS})],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "API key (`ferryman api-key add`)."},
                "login": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": COOKIE,
                    "description": "Login of a person (POST /session, or by way of the OpenID provider). What "
                    f"changes something takes the header {CSRF} too, with `csrf` of GET /session.",
                },
            },
        },
        "security": [{"key": []}, {"login": []}],
    }


def _operation(endpoint: Endpoint, schema_of: dict[type, Any], components: dict[str, Any]) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": _PATH.get(name) or _described(name, _NAME)}
        for name in re.findall(r"\{(\w+)\}", endpoint.path)
    ]
    query = components[endpoint.query.__name__]["properties"]
    parameters += [
        {"name": name, "in": "query", "required": False, "schema": _described(name, schema)}
        for name, schema in query.items()
    ]
    if endpoint.once:
        parameters.append(
            {
                "name": IDEMPOTENCY,
                "in": "header",
                "required": True,
                "schema": {"type": "string", "pattern": "^[!-~]{1,100}$"},
                "description": "Chosen by you, new for each request: a repeat finds the first one's outcome.",
            }
        )
    if endpoint.method == "GET" and not endpoint.stream:
        parameters.append(_header("If-None-Match", "ETags that you have: 304 when the object is one of them."))
    if endpoint.versioned is not None:
        parameters.append(_header("If-Match", "ETag of the object as you saw it: 412 when it has changed since."))
    problem = {PROBLEM: {"schema": schema_of[Problem]}}
    made: dict[str, Any] = {
        "operationId": endpoint.name,
        "tags": [endpoint.area],
        "summary": endpoint.summary,
        "description": f"{endpoint.summary}. {needs(endpoint)}",
        "parameters": parameters,
        "responses": {
            str(endpoint.status): _success(endpoint, schema_of),
            **({"304": {"description": "Not changed."}} if endpoint.method == "GET" else {}),
            **{
                status: {"description": text, "content": problem, **_HEADERS.get(status, {})}
                for status, text in REFUSALS.items()
            },
        },
    }
    if endpoint.scope == rights.OPEN:
        made["security"] = []
    if endpoint.body is not None:
        media: dict[str, Any] = {"schema": schema_of[endpoint.body]}
        if endpoint.example is not None:
            media["example"] = endpoint.example
        made["requestBody"] = {"required": True, "content": {"application/json": media}}
    return made


def _described(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter's schema, with our own words where its type has none."""
    return schema if "description" in schema else {**schema, "description": PARAMETERS[name]}


def _header(name: str, text: str) -> dict[str, Any]:
    schema = {"type": "string", "maxLength": 1000}
    return {"name": name, "in": "header", "required": False, "schema": schema, "description": text}


def needs(endpoint: Endpoint) -> str:
    """The right that a route asks for, as a sentence."""
    match endpoint.scope:
        case rights.OPEN:
            return "Needs no key."
        case rights.SELF:
            return "Needs no right."
        case scope:
            return f"Needs the right `{scope}`."


def _success(endpoint: Endpoint, schema_of: dict[type, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"description": endpoint.summary}
    if endpoint.method == "GET" and endpoint.status == OK and not endpoint.stream:
        tag = {"schema": {"type": "string"}, "description": "For If-None-Match and, of one object, for If-Match."}
        found["headers"] = {"ETag": tag}
    if endpoint.answer is not None:
        found["content"] = {endpoint.media: {"schema": schema_of[endpoint.answer]}}
    return found

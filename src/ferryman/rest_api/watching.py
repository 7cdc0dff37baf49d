"""Access log and numbers of the REST API; neither holds a secret, a body, a query or a number of a subscriber."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import structlog

from ferryman.platform.clock import Clock
from ferryman.platform.metrics import Metric, Sample
from ferryman.rest_api.endpoint import Endpoint
from ferryman.rest_api.incoming import Incoming

REQUESTS = Metric("ferryman_rest_requests_total", "counter", "Requests of the REST API, by route and status.")
SECONDS = Metric("ferryman_rest_seconds_total", "counter", "Time that requests of the REST API took, by route.")
OPEN = Metric("ferryman_rest_open_requests", "gauge", "Requests of the REST API that are being carried out.")

NO_ROUTE = "none"  # the label of requests that no endpoint is for
MAX_METHOD, MAX_PATH = 20, 200  # characters of these that are written down

log = structlog.get_logger("ferryman.rest_api.access")


@dataclass(slots=True)
class Seen:
    """One request under way."""

    route: str
    method: str
    path: str
    address: str
    request_id: str
    began: float
    who: str = ""

    def is_from(self, who: str) -> None:
        """It was let in."""
        self.who = who


class Watch:
    """Counts and writes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds: dict[str, float] = {}
        self._open = 0
        self._log = log.bind()  # once: to put a logger together costs as much as a line

    def begin(self, endpoint: Endpoint, http: Incoming, address: str, request_id: str) -> Seen:
        """A request came."""
        self._open += 1
        # Of a path that has IMSIs in it the log's mask leaves the network; a query is never written.
        return Seen(endpoint.name, endpoint.method, http.path, address, request_id, self._clock.now())

    def stray(self, http: Incoming, address: str, request_id: str) -> Seen:
        """A request came that no endpoint is for; its words are nobody's, so only their beginnings are kept."""
        self._open += 1
        method, path = http.method[:MAX_METHOD], http.path[:MAX_PATH]
        return Seen(NO_ROUTE, method, path, address, request_id, self._clock.now())

    def end(self, seen: Seen, status: int) -> None:
        """It was answered."""
        self._open -= 1
        took = self._clock.now() - seen.began
        self._requests[seen.route, status] += 1
        self._seconds[seen.route] = self._seconds.get(seen.route, 0.0) + took
        self._log.info(
            "request",
            method=seen.method,
            path=seen.path,
            status=status,
            ms=round(took * 1000, 1),
            who=seen.who,
            address=seen.address,
            request=seen.request_id,
        )

    def samples(self) -> list[Sample]:
        """For the scrape."""
        found = [Sample(OPEN, float(self._open))]
        found += [
            Sample(REQUESTS, count, (("route", route), ("status", str(status))))
            for (route, status), count in self._requests.items()
        ]
        found += [Sample(SECONDS, value, (("route", route),)) for route, value in self._seconds.items()]
        return found

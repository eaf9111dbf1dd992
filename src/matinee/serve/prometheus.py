"""What Prometheus reads at /metrics: requests by route and status, their seconds, and the release in use."""

from collections.abc import Iterator
from typing import Final

from fastapi import Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from matinee.serve.loaded_releases import LoadedReleases

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class RequestMetrics:
    """The metrics of one server."""

    def __init__(self, loaded: LoadedReleases) -> None:
        self._registry = CollectorRegistry()
        self.seconds = Histogram(
            "matinee_request_seconds",
            "Seconds from a request to the end of its answer.",
            ["route", "status"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.active = Gauge(
            "matinee_active_requests", "Requests that are being answered.", registry=self._registry
        )
        self.loads = Counter(
            "matinee_champion_loads", "New champions that were loaded.", registry=self._registry
        )
        self._registry.register(_Champion(loaded))
        ProcessCollector(registry=self._registry)

    def response(self) -> Response:
        """All metrics as text."""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)


class _Champion(Collector):
    """The release in use, as it is when the metrics are read."""

    def __init__(self, loaded: LoadedReleases) -> None:
        self._loaded = loaded

    def collect(self) -> Iterator[Metric]:
        """The version, and whether it is the champion."""
        used = GaugeMetricFamily("matinee_release", "1 for the release that answers.", labels=["version"])
        used.add_metric([self._loaded.champion.release.version], 1)
        yield used
        stale = "1 if the champion can't be loaded and an earlier release answers."
        yield GaugeMetricFamily("matinee_release_stale", stale, value=float(self._loaded.problem is not None))

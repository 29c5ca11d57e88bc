"""Ray clusters on this machine, for as long as a block lasts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}


@contextmanager
def one_node() -> Iterator[None]:
    """Connected to a cluster of one node with two processors."""
    ray = pytest.importorskip("ray")
    ray.init("local", num_cpus=2, include_dashboard=False, **QUIET)
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def several_nodes() -> Iterator[Any]:
    """Connected to a cluster of one node with one processor, to which nodes can be added."""
    ray, utils = pytest.importorskip("ray"), pytest.importorskip("ray.cluster_utils")
    cluster = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        ray.init(cluster.address, **QUIET)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()

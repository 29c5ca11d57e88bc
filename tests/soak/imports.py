"""All that a run of the toy imports at some time, at once: for a process that runs are forked from."""

# ruff: noqa: F401

import alembic.command
import filelock
import matplotlib.figure
import mlflow.store.tracking.sqlalchemy_store
import pyloudnorm
import rich.table
import safetensors.numpy
import scipy.stats
import soundfile
import soxr
import torch

import harness.cli.run
import harness.cli.tables.run
import harness.models.toy
import harness.reporting.mlflow
import harness.reporting.plots
import harness.running.experiment
import metrics.embeddings.toy

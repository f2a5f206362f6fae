"""`python -m scripts.benchmark`, which `scripts/bench` calls."""

import sys

from reconciler.cli.errors import reporting_errors
from reconciler.telemetry.standard_error import protect_standard_error
from scripts.benchmark.command import bench_command

if __name__ == "__main__":
    protect_standard_error()
    try:
        with reporting_errors():
            bench_command(prog_name="scripts/bench")
    except KeyboardInterrupt:
        sys.exit(130)

"""The command `local-ee` (or `python -m local_ee`): runs the engine for any `ee` client on this machine."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from local_ee.errors import EngineFault

USER_MISTAKE, FAULT = 2, 1


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0 done, 2 the user's mistake, 1 a fault of the machine."""
    options = _parser().parse_args(argv)
    try:
        _serve(options)
    except ValueError as error:
        return _fail(error, USER_MISTAKE)
    except (OSError, EngineFault) as error:
        return _fail(error, FAULT)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="local-ee", description="A local Earth Engine for tests and trials.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="answer Earth Engine and Cloud Storage clients until Ctrl-C")
    serve.add_argument("--port", type=int, default=8085, help="port of 127.0.0.1; 0 takes a free one (default 8085)")
    serve.add_argument("--catalog", default="world", help="world (simulated), or a folder of GeoTIFFs (default world)")
    serve.add_argument("--no-token", action="store_true", help="let every program and user of this machine in")
    serve.add_argument("--faults", metavar="FILE", help="a JSON file of faults to inject, for tests")
    return parser


def _serve(options: argparse.Namespace) -> None:
    from local_ee import serve
    from local_ee.faults import Faults

    if not 0 <= options.port <= 65535:
        raise ValueError(f"--port {options.port}: expected 0 to 65535")
    faults = Faults.from_file(options.faults) if options.faults else None
    serve(options.port, options.catalog, faults=faults, token="" if options.no_token else None)


def _fail(error: Exception, code: int) -> int:
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())

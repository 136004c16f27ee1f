"""The command `local-ee` (or `python -m local_ee`): runs the engine for any `ee` client on this machine."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from local_ee.errors import EngineFault

USER_MISTAKE, FAULT = 2, 1
CATALOG_HELP = "world (simulated), open (public archives), a folder of GeoTIFFs, or a class map (default world)"


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0 done, 2 the user's mistake, 1 a fault of the machine."""
    options = _parser().parse_args(argv)
    try:
        return options.run(options) or 0
    except ValueError as error:
        return _fail(error, USER_MISTAKE)
    except (OSError, EngineFault) as error:
        return _fail(error, FAULT)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="local-ee", description="A local Earth Engine for tests and trials.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="answer Earth Engine and Cloud Storage clients until Ctrl-C")
    serve.add_argument("--port", type=int, default=8085, help="port of 127.0.0.1; 0 takes a free one (default 8085)")
    serve.add_argument("--catalog", default="world", help=CATALOG_HELP)
    serve.add_argument("--offline", action="store_true", help="--catalog open: fetch nothing, read what is kept")
    serve.add_argument("--no-token", action="store_true", help="let every program and user of this machine in")
    serve.add_argument("--faults", metavar="FILE", help="a JSON file of faults to inject, for tests")
    serve.set_defaults(run=_serve)
    record = commands.add_parser("record", help="write down what an Earth Engine answers to a list of graphs")
    record.add_argument("graphs", metavar="GRAPHS", help="a JSON file of expressions, by name or in a list")
    record.add_argument("file", metavar="FILE", help="the file of answers to write")
    record.add_argument("--project", default="local", help="the account's project (needed on Google's servers)")
    record.add_argument("--url", help="address of another server than Google's; no login is used there")
    record.set_defaults(run=_record)
    compare = commands.add_parser("compare", help="list the recorded answers that this engine gives otherwise")
    compare.add_argument("file", metavar="FILE", help="a file of answers, of `record` or of pytest --ee-record")
    compare.add_argument("--catalog", default="world", help=CATALOG_HELP)
    compare.set_defaults(run=_compare)
    return parser


def _serve(options: argparse.Namespace) -> None:
    from local_ee import serve
    from local_ee.faults import Faults

    if not 0 <= options.port <= 65535:
        raise ValueError(f"--port {options.port}: expected 0 to 65535")
    faults = Faults.from_file(options.faults) if options.faults else None
    token = "" if options.no_token else None
    serve(options.port, options.catalog, faults=faults, token=token, offline=options.offline)


def _record(options: argparse.Namespace) -> None:
    from pathlib import Path

    import requests

    from local_ee.testing.client import GOOGLE
    from local_ee.testing.record import account, read_graphs, record_answers

    if not options.url and options.project == "local":
        raise ValueError("--project local: Google's servers need the project of an account; give --project or --url")
    graphs = read_graphs(Path(options.graphs))
    http = requests.Session() if options.url else account(options.project)
    answers = record_answers(graphs, Path(options.file), project=options.project, url=options.url or GOOGLE, http=http)
    print(f"{len(answers)} answers to {len(graphs)} graphs recorded in {options.file}")


def _compare(options: argparse.Namespace) -> int:
    import tempfile
    from pathlib import Path

    from local_ee import LocalEngine
    from local_ee.catalogs import open_catalog
    from local_ee.testing.answers import Answers
    from local_ee.testing.drift import drift

    answers = Answers.read(Path(options.file))
    with tempfile.TemporaryDirectory() as home, LocalEngine(open_catalog(options.catalog), Path(home)) as engine:
        report = drift(answers, engine)
    print("\n".join(report.lines()))
    return FAULT if report.differences else 0


def _fail(error: Exception, code: int) -> int:
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())

"""The commands that are killed: their words, what they need beforehand, and what they leave."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .trials import HERE, digests, environment, run

BUCKET = "kills"
LIMIT_S = 300.0
PLACE = "--region wuhan --bbox 114.26 30.54 114.27 30.55"
AREA = f"{PLACE} --size 32 --stride 32 --speckle none"
TWO_MONTHS = f"export {AREA} --month 2019-06 2019-07"
TRAIN = "train --data {base}/data --recipe crofusenet-tiny --set epochs=2 batch=4"
BATCH = f"{TWO_MONTHS} --mode batch --bucket {BUCKET}"
TRAINING_AREA = "--region wuhan --bbox 114.25 30.53 114.28 30.55 --size 32 --stride 32 --speckle none"
# What belongs to a run and is no result: its notes, its way to go on (the same content in other bytes after a kill),
# and TensorBoard's files, which are named by time and process.
DROPPED = (".run", "resume.ckpt", "tensorboard")
RUN = f"run {PLACE} --month 2019-06 --tile-px 48 --checkpoint {{base}}/run"
OTHER = f"run {PLACE} --month 2019-06 2019-07 --tta flips --tile-px 48 --checkpoint {{base}}/run"
MAP = f"map {PLACE} --month 2019-06"
ONE = f"{RUN} --out {{here}}/out"
COLLECTION = "projects/local/assets/kills/tiles"
UNFINISHED = ("PENDING", "RUNNING", "CANCELLING")


@dataclass(frozen=True)
class Scenario:
    """A command in a folder of its own, where ISAMAP_HOME is `home` and results are named `out`.

    words: of the command, with {base} and {here} for the folders of inputs and of the trial. prepare: what must be
    there before. outputs: digests by name of what it made; RuntimeError where what was left cannot be read. like: the
    scenario all whose outputs it leaves, too.
    """

    name: str
    words: str
    outputs: Callable[[Path], dict[str, str]]
    prepare: Callable[[Path, Path], None]
    like: str = ""

    def command(self, base: Path, here: Path) -> list[str]:
        words = [word.format(base=base, here=here) for word in self.words.split()]
        return [str(HERE / "victim.py"), *words]


def only_folder(base: Path, here: Path) -> None:
    here.mkdir(parents=True, exist_ok=True)


def with_bucket(base: Path, here: Path) -> None:
    """An empty bucket in the home."""
    program = (
        "import sys; from pathlib import Path; from isamap import connect; "
        f"connect(home=Path(sys.argv[1])).storage_client().bucket({BUCKET!r}).create()"
    )
    here.mkdir(parents=True, exist_ok=True)
    ending = run(["-c", program, str(here / "home")], here / "prepare.log", environment(here / "home"), limit_s=LIMIT_S)
    if ending.status != 0:
        raise RuntimeError(f"the bucket of {here} could not be made: {ending.output[-400:]}")


def with_data(base: Path, here: Path) -> None:
    """A copy of the dataset, which the command writes into."""
    shutil.copytree(base / "data", here / "out")


def files(here: Path) -> dict[str, str]:
    return digests(here / "out", DROPPED)


def map_file(here: Path) -> dict[str, str]:
    return digests(here / "out.tif")


def run_files(here: Path) -> dict[str, str]:
    """Of a run: without the status and receipts, which hold times and what each attempt spent."""
    return {name: digest for name, digest in files(here).items() if not _is_account(name)}


def _is_account(name: str) -> bool:
    return name == "status.json" or (name.startswith("tiles/") and name.endswith(".json"))


def engine_state(here: Path) -> dict[str, str]:
    """What a new engine on the trial's home tells its clients; an operation that never ends stands out by name."""
    words = [str(HERE / "state.py"), str(here / "home")]
    ending = run(words, here / "state.log", environment(here / "home"), limit_s=LIMIT_S)
    reply = re.search(r"^\{.*\}$", ending.output, re.MULTILINE)
    if ending.status != 0 or reply is None:
        raise RuntimeError(f"the engine's state cannot be read: {ending.output.strip().splitlines()[-1:]}")
    state = json.loads(reply[0])
    endless = {name: state_ for name, state_ in state["operations"].items() if state_ in UNFINISHED}
    return {**state["objects"], **state["assets"], **endless}


def files_and_engine(here: Path) -> dict[str, str]:
    return {**files(here), **engine_state(here)}


SCENARIOS = (
    Scenario("export to a folder", f"{TWO_MONTHS} --out {{here}}/out", files, only_folder),
    Scenario("export, batch", f"{BATCH} --out {{here}}/out", files_and_engine, with_bucket),
    Scenario("export to gs://", f"{TWO_MONTHS} --out gs://{BUCKET}/out", engine_state, with_bucket),
    Scenario("train", f"{TRAIN} --out {{here}}/out", files, only_folder),
    Scenario("map", f"{MAP} --checkpoint {{base}}/run --out {{here}}/out.tif", map_file, only_folder),
    Scenario("publish", "publish {base}/map.tif --asset projects/local/assets/kills/map", engine_state, only_folder),
    Scenario("inspect", "inspect {here}/out", files, with_data),
    Scenario("map by a file", "map --config {base}/map.toml --out {here}/out.tif", map_file, only_folder),
    Scenario("run", f"{RUN} --workers 2 --out {{here}}/out", run_files, only_folder),
    Scenario("run on Dask", f"{RUN} --scheduler local --out {{here}}/out", run_files, only_folder, like="run"),
    Scenario("run, twice at once", f"{ONE} & {ONE}", run_files, only_folder, like="run"),
    Scenario("run, others between", f"{ONE} ; {OTHER} --out {{here}}/out ; {ONE}", run_files, only_folder, like="run"),
    Scenario("publish a run", f"publish {{base}}/tiles --collection --asset {COLLECTION}", engine_state, only_folder),
    Scenario("assess sample", "assess sample {base}/map.tif --points 60 --out {here}/out", files, only_folder),
    Scenario("assess estimate", "assess estimate {base}/sample --answers world --out {here}/out", files, only_folder),
    Scenario("prune", "prune --checkpoint {base}/run --data {base}/data --out {here}/out --tune 1", files, only_folder),
)


def make_inputs(base: Path) -> None:
    """The dataset, the network and the map that the commands above begin with; a finished one is left alone."""
    if (base / "done").exists():
        return
    base.mkdir(parents=True, exist_ok=True)
    options = {"region": '"wuhan"', "month": '["2019-06"]', "bbox": "[114.26, 30.54, 114.27, 30.55]"}
    lines = {**options, "checkpoint": f'"{base}/run"'}
    (base / "map.toml").write_text("".join(f"{name} = {value}\n" for name, value in lines.items()), encoding="utf-8")
    for words in (
        f"export {TRAINING_AREA} --month 2019-06 --out {base}/data",
        f"{TRAIN.format(base=base)} --out {base}/run",
        f"{MAP} --checkpoint {base}/run --out {base}/map.tif",
        f"{RUN.format(base=base)} --out {base}/tiles",
        f"assess sample {base}/map.tif --points 60 --out {base}/sample",
    ):
        print(f"inputs: isamap {words.split()[0]}", file=sys.stderr, flush=True)
        ending = run(["-m", "isamap", *words.split()], base / "log", environment(base / "home"), limit_s=4 * LIMIT_S)
        if ending.status != 0:
            raise SystemExit(f"error: the inputs cannot be made: {ending.output[-600:]}")
    (base / "done").touch()

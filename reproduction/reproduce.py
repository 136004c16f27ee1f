"""`reproduction.reproduce`: a paper's table or figure run again, from datasets to report and panel."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from statistics import fmean
from typing import Any

from gee_export.base.grid import ground_step_m
from gee_export.base.revision import revision
from gee_export.datasets.dataset import SPLITS, Dataset
from reproduction import STUDIES, panels, whuis, worlds
from reproduction.convergence import late_rise
from reproduction.line import Counts, DataUsed, Line, counts_of
from reproduction.report import StudyReport, encode, markdown
from reproduction.runs import Bench, device, make_all
from reproduction.study import Evaluated, Preset, Row, Study, Trial
from training.checkpoints.atomic_folder import draft_of, put_folder_in_place

REPORT, TEXT, PANEL = "report.json", "report.md", "panel.png"
LINES_SHOWN = 4
FORMER = {"s000": "jointseg", "s001": "runetpp", "s002": "crofusenet", "s003": "landcover3m"}
_SPLIT_WORDS = {
    "random": "Split at random{}: overlapping patches share pixels, so figures on test patches of it are optimistic.",
    "blocks": "Train, validation and test patches lie in separate spatial blocks{}.",
}


def reproduce(
    name: str,
    data: Sequence[str | Path] = (),
    out: str | Path = "reproductions",
    *,
    preset: str = "cpu",
    seeds: int | None = None,
    jobs: int = 1,
    say: Callable[[str], None] = print,
) -> StudyReport:
    """Train and evaluate what the study holds; its report, also written to <out>/NAME with a panel of pictures.

    data: exported datasets or folders of WHU-IS that take the place of the study's first dataset, or ROLE=PLACE for
    another one; none: the preset exports its own from the simulated world. Runs lie in <out>/runs and are shared by
    all studies; an interrupted one goes on. seeds: 0 to seeds - 1, the preset's number if None. jobs: runs at a time.
    ValueError: an unknown study, preset or dataset. Fault: a run failed (the others are kept).
    """
    study = studied(name)
    size = study.preset(preset)
    count = size.seeds if seeds is None else seeds
    if count < 1 or jobs < 1:
        raise ValueError(f"--seeds {count} --jobs {jobs}: expected 1 or more of each")
    home = Path(out)
    bench = Bench(home, addresses(study, size, data, home, say))
    numbers = {row.label: range(min(count, (row.seeds if seeds is None else 0) or count)) for row in size.rows}
    # seed by seed, so that what an interrupted command has made is a whole table of fewer seeds
    requests = [(row.run, seed) for seed in range(count) for row in size.rows if row.run and seed in numbers[row.label]]
    make_all(bench, requests, jobs=jobs, say=say)
    shown = {role: panels.chosen(bench.data(role), _lines(size)) for role in size.judged_on}
    evaluated = {
        row.label: [
            _judged(row, bench, seed, shown[row.data or size.main] if seed == 0 else (), say)
            for seed in numbers[row.label]
        ]
        for row in size.rows
    }
    report = _reported(study, size, bench, evaluated, preset=preset, own=not data)
    _written(report, _groups(size, bench, evaluated, shown), evaluated, home / study.name)
    return report


def studied(name: str) -> Study:
    """The study of that name, whatever its case; ValueError with the names there are. A note for a former name."""
    name = _todays_name(name)
    match = next((study for study_name, study in STUDIES.items() if study_name.lower() == name.lower()), None)
    if match is None:
        raise ValueError(f"study {name!r} is not known: choose one of {', '.join(STUDIES)}")
    return match


def _todays_name(name: str) -> str:
    """Papers had numbers before they had names: S002-table2 is crofusenet-table2, for one version."""
    number, dash, title = name.partition("-")
    if not dash or number.lower() not in FORMER:
        return name
    current = f"{FORMER[number.lower()]}-{title.lower()}"
    print(f"note: study {name} is now called {current}; the next version knows the new name only", file=sys.stderr)
    return current


def addresses(
    study: Study, size: Preset, data: Sequence[str | Path], home: Path, say: Callable[[str], None]
) -> dict[str, tuple[str, ...]]:
    """Addresses of each dataset of the study: those given by the user, else of an export made now."""
    addresses_of: dict[str, list[str]] = {}
    for word in map(str, data):
        role, equals, address = word.partition("=")
        role, address = (role, address) if equals and role in size.data else (size.main, word)
        if address.startswith("gs://"):
            raise ValueError(f"--data {address}: studies read folders; copy it first: gcloud storage cp -r {address} .")
        addresses_of.setdefault(role, []).append(whuis.opened(address, home / "data", say))
    if addresses_of and (lacking := [role for role in size.data if role not in addresses_of]):
        raise ValueError(
            f"{study.name} needs {len(size.data)} datasets, {', '.join(lacking)} not given: "
            f"add {' '.join(f'{role}=FOLDER' for role in lacking)} to --data, or leave --data out"
        )
    return {
        role: tuple(addresses_of[role]) if addresses_of else (str(worlds.export(request, home / "data")),)
        for role, request in size.data.items()
    }


def _judged(row: Row, bench: Bench, seed: int, shown: Sequence[str], say: Callable[[str], None]) -> Evaluated:
    run = bench.folder(row.run, seed) if row.run else None
    outcome = row.evaluator(Trial(bench, run, seed, row.data, tuple(shown)))
    say(f"{row.label}, seed {seed}: judged")
    return outcome


def _reported(
    study: Study, size: Preset, bench: Bench, evaluated: Mapping[str, Sequence[Evaluated]], *, preset: str, own: bool
) -> StudyReport:
    keys = [measure.key for measure in study.measures]
    lines = tuple(
        Line(
            label=row.label,
            values={key: tuple(outcome.values.get(key) for outcome in evaluated[row.label]) for key in keys},
            paper=row.paper,
            note=row.note,
            data=row.data,
            blocks=_blocks(evaluated[row.label]),
            classes=evaluated[row.label][0].classes,
            made=tuple(_made(bench, row, seed) for seed in range(len(evaluated[row.label]))),
        )
        for row in size.rows
    )
    data = tuple(used(role, address) for role, places in bench.addresses.items() for address in places)
    if own:  # files cut from the world do not say where their pixels are from
        data = tuple(replace(each, simulated=True) for each in data)
    remarks = [remark for export in size.data.values() for remark in export.about] if own else []
    return StudyReport(
        name=study.name,
        title=study.title,
        paper=study.paper,
        preset=preset,
        date=date.today().isoformat(),
        device=device(),
        seeds=tuple(range(max(map(len, evaluated.values())))),
        measures=study.measures,
        order_by=study.order_by,
        paper_order=study.paper_order,
        lines=lines,
        data=data,
        differs=tuple(dict.fromkeys((*_of_data(data), *remarks, *size.differs))),
        notes=study.notes,
        revision=revision(),
        teacher=study.teacher,
        headroom=study.headroom,
        contrasts=study.contrasts,
    )


def _blocks(evaluated: Sequence[Evaluated]) -> Counts:
    """Block counts of every seed; empty where an evaluator counts no blocks."""
    counted = [outcome.blocks for outcome in evaluated if outcome.blocks is not None]
    return counts_of([blocks.tolist() for blocks in counted]) if len(counted) == len(evaluated) else ()


def _made(bench: Bench, row: Row, seed: int) -> Mapping[str, Any]:
    if row.run is None:
        return {}
    note = bench.note(row.run, seed) or {}
    facts = {key: value for key, value in note.items() if key not in ("facts", "version")}
    if "epochs" not in note:  # a classifier of pixels
        return facts
    return facts | {"late_rise": late_rise(bench.folder(row.run, seed))}


def _of_data(data: Sequence[DataUsed]) -> list[str]:
    """Remarks that every study on such data must carry."""
    sentences = []
    if any(used.simulated for used in data):
        sentences.append("Images and labels (label products too) are simulated: this says nothing about real imagery.")
    by_kind = {
        split_kind: [used.role for used in data if used.split == split_kind] for split_kind in ("random", "blocks")
    }
    for split_kind, sentence in _SPLIT_WORDS.items():
        if by_kind[split_kind]:
            where = (
                "" if len(by_kind[split_kind]) == len(data) else f" ({', '.join(dict.fromkeys(by_kind[split_kind]))})"
            )
            sentences.append(sentence.format(where))
    return sentences


def used(role: str, address: str) -> DataUsed:
    """What the report says of a dataset."""
    dataset = Dataset.open(address)
    head = dataset.manifest
    down_m, right_m = ground_step_m(next(iter(head.grids.values())).geobox)
    label = (head.label or {}).get("product") or "none"
    of_split = {split: patches for split in SPLITS if (patches := dataset.in_split(split))}
    return DataUsed(
        role=role,
        name=Path(address.rstrip("/")).name,
        fingerprint=dataset.fingerprint,
        simulated=head.simulated,
        split=str(head.split.get("kind")),
        patches={split: len(patches) for split, patches in of_split.items()},
        valid={split: round(fmean(p.valid_share for p in patches), 4) for split, patches in of_split.items()},
        size=head.size,
        step_m=float(f"{(down_m * right_m) ** 0.5:.2g}"),
        periods=tuple(str(period.get("label")) for period in head.periods),
        label=str(label),
    )


def _lines(size: Preset) -> int:
    """Lines of the panel for each dataset that rows are judged on."""
    return max(2, LINES_SHOWN // len(size.judged_on))


def _groups(
    size: Preset, bench: Bench, evaluated: Mapping[str, Sequence[Evaluated]], shown: Mapping[str, Sequence[str]]
) -> list[panels.Group]:
    """Panels of each dataset that rows are judged on: what it shows, and the rows' maps of it."""
    groups = []
    for role in size.judged_on:
        ids, rows = shown[role], [row for row in size.rows if (row.data or size.main) == role]
        maps = {row.label: evaluated[row.label][0] for row in rows if evaluated[row.label][0].maps}
        side = Dataset.open(bench.data(role)[0]).manifest.size
        fine = any(len(classes) > side for outcome in maps.values() for classes in outcome.maps.values())
        columns = panels.views(bench.data(role), ids, fine=fine, truth=bench.data(size.truth) if size.truth else ())
        for label, outcome in maps.items():
            pictures = (
                panels.coloured(outcome.maps[name], outcome.classes) if name in outcome.maps else None for name in ids
            )
            columns.append(panels.Column(label, tuple(pictures)))
        groups.append(panels.Group(role if len(size.judged_on) > 1 else "", tuple(columns)))
    return groups


def _written(
    report: StudyReport, groups: Sequence[panels.Group], evaluated: Mapping[str, Sequence[Evaluated]], folder: Path
) -> None:
    """The study's folder, whole or not at all."""
    names = max((outcome.classes for rows in evaluated.values() for outcome in rows[:1]), key=len)
    origin = "simulated data" if any(used.simulated for used in report.data) else "real data"
    caption = f"{report.name}, {report.date}, preset {report.preset}, seed 0, test patches, {origin}"
    with draft_of(folder) as fresh:
        panels.save(groups, fresh / PANEL, names=names, caption=caption)
        (fresh / TEXT).write_text(f"{markdown(report)}\n![{report.name}]({PANEL})\n")
        (fresh / REPORT).write_text(encode(report))
        put_folder_in_place(fresh, folder)


def studies() -> list[dict[str, str]]:
    """Name, place in its paper and title of every study, for other programs."""
    return [{"name": study.name, "paper": study.paper, "title": study.title} for study in STUDIES.values()]


def listing() -> str:
    """One line a study: name, place in its paper, title, and in each preset rows and seeds."""
    lines = []
    for study in STUDIES.values():
        sizes = [
            f"{preset}: {len(size.rows)} rows, {size.seeds} {'seed' if size.seeds == 1 else 'seeds'}"
            for preset in study.presets
            for size in [study.preset(preset)]
        ]
        lines.append(f"{study.name:<19} {study.paper:<27} {study.title} ({'; '.join(sizes)})")
    return "\n".join(lines)

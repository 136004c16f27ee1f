"""`isamap.reproduction.reproduce`: a paper's table or figure run again, from datasets to report and panel."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from statistics import fmean
from typing import Any

from isamap.gee_export.base.grid import ground_step_m
from isamap.gee_export.base.revision import revision
from isamap.gee_export.datasets.dataset import MANIFEST, SPLITS, Dataset
from isamap.reproduction import STUDIES, gid, panels, whuis, worlds
from isamap.reproduction.convergence import late_rise
from isamap.reproduction.line import Counts, DataUsed, ReportLine, counts_of
from isamap.reproduction.report import StudyReport, encode, markdown
from isamap.reproduction.runs import Bench, device, make_all
from isamap.reproduction.study import Evaluated, Export, FromFiles, Study, StudyPreset, StudyRow, Trial
from isamap.training.checkpoints.atomic_folder import draft_of, put_folder_in_place

REPORT, TEXT, PANEL = "report.json", "report.md", "panel.png"
LINES_SHOWN = 4
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

    data: exported datasets or folders of WHU-IS or GID that take the place of the study's first dataset, or ROLE=PLACE
    for another one; none: the preset exports its own from the simulated world. Runs lie in <out>/runs and are shared by
    all studies; an interrupted one goes on. seeds: 0 to seeds - 1, the preset's number if None. jobs: runs at a time.
    ValueError: an unknown study, preset or dataset. Fault: a run failed (the others are kept).
    """
    study = studied(name)
    size = study.preset(preset)
    count = size.seeds if seeds is None else seeds
    if min(count, jobs) < 1:
        raise ValueError(f"--seeds {count} --jobs {jobs}: expected 1 or more of each")
    home = Path(out)
    bench = Bench(home, addresses(study, size, data, home, say))
    numbers = {row.label: range(min(count, (row.seeds if seeds is None else 0) or count)) for row in size.rows}
    # seed by seed, so that what an interrupted command has made is a whole table of fewer seeds
    requests = [(row.run, seed) for seed in range(count) for row in size.rows if row.run and seed in numbers[row.label]]
    make_all(bench, requests, jobs=jobs, say=say)
    shown = {role: panels.chosen(bench.data(role), _lines(size)) for role in size.judged_on}
    evaluated = {row.label: _all_judged(row, bench, numbers[row.label], shown[row.data or size.main], say)
                 for row in size.rows}  # fmt: skip
    report = _reported(study, size, bench, evaluated, preset=preset, own=not data)
    _written(report, _groups(size, bench, evaluated, shown), evaluated, home / study.name)
    return report


def studied(name: str) -> Study:
    """The study of that name, whatever its case; ValueError with the names there are."""
    match = next((study for study_name, study in STUDIES.items() if study_name.lower() == name.lower()), None)
    if match is None:
        raise ValueError(f"study {name!r} is not known: choose one of {', '.join(STUDIES)}")
    return match


def addresses(
    study: Study, size: StudyPreset, data: Sequence[str | Path], home: Path, say: Callable[[str], None]
) -> dict[str, tuple[str, ...]]:
    """Addresses of each dataset of the study: those given by the user, else of an export made now."""
    if size.files:
        return of_files(study.name, size, data, home / "data", say)
    addresses_of = _by_role(size, data, home, say)
    if addresses_of and (lacking := [role for role in size.data if role not in addresses_of]):
        raise ValueError(
            f"{study.name} needs {len(size.data)} datasets, {', '.join(lacking)} not given: "
            f"add {' '.join(f'{role}=FOLDER' for role in lacking)} to --data, or leave --data out"
        )
    return {
        role: tuple(addresses_of[role]) if addresses_of else (str(worlds.export(request, home / "data")),)
        for role, request in size.data.items()
        if isinstance(request, Export)
    }


def _by_role(
    size: StudyPreset, data: Sequence[str | Path], home: Path, say: Callable[[str], None]
) -> dict[str, list[str]]:
    """The user's addresses by ROLE of ROLE=PLACE, those without one of the main dataset."""
    addresses_of: dict[str, list[str]] = {}
    for word in map(str, data):
        role, equals, address = word.partition("=")
        role, address = (role, address) if equals and role in size.data else (size.main, word)
        if address.startswith("gs://"):
            raise ValueError(f"--data {address}: studies read folders; copy it first: gcloud storage cp -r {address} .")
        address = gid.opened(address, home / "data", say)
        addresses_of.setdefault(role, []).append(whuis.opened(address, home / "data", say))
    return addresses_of


def of_files(
    name: str, size: StudyPreset, data: Sequence[str | Path], home: Path, say: Callable[[str], None]
) -> dict[str, tuple[str, ...]]:
    """Addresses of the datasets that are made of the one folder given; ValueError where it is not such a folder."""
    folder = Path(data[0]) if len(data) == 1 else None
    if folder is None or (lacking := [each for each in size.files if not (folder / each).is_file()]):
        holds = "" if folder is None else f" {folder} lacks {', '.join(lacking)}:"
        raise ValueError(f"{name} is made of real files:{holds} give one folder with {', '.join(size.files)} as --data")
    # Sizes tell samples apart without reading them whole.
    facts = repr([(each, (folder / each).stat().st_size) for each in size.files])
    digest = hashlib.sha256(facts.encode()).hexdigest()[:10]
    addresses_of: dict[str, tuple[str, ...]] = {}
    for role, request in size.data.items():
        target = home / f"{request.name}-{digest}"
        if isinstance(request, FromFiles) and not (target / MANIFEST).exists():
            say(f"{folder} becomes the dataset {target}")
            request.make(folder, target)
        addresses_of[role] = (str(target),)
    return addresses_of


def _all_judged(
    row: StudyRow, bench: Bench, seeds: Iterable[int], shown: Sequence[str], say: Callable[[str], None]
) -> list[Evaluated]:
    """A row's outcome of each seed; that of seed 0 with the maps of the patches to show."""
    return [_judged(row, bench, seed, shown if seed == 0 else (), say) for seed in seeds]


def _judged(row: StudyRow, bench: Bench, seed: int, shown: Sequence[str], say: Callable[[str], None]) -> Evaluated:
    run = bench.folder(row.run, seed) if row.run else None
    outcome = row.evaluator(Trial(bench, run, seed, row.data, tuple(shown)))
    say(f"{row.label}, seed {seed}: judged")
    return outcome


def _reported(
    study: Study,
    size: StudyPreset,
    bench: Bench,
    evaluated: Mapping[str, Sequence[Evaluated]],
    *,
    preset: str,
    own: bool,
) -> StudyReport:
    keys = [measure.key for measure in study.measures]
    data = tuple(used(role, address) for role, places in bench.addresses.items() for address in places)
    if own:  # files cut from the world do not say where their pixels are from
        data = tuple(replace(each, simulated=True) for each in data)
    remarks = [remark for export in size.data.values() for remark in export.remarks] if own or size.files else []
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
        lines=tuple(_line(row, bench, evaluated[row.label], keys) for row in size.rows),
        data=data,
        differs=tuple(dict.fromkeys((*_of_data(data), *remarks, *size.differs))),
        notes=study.notes,
        revision=revision(),
        teacher=study.teacher,
        headroom=study.headroom,
        contrasts=study.contrasts,
    )


def _line(row: StudyRow, bench: Bench, outcomes: Sequence[Evaluated], keys: Sequence[str]) -> ReportLine:
    """The report's line of a row, of one outcome a seed."""
    return ReportLine(
        label=row.label,
        values={key: tuple(outcome.values.get(key) for outcome in outcomes) for key in keys},
        paper=row.paper,
        note=row.note,
        data=row.data,
        blocks=_blocks(outcomes),
        classes=outcomes[0].classes,
        made=tuple(_made(bench, row, seed) for seed in range(len(outcomes))),
    )


def _blocks(evaluated: Sequence[Evaluated]) -> Counts:
    """Block counts of every seed; empty where an evaluator counts no blocks."""
    counted = [outcome.blocks for outcome in evaluated if outcome.blocks is not None]
    return counts_of([blocks.tolist() for blocks in counted]) if len(counted) == len(evaluated) else ()


def _made(bench: Bench, row: StudyRow, seed: int) -> Mapping[str, Any]:
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


def _lines(size: StudyPreset) -> int:
    """Lines of the panel for each dataset that rows are judged on."""
    return max(2, LINES_SHOWN // len(size.judged_on))


def _groups(
    size: StudyPreset, bench: Bench, evaluated: Mapping[str, Sequence[Evaluated]], shown: Mapping[str, Sequence[str]]
) -> list[panels.PanelGroup]:
    """Panels of each dataset that rows are judged on: what it shows, and the rows' maps of it."""
    groups = []
    for role in size.judged_on:
        ids, rows = shown[role], [row for row in size.rows if (row.data or size.main) == role]
        maps = {row.label: evaluated[row.label][0] for row in rows if evaluated[row.label][0].maps}
        side = Dataset.open(bench.data(role)[0]).manifest.size
        fine = any(len(classes) > side for outcome in maps.values() for classes in outcome.maps.values())
        columns = panels.views(bench.data(role), ids, fine=fine, truth=bench.data(size.truth) if size.truth else ())
        for label, outcome in maps.items():
            columns += _map_columns(label, outcome, ids)
        groups.append(panels.PanelGroup(role if len(size.judged_on) > 1 else "", tuple(columns)))
    return groups


def _map_columns(label: str, outcome: Evaluated, ids: Sequence[str]) -> Iterator[panels.Column]:
    """A row's maps of the patches, none of those that it has not mapped; and its heat maps where it has them."""
    maps = [(outcome.maps.get(name), outcome.classes) for name in ids]
    yield panels.Column(label, tuple(None if each is None else panels.coloured(each, names) for each, names in maps))
    if outcome.heats:
        yield panels.Column(f"{label}: heat map", tuple(panels.grey(outcome.heats[name]) for name in ids))


def _written(
    report: StudyReport, groups: Sequence[panels.PanelGroup], evaluated: Mapping[str, Sequence[Evaluated]], folder: Path
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

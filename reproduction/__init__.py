"""The papers' tables and figures, run again by one command: studies as data, their runs, judges, reports and panels."""

from __future__ import annotations

if __name__ == "reproduction":  # a module under two names is loaded twice, with two classes of each name
    raise ImportError("this folder is a part of the package isamap: import isamap.reproduction")

from isamap.reproduction import context, crofusenet, detail, jointseg, landcover3m, real_pairs, runetpp
from isamap.reproduction.study import Study

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        *jointseg.STUDIES,
        *real_pairs.STUDIES,
        *context.STUDIES,
        *detail.STUDIES,
        *runetpp.STUDIES,
        *crofusenet.STUDIES,
        *landcover3m.STUDIES,
    )
}

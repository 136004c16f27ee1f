"""The papers' tables and figures, run again by one command: studies as data, their runs, judges, reports and panels."""

from __future__ import annotations

from reproduction import crofusenet, jointseg, landcover3m, runetpp
from reproduction.study import Study

STUDIES: dict[str, Study] = {
    study.name: study for study in (*jointseg.STUDIES, *runetpp.STUDIES, *crofusenet.STUDIES, *landcover3m.STUDIES)
}

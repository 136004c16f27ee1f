"""The papers' tables and figures, run again by one command: studies as data, their runs, judges, reports and panels."""

from __future__ import annotations

from reproduction import s000, s001, s002, s003
from reproduction.study import Study

STUDIES: dict[str, Study] = {
    study.name: study for study in (*s000.STUDIES, *s001.STUDIES, *s002.STUDIES, *s003.STUDIES)
}

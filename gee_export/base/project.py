"""The name of a Google Cloud project: the rule, and the option that every command which may ask Google has."""

from __future__ import annotations

import re

from isamap.gee_export.base.options import Option

# https://cloud.google.com/resource-manager/reference/rest/v1/projects, "projectId"; old projects of a company's have
# its domain before it. Earth Engine takes a project's number too (ee.Initialize).
PROJECT_NAME = re.compile(r"([a-z0-9][a-z0-9.-]*\.[a-z]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]|[0-9]+")
LOCAL = "local"


def check_project(name: str | None) -> None:
    """ValueError for what cannot be a project's ID, such as a folder; none, and `local`, are the local engine."""
    if name and name != LOCAL and not PROJECT_NAME.fullmatch(name):
        raise ValueError(
            f"--project {name!r}: expected the ID of a Google Cloud project, 6 to 30 lowercase letters, digits and "
            "hyphens such as my-project (`gcloud projects list` prints yours), or leave it out for the local engine"
        )


PROJECT = Option("Google Cloud project; without it the local engine.", check=check_project)

"""What is given away: a whole source archive, and a lock that fits what setup.cfg asks for."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

import isamap
from tests.test_readme import GROUND, QUARTER, commands

BACKEND = "setuptools.build_meta"
ROOT = Path(__file__).resolve().parents[1]
LOCKED = re.compile(r"^([a-z0-9._-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE)


def tracked() -> set[str]:
    try:
        done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs a git clone: its list of files is what the archive is compared with")
    return {name for name in done.stdout.splitlines() if (ROOT / name).exists()}


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A copy of what git tracks, links as links: building writes into it."""
    folder = tmp_path_factory.mktemp("source") / "isamap"
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name, follow_symlinks=False)
    return folder


def built(source: Path, kind: str, out: Path) -> Path:
    """The archive that setuptools builds offline, as `python -m build` does."""
    out.mkdir(exist_ok=True)
    program = f"from setuptools import build_meta; build_meta.build_{kind}({str(out)!r})"
    subprocess.run([sys.executable, "-c", program], cwd=source, capture_output=True, text=True, check=True)
    [archive] = out.glob("*.tar.gz" if kind == "sdist" else "*.whl")
    return archive


@pytest.mark.long
def test_the_source_archive_holds_every_file_of_the_project(copy, tmp_path):
    """But those of the engine, which has an archive of its own; the folders lie where the package has them."""
    names = {name for name in tracked() if not (ROOT / name).is_symlink() and not name.startswith("local_ee/")}
    with tarfile.open(built(copy, "sdist", tmp_path / "dist")) as opened:
        stored = {member.name.partition("/")[2] for member in opened if member.isfile()}
    assert {name for name in names if name not in stored and f"isamap/{name}" not in stored} == set()
    assert not [name for name in stored if name.endswith(".pyc")]


@pytest.fixture(scope="module")
def wheels(copy, tmp_path_factory) -> Path:
    """A folder with the wheels of isamap and of the engine."""
    folder = tmp_path_factory.mktemp("wheels")
    for source in (copy, copy / "local_ee"):
        shutil.move(built(source, "wheel", folder / source.name), folder)
    return folder


@pytest.mark.long
def test_each_wheel_owns_one_name(wheels):
    """Nothing that another distribution may own: `inference`, `training` and `tests` are common names."""
    owned = {}
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as opened:
            tops = {name.partition("/")[0] for name in opened.namelist()}
        owned[wheel.name.partition("-")[0]] = {top for top in tops if not top.endswith(".dist-info")}
    assert owned == {"isamap": {"isamap"}, "local_ee": {"local_ee"}}


@pytest.mark.long
def test_the_wheel_holds_every_module_and_file_of_the_package(wheels):
    folders = ("gee_export", "training", "inference", "reproduction")
    package = {name for name in tracked() if name.startswith(folders) and not name.endswith(".md")}
    [wheel] = wheels.glob("isamap-*.whl")
    with zipfile.ZipFile(wheel) as opened:
        assert {f"isamap/{name}" for name in package} - set(opened.namelist()) == set()


def empty_environment(folder: Path) -> Path:
    """The Python of a new virtual environment without any distribution."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder / "bin" / "python"


def pip_for(python: Path) -> list[str]:
    return [sys.executable, "-m", "pip", "--python", str(python), "--quiet", "--disable-pip-version-check"]


@pytest.mark.long
@pytest.mark.parametrize("ours_first", [True, False])
def test_it_lives_beside_a_distribution_that_owns_the_names_of_our_folders(wheels, tmp_path, ours_first):
    """Installed in both orders, then the other one is removed: isamap works, and its files are all there."""
    second = tmp_path / "other"
    for name in ("inference", "training", "tests"):
        (second / name).mkdir(parents=True)
        (second / name / "__init__.py").write_text("")
    (second / "setup.cfg").write_text("[metadata]\nname = foreign\nversion = 1\n[options]\npackages = find:\n")
    (second / "pyproject.toml").write_text(f'[build-system]\nrequires = ["setuptools"]\nbuild-backend = "{BACKEND}"\n')
    foreign = built(second, "wheel", tmp_path / "foreign")
    python = empty_environment(tmp_path / "venv")
    pip = pip_for(python)
    ours = sorted(map(str, wheels.glob("*.whl")))
    for group in [ours, [str(foreign)]] if ours_first else [[str(foreign)], ours]:
        subprocess.run([*pip, "install", "--no-deps", "--no-index", *group], check=True)
    subprocess.run([*pip, "uninstall", "--yes", "foreign"], check=True)
    code = "import isamap.inference, isamap.training; print(isamap.version(), isamap.inference.__name__)"
    shown = subprocess.run([str(python), "-E", "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert shown.stdout.split() == [isamap.version(), "isamap.inference"], shown.stderr


@pytest.mark.long
def test_an_editable_installation_is_the_clone_itself(copy, tmp_path):
    """As `pip install -e` installs it (PEP 660): what is written later is there, and under isamap's name alone."""
    python = empty_environment(tmp_path / "venv")
    wheel = built(copy, "editable", tmp_path / "dist")
    subprocess.run([*pip_for(python), "install", "--no-deps", "--no-index", str(wheel)], check=True)
    fresh = copy / "inference" / "written_afterwards.py"
    fresh.write_text("NAME = __name__\n")
    code = (
        "import isamap, isamap.inference.written_afterwards as fresh, importlib.util as util;"
        "print(isamap.version(), fresh.NAME, fresh.__file__, *map(util.find_spec, ('training', 'inference', 'tests')))"
    )
    shown = subprocess.run([str(python), "-E", "-c", code], capture_output=True, text=True, cwd=tmp_path)
    fresh.unlink()
    version, name, file, *bare = shown.stdout.split()
    assert (version, name) == (isamap.version(), "isamap.inference.written_afterwards"), shown.stderr
    assert Path(file).resolve() == fresh.resolve() and bare == ["None"] * 3


def environment_of_needs(folder: Path) -> Path:
    """The Python of a new virtual environment that has what isamap needs, and no isamap that is editable here."""
    python = empty_environment(folder)
    [packages] = (folder / "lib").glob("python*/site-packages")
    # Python reads no .pth files in a folder that a .pth file names: an editable isamap of this environment is left out.
    (packages / "needs.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return python


@pytest.mark.long
def test_the_commands_of_both_readmes_run_from_the_two_wheels(wheels, tmp_path):
    """In a folder without the clone; `export_patches.py` is the clone's."""
    python = environment_of_needs(tmp_path / "venv")
    ours = sorted(map(str, wheels.glob("*.whl")))
    subprocess.run([*pip_for(python), "install", "--no-deps", "--no-index", *ours], check=True)
    (tmp_path / "work").mkdir()

    def run(*words: str) -> str:
        done = subprocess.run([str(python), "-E", *words], cwd=tmp_path / "work", capture_output=True, text=True)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    where = run("-c", "import isamap, isamap.inference, local_ee; print(isamap.inference.__file__, local_ee.__file__)")
    assert all(Path(file).is_relative_to(tmp_path / "venv") for file in where.split())
    for command in commands("bash"):
        if command.startswith("isamap"):
            run("-m", "isamap", *shlex.split(command.replace(GROUND, QUARTER))[1:])
    block = re.search(r"^```python\n(.*?)^```", (ROOT / "local_ee" / "README.md").read_text("utf-8"), re.M | re.S)
    (tmp_path / "work" / "test_mean.py").write_text(block[1])
    for words in (["--ee-record", "answers.json"], ["--ee-replay", "answers.json"]):
        assert "1 passed" in run("-m", "pytest", "-p", "local_ee.pytest_plugin", "-p", "no:cacheprovider", *words)


@pytest.mark.long
def test_a_clone_runs_without_installation(copy, tmp_path):
    """In an environment that has what isamap needs, and not isamap."""
    python = environment_of_needs(tmp_path / "venv")
    outside = subprocess.run([str(python), "-E", "-c", "import isamap"], capture_output=True, text=True, cwd=tmp_path)
    if outside.returncode == 0:
        pytest.skip("isamap is installed here, and not as an editable installation")
    words = [str(python), "-E", "export_patches.py", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=copy)
    assert done.returncode == 0 and done.stdout.startswith("Usage: isamap export "), done.stderr


def test_no_address_is_named_that_a_stranger_may_own():
    """Nothing is registered under this name: whoever takes it would be installed from, or believed."""
    files = [ROOT / name for name in tracked() if not name.startswith("tests/") and (ROOT / name).is_file()]
    assert [path for path in files if b"github.com/isamap" in path.read_bytes()] == []


def lock() -> dict[str, str]:
    """Version by name."""
    return {name: version for name, version, _ in LOCKED.findall((ROOT / "requirements.lock").read_text("utf-8"))}


def required() -> dict[str, str]:
    """Lowest version by name, of setup.cfg."""
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = parser["options"]["install_requires"].split()
    return dict(line.split(">=") for line in lines if not line.startswith("local-ee"))  # of this repository


def names_needed() -> list[str]:
    """Names of what the extras `test` of both distributions, and their builds, ask for."""
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    engine = tomllib.loads((ROOT / "local_ee" / "pyproject.toml").read_text("utf-8"))
    lines = parser["options.extras_require"]["test"].split() + engine["project"]["optional-dependencies"]["test"]
    lines += engine["project"]["dependencies"] + engine["build-system"]["requires"]
    return sorted({re.split(r"[\[=>]", line)[0].lower() for line in lines})


def test_the_lock_holds_nothing_but_versions_with_hashes():
    """No address of an index, no path: it may be given away."""
    text = (ROOT / "requirements.lock").read_text("utf-8")
    assert LOCKED.sub("", text).strip() == ""


@pytest.mark.parametrize("name", required())
def test_the_lock_satisfies_what_is_required(name):
    from packaging.version import Version

    assert Version(lock()[name]) >= Version(required()[name])


def constraints() -> dict[str, str]:
    """Version by name, of the lock that the tests run with."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    return dict(line.split("==") for line in lines)


def test_the_lock_of_the_tests_holds_nothing_but_versions():
    assert all(re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9a-z.]*", "==".join(pair)) for pair in constraints().items())


def test_both_locks_agree():
    assert lock().items() <= constraints().items()


@pytest.mark.parametrize("name", names_needed())
def test_the_lock_of_the_tests_pins_what_they_need(name):
    assert name in constraints()


def test_the_container_asks_for_extras_that_are_there():
    asked = re.search(r'"\.\[(.*)\]"', (ROOT / "Dockerfile").read_text("utf-8"))[1].split(",")
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    assert set(asked) <= set(parser["options.extras_require"])


def engine_requirement():
    from packaging.requirements import Requirement

    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    [line] = [line for line in parser["options"]["install_requires"].split() if line.startswith("local-ee")]
    return Requirement(line)


def test_the_engine_of_this_clone_is_what_isamap_asks_for():
    engine = tomllib.loads((ROOT / "local_ee" / "pyproject.toml").read_text("utf-8"))["project"]
    requirement = engine_requirement()
    assert (requirement.name, requirement.extras) == (engine["name"], {"learning"})
    assert requirement.specifier.contains(engine["version"])


@pytest.mark.parametrize("version", ["0.1.0", "0.1.1", "9.9", "0.1.0.post1"])
def test_no_version_that_an_index_may_serve_is_taken_for_the_engine(version):
    """PyPI refuses local versions (PEP 440, "Local version identifiers"): a stranger's `local-ee` has another one."""
    assert not engine_requirement().specifier.contains(version, prereleases=True)


@pytest.mark.long
def test_a_strangers_engine_is_not_installed(wheels, tmp_path):
    """pip, with our wheel and an index that has another `local-ee`, ends with a sentence that says where ours is."""
    stranger = tmp_path / "index"
    stranger.mkdir()
    shutil.copy(next(wheels.glob("isamap-*.whl")), stranger)
    for version in ("0.1.0", "9.9"):
        with zipfile.ZipFile(stranger / f"local_ee-{version}-py3-none-any.whl", "w") as wheel:
            head = f"local_ee-{version}.dist-info"
            wheel.writestr(f"{head}/METADATA", f"Metadata-Version: 2.1\nName: local-ee\nVersion: {version}\n")
            wheel.writestr(f"{head}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{head}/RECORD", "")
    pip = [sys.executable, "-m", "pip", "install", "--no-index", "--find-links", str(stranger), "--ignore-installed"]
    done = subprocess.run(
        [*pip, "--target", str(tmp_path / "target"), "isamap"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "No matching distribution found for local-ee[learning]==0.1.0+from.the.clone" in done.stderr


def test_the_engine_carries_the_licence_of_the_project():
    assert (ROOT / "local_ee" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.long
def test_the_engines_archive_holds_every_file_of_its_project(copy, tmp_path):
    files = {name.removeprefix("local_ee/") for name in tracked() if name.startswith("local_ee/")}
    with tarfile.open(built(copy / "local_ee", "sdist", tmp_path / "dist")) as opened:
        assert files - {member.name.partition("/")[2] for member in opened} == set()


@pytest.mark.long
@pytest.mark.parametrize("project", [".", "local_ee"])
def test_the_source_archive_makes_the_same_wheel(copy, wheels, tmp_path, project):
    with tarfile.open(built(copy / project, "sdist", tmp_path / "dist")) as opened:
        opened.extractall(tmp_path / "source", filter="data")
    [source] = (tmp_path / "source").iterdir()
    [direct] = wheels.glob("isamap-*.whl" if project == "." else "local_ee-*.whl")
    with zipfile.ZipFile(direct) as first, zipfile.ZipFile(built(source, "wheel", tmp_path / "wheel")) as second:
        assert {f.filename: f.CRC for f in first.infolist()} == {f.filename: f.CRC for f in second.infolist()}

"""`--database`: jobs in PostgreSQL, its refusals, and its password, which nothing shows."""

from __future__ import annotations

import logging
import pickle
import subprocess
import sys
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

import isamap
from gee_export.base.errors import Fault
from inference.serve import worker as workers
from inference.serve.app import Service
from inference.serve.database import PostgresqlServer, SqliteFile, Unreachable, database_url
from inference.serve.job import ACCEPTED, SUCCESSFUL, Job
from inference.serve.job_store import JobStore
from inference.serve.lease import Lease
from inference.serve.settings import Settings
from tests.inference.serve.conftest import BASE, DOOR
from tests.support import postgresql

URL = "postgresql://anna:gift%40x@db.example.org:5433/maps"
JOB = Job("0" * 32, "toy", {}, "", ACCEPTED, "waits", 0, 0, 1.0, 1.0)


@pytest.fixture
def server(postgresql_server) -> postgresql.Server:
    return postgresql_server


@pytest.fixture
def url(server) -> str:
    return server.new_database()


@pytest.fixture
def driver() -> None:
    pytest.importorskip("psycopg")


def test_without_a_url_the_jobs_lie_in_a_file_of_the_folder(tmp_path):
    assert Settings(tmp_path).jobs.database == SqliteFile(tmp_path / "jobs.sqlite")


def test_the_option_comes_before_the_variable(driver):
    option = "postgresql://anna@one.example.org/maps"
    assert database_url(option, {"ISAMAP_DATABASE": URL}) == option


@pytest.mark.parametrize(("environment", "url"), [({"ISAMAP_DATABASE": URL}, URL), ({"ISAMAP_DATABASE": ""}, None)])
def test_without_the_option_the_variable_says_where(environment, url):
    assert database_url(None, environment) == url


@pytest.mark.parametrize("option", [URL, "postgresql://db.example.org/maps?user=anna&password=gift%40x"])
def test_a_password_in_the_command_is_refused(driver, option):
    with pytest.raises(ValueError, match="`ps` shows to others: put the URL into ISAMAP_DATABASE") as refusal:
        database_url(option, {})
    assert "gift" not in str(refusal.value)


@pytest.mark.parametrize("url", ["mysql://anna:gift@x/y", "jobs.sqlite", "gift"])
def test_another_database_is_refused(url):
    with pytest.raises(ValueError, match="expected a URL such as postgresql://USER@HOST:5432/NAME") as refusal:
        PostgresqlServer(url)
    assert "gift" not in str(refusal.value)


@pytest.mark.parametrize("url", ["postgresql://anna:gift@[::1/maps", "postgresql://anna:gift@x/y?colour=red"])
def test_a_url_that_cannot_be_read_is_refused_without_its_password(driver, url):
    with pytest.raises(ValueError, match="cannot be read") as refusal:
        PostgresqlServer(url)
    assert "gift" not in str(refusal.value) and refusal.value.__context__ is None


def test_without_the_driver_the_refusal_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ValueError, match=r"pip install 'isamap\[serve-postgresql\]'"):
        PostgresqlServer(URL)


def test_sqlite_needs_no_driver(tmp_path):
    code = """if True:
        import pathlib, sys
        from inference.serve import database, job_store
        job_store.JobStore(database.opened(None, pathlib.Path(sys.argv[1]))).prepare()
        print("psycopg" in sys.modules)"""
    words = [sys.executable, "-c", code, str(tmp_path / "jobs.sqlite")]
    result = subprocess.run(words, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_nothing_shows_the_password(driver, tmp_path):
    settings = Settings(tmp_path, database=URL)
    shown = f"{settings!r} {settings.jobs!r} {settings.jobs.database} {settings.jobs.database!r}"
    assert "gift" not in shown
    assert str(settings.jobs.database) == "postgresql://db.example.org:5433/maps"


def test_workers_get_the_url(driver, tmp_path):
    settings = Settings(tmp_path, database=URL)
    assert pickle.loads(pickle.dumps(settings)).jobs == settings.jobs


def test_a_server_that_is_not_there_is_a_fault(driver):
    with pytest.raises(Unreachable, match=r"cannot be used .*check that the server runs") as refusal:
        JobStore(PostgresqlServer("postgresql://anna:gift@127.0.0.1:1/maps")).prepare()
    assert "gift" not in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_wrong_password_is_a_fault_that_does_not_repeat_it(server):
    with pytest.raises(Unreachable, match="check user, password and name") as refusal:
        JobStore(PostgresqlServer(server.url(password="gift"))).prepare()
    assert "gift" not in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_password_that_is_missing_is_asked_for(server, monkeypatch, tmp_path):
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    address = server.url().replace(f":{postgresql.PASSWORD}", "")
    with pytest.raises(Unreachable, match="put the password into the URL in ISAMAP_DATABASE"):
        JobStore(PostgresqlServer(address)).prepare()


def test_a_password_may_lie_in_postgresqls_own_file(server, url, monkeypatch, tmp_path):
    path = tmp_path / "pgpass"
    path.write_text(f"127.0.0.1:{server.port}:*:{postgresql.USER}:{postgresql.PASSWORD}\n")
    path.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(path))
    address = database_url(url.replace(f":{postgresql.PASSWORD}", ""), {})
    assert JobStore(PostgresqlServer(address)).prepare().jobs() == []


def test_a_database_that_is_not_there_is_a_fault(server):
    with pytest.raises(Unreachable, match='"nothing" does not exist'):
        JobStore(PostgresqlServer(server.url("nothing"))).prepare()


def test_a_table_of_another_program_is_refused_and_stays(server, url):
    server.query("CREATE TABLE jobs (id TEXT, status TEXT, created_s INTEGER)", url)
    with pytest.raises(Fault, match="a table `jobs` of another program"):
        JobStore(PostgresqlServer(url)).prepare()
    assert server.query("SELECT COUNT(*) FROM pg_indexes WHERE tablename = 'jobs'", url) == [(0,)]


def test_tables_of_a_later_version_are_refused(server, url):
    JobStore(PostgresqlServer(url)).prepare()
    server.query("COMMENT ON TABLE jobs IS 'isamap 99'", url)
    with pytest.raises(Fault, match="is of version 99"):
        JobStore(PostgresqlServer(url)).prepare()


def test_another_encoding_than_utf_8_is_refused(server):
    url = server.new_database("ENCODING 'SQL_ASCII' TEMPLATE template0")
    with pytest.raises(Fault, match="has the encoding SQL_ASCII: create the database with ENCODING 'UTF8'"):
        JobStore(PostgresqlServer(url)).prepare()


def test_a_user_who_may_make_no_table_is_a_fault(server, url):
    server.query("CREATE ROLE reader LOGIN PASSWORD 'r'; REVOKE CREATE ON SCHEMA public FROM public", url)
    reader = url.replace(f"{postgresql.USER}:{postgresql.PASSWORD}", "reader:r")
    with pytest.raises(Fault, match="cannot be used as the database of jobs"):
        JobStore(PostgresqlServer(reader)).prepare()


def test_a_user_who_may_only_change_rows_can_serve(server, url):
    """The administrator makes the table by starting the service once."""
    JobStore(PostgresqlServer(url)).prepare()
    server.query("CREATE ROLE writer LOGIN PASSWORD 'w'; GRANT SELECT, INSERT, UPDATE ON jobs TO writer", url)
    store = JobStore(PostgresqlServer(url.replace(f"{postgresql.USER}:{postgresql.PASSWORD}", "writer:w"))).prepare()
    store.submit(JOB, 10)
    held = store.take("a", 10)
    assert store.finish(held, SUCCESSFUL, "done", {}) and store.dismiss(JOB.id) is not None


def test_a_worker_passes_over_a_job_that_another_one_is_taking(url):
    import psycopg

    store = JobStore(PostgresqlServer(url)).prepare()
    second = replace(JOB, id="1" * 32, created_s=2.0)
    store.submit(JOB, 10)
    store.submit(second, 10)
    with psycopg.connect(url) as other:
        other.execute("SELECT id FROM jobs WHERE id = %s FOR UPDATE", (JOB.id,))
        assert store.take("b", 10).id == second.id


def test_a_transaction_of_a_machine_that_is_gone_ends_by_itself(url):
    database = PostgresqlServer(url)
    with database.transaction() as session:
        rows = [session.execute(f"SHOW {name}").fetchone() for name in _TIMEOUTS]
    assert rows == [("30s",), ("1min",)]


_TIMEOUTS = ("lock_timeout", "idle_in_transaction_session_timeout")


def test_two_servers_on_two_folders_share_their_jobs(settings, url, tmp_path, asked):
    folders = (settings, replace(settings, folder=tmp_path / "another machine"))
    first, second = (
        TestClient(Service(replace(each, database=url), DOOR).application(), base_url=BASE) for each in folders
    )
    made = first.post("/processes/map/execution", json=asked()).json()
    again = second.post("/processes/map/execution", json=asked()).json()
    assert made["jobID"] == again["jobID"]
    assert [job["jobID"] for job in second.get("/jobs").json()["jobs"]] == [made["jobID"]]
    assert second.delete(f"/jobs/{made['jobID']}").json()["status"] == "dismissed"
    assert first.get(f"/jobs/{made['jobID']}").json()["status"] == "dismissed"


def test_a_database_that_stops_is_no_fault_of_a_request(settings, server, url, caplog):
    made = replace(settings, database=url)
    client = TestClient(Service(made, DOOR).application(), base_url=BASE, raise_server_exceptions=False)
    with caplog.at_level(logging.DEBUG), server.stopped():
        reply = client.get("/jobs")
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "10")
    assert str(server.port) not in reply.text and str(server.port) in caplog.text
    assert postgresql.PASSWORD not in caplog.text
    assert client.get("/jobs").status_code == 200


def test_a_database_that_stops_fails_no_job(settings, server, url, monkeypatch):
    """The worker leaves the job to its lease."""
    made = replace(settings, database=url)
    store = made.jobs.prepare()
    store.submit(JOB, 10)

    def broken(self, job):
        with server.stopped():
            store.renew(job, 10, progress=1, message="")

    monkeypatch.setattr(workers.Worker, "_finish", broken)
    with pytest.raises(Unreachable, match="cannot be used"):
        workers.Worker(made, "w", lambda: False).work_once()
    assert store.job(JOB.id).status == "running"


class Broken:
    """A store whose database does not answer."""

    def renew(self, *_, **__):
        raise Unreachable("the database does not answer")


class Working:
    """A store that answers."""

    def renew(self, *_, **__):
        return True


def test_a_lease_outlasts_a_short_silence_of_the_database():
    now = [0.0]
    lease = Lease(Working(), JOB, 30.0, lambda: now[0])
    now[0] = 20.0
    assert lease.renew(1, "")
    lease.store, now[0] = Broken(), 49.0
    assert lease.renew(2, "")


def test_a_lease_ends_with_a_long_silence_of_the_database():
    now = [0.0]
    lease = Lease(Broken(), JOB, 30.0, lambda: now[0])
    now[0] = 30.0
    with pytest.raises(Unreachable):
        lease.renew(1, "")


def test_a_connection_that_breaks_within_an_operation_is_a_fault(url, server):
    database = PostgresqlServer(url)
    end = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'isamap' AND query LIKE '%7%'"
    )
    with pytest.raises(Unreachable, match="stopped answering"), database.transaction() as session:
        session.execute("SELECT 7")
        server.query(end)
        session.execute("SELECT 8")


def test_the_command_refuses_a_password_and_does_not_repeat_it(driver, capsys, tmp_path):
    assert isamap.main(["serve", "--folder", str(tmp_path), "--database", URL]) == 2
    text = "".join(capsys.readouterr())
    assert "ISAMAP_DATABASE" in text and "gift" not in text


def test_the_command_takes_the_variable(driver, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("ISAMAP_DATABASE", "postgresql://anna:gift@127.0.0.1:1/maps")
    assert isamap.main(["serve", "--folder", str(tmp_path), "--port", "0"]) == 1
    text = "".join(capsys.readouterr())
    assert "postgresql://127.0.0.1:1/maps cannot be used" in text and "gift" not in text


def test_a_worker_asks_a_database_that_stopped_again(settings, server, url, monkeypatch):
    made = replace(settings, database=url)
    made.jobs.prepare()
    parents = iter([1, 1, 0])  # the third time the server has gone, so that the worker ends
    monkeypatch.setattr(workers.os, "getppid", lambda: next(parents))
    monkeypatch.setattr(workers.signal, "signal", lambda *_: None)
    monkeypatch.setattr(workers, "SILENCE_S", 0.01)
    with server.stopped():
        workers.work(made, 1)
    assert next(parents, None) is None

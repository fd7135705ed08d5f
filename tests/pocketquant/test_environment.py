"""Settings are checked at start, all at once, in words."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from pocketquant.environment import KNOWN, Environment

ROOT = Path(__file__).parents[2]


def problems(read, **values):
    env = Environment(values)
    read(env)
    return env.problems


def test_everything_wrong_is_named_at_once():
    env = Environment({"POCKETQUANT_PORT": "http", "DEBUG": "maybe", "REDIS_URL": "localhost:6379"})
    env.port("POCKETQUANT_PORT", 8000)
    env.flag("DEBUG")
    env.redis("REDIS_URL", "unix:///x")
    with pytest.raises(ImproperlyConfigured) as caught:
        env.check()
    assert str(caught.value).count("\n  - ") == 3


@pytest.mark.parametrize("port", ["0", "65536", "-1", "8000.0", "http", "８０００"])
def test_a_port_is_a_number_that_can_be_one(port):
    assert problems(lambda env: env.port("POCKETQUANT_PORT", 8000), POCKETQUANT_PORT=port)


@pytest.mark.parametrize(
    "url", ["mysql://host/db", "sqlite://", "nonsense", "postgres://", "sqlite:///:memory:", "sqlite://:memory:"]
)
def test_a_database_that_cannot_work_is_refused_with_an_example(url):
    (problem,) = problems(lambda env: env.database("DATABASE_URL", {}), DATABASE_URL=url)
    assert "postgres://user:password@host:5432/name" in problem


@pytest.mark.parametrize("url", ["postgres://u:p@host:5432/name", "postgresql://host/name", "sqlite:////tmp/x.sqlite3"])
def test_databases_that_can_work_are_taken(url):
    assert not problems(lambda env: env.database("DATABASE_URL", {}), DATABASE_URL=url)


def test_a_password_does_not_enter_a_message():
    found = problems(lambda env: env.database("DATABASE_URL", {}), DATABASE_URL="mysql://me:hunter2@host/db")
    found += problems(lambda env: env.redis("REDIS_URL", "unix:///x"), REDIS_URL="http://:hunter2@host")
    assert len(found) == 2
    assert "hunter2" not in str(found)


@pytest.mark.parametrize("url", ["redis://host:6379/0", "redis://host/5", "redis://host?db=1", "unix:///sock?db=1"])
def test_redis_comes_without_a_database_number(url):
    assert problems(lambda env: env.redis("REDIS_URL", "unix:///x"), REDIS_URL=url)


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://h1:27017,h2:27017/?replicaSet=rs0",
        "mongodb+srv://u:p@cluster.example/db",
        "mongodb://%2Ftmp%2Fm.sock",
    ],
)
def test_mongodb_may_have_many_hosts_or_a_socket(uri):
    assert not problems(lambda env: env.url("MONGODB_URI", "", ("mongodb", "mongodb+srv")), MONGODB_URI=uri)


def test_an_unknown_variable_of_ours_is_refused_with_the_nearest_name():
    (problem,) = Environment({"POCKETQUANT_PROT": "1"}).problems
    assert "did you mean POCKETQUANT_PORT?" in problem


def test_an_unknown_name_in_our_file_is_refused(tmp_path):
    file = tmp_path / ".env"
    file.write_text("# comment\nTRADINGVIEW_TOKN=x\n")
    try:
        (problem,) = Environment.load(file).problems
    finally:
        os.environ.pop("TRADINGVIEW_TOKN", None)
    assert "did you mean TRADINGVIEW_TOKEN?" in problem


def test_a_name_of_another_program_that_looks_like_ours_is_only_mentioned():
    env = Environment({"MONGO_URI": "mongodb://x", "PATH": "/bin", "HOME": "/"})
    assert not env.problems
    (warning,) = env.warnings
    assert "did you mean MONGODB_URI?" in warning


def test_settings_example_and_table_name_the_same_variables():
    example = set(re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', (ROOT / "pocketquant" / "settings.py").read_text()))
    assert example == KNOWN - {"POCKETQUANT_ENV_FILE"}
    assert read == KNOWN - {"POCKETQUANT_ENV_FILE"}


@pytest.mark.parametrize("command", [["up"], ["check"]])
def test_a_command_ends_with_the_problem_and_no_traceback(command, tmp_path):
    env = os.environ | {"POCKETQUANT_VAR": str(tmp_path), "DATABASE_URL": "nonsense", "POCKETQUANT_PORT": "0"}
    answer = subprocess.run(
        [sys.executable, "manage.py", *command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60
    )
    assert answer.returncode == 2
    assert "DATABASE_URL must be like" in answer.stderr
    assert "POCKETQUANT_PORT=0 must be a port" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_the_secret_key_is_made_once_and_is_private(tmp_path):
    env = os.environ | {"POCKETQUANT_VAR": str(tmp_path)}
    code = "from pocketquant import settings; print(settings.SECRET_KEY)"
    command = [sys.executable, "-c", code]
    together = [subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    keys = {process.communicate(timeout=60)[0].strip() for process in together}
    assert len(keys) == 1
    assert len(keys.pop()) > 50
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600

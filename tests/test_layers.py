"""Imports point down only: the order of docs/architecture.md, read from the code itself."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

ALLOWED = {
    "domain": set(),
    "providers": {"domain"},
    "accounts": {"domain"},
    "symbols": {"accounts", "providers", "domain"},
    "marketdata": {"symbols", "providers", "domain"},
    "quotes": {"marketdata", "symbols", "providers", "domain"},
    "web": {"quotes", "marketdata", "symbols", "accounts", "providers", "domain"},
    "pocketquant": {"web", "quotes", "marketdata", "symbols", "accounts", "providers", "domain"},
}
DOMAIN_MAY_USE = {"exchange_calendars", "msgspec", "numpy", "pandas"}
NO_DJANGO = {"django", "rest_framework", "channels", "django_q", "pymongo", "redis"}


def imported_modules(path):
    """Top-level names of everything ``path`` imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module.partition(".")[0]


def sources(package):
    return [path for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts]


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_what_lies_below_it(package):
    assert sources(package)
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(package)
        for name in imported_modules(path)
        if name in ALLOWED and name != package and name not in ALLOWED[package]
    ]
    assert not wrong


def test_the_domain_stands_on_the_standard_library_and_calendars():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources("domain")
        for name in imported_modules(path)
        if name != "domain" and name not in sys.stdlib_module_names and name not in DOMAIN_MAY_USE
    ]
    assert not wrong


def test_domain_and_providers_load_in_a_process_without_django():
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for package in ("domain", "providers")
        for path in sources(package)
        if path.name != "__main__.py"
    ]
    code = (
        "import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        f"print(sorted({NO_DJANGO!r} & {{name.partition('.')[0] for name in sys.modules}}))"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_the_two_walks_name_files_that_exist():
    named = {
        word.strip("`.,;:()")
        for line in (ROOT / "docs/architecture.md").read_text().splitlines()
        for word in line.split()
        if "/" in word and word.strip("`.,;:()").endswith((".py", ".js"))
    }
    assert len(named) > 10
    assert not [name for name in sorted(named) if not (ROOT / name).exists()]

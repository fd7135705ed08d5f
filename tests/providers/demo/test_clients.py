"""Other people's clients, their code unchanged, with tradingview.com resolved to a local port.

They speak TLS as always: the demo market gets a certificate for the service's names, which the clients are told to
trust. The libraries are installed on demand into a cache folder; without a package index the tests are skipped.
"""

from __future__ import annotations

import datetime
import json
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from domain.interval import Interval
from providers.demo.market import DemoMarket
from tests.providers.demo.fixtures import RunningDemoMarket
from tests.providers.demo.refold import at

pytestmark = [pytest.mark.network, pytest.mark.timeout(300), pytest.mark.untraced]

SCRIPTS = Path(__file__).parent / "clients"
CACHE = Path(__file__).resolve().parents[3] / "var" / "clients"
SYMBOL = "DEMO:BTCUSD"
COUNT = 12
CODES = ["1", "3", "5", "15", "30", "45", "60", "120", "180", "240", "1D", "1W", "1M"]
TVDATAFEED_CODES = ["1", "3", "5", "15", "30", "45", "1H", "2H", "3H", "4H", "1D", "1W", "1M"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[Path, Path]:
    """A self-signed certificate for the service's names, and its key."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "Demo market")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("tradingview.com"), x509.DNSName("*.tradingview.com")]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "certificate.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def secure_market(certificate) -> Iterator[RunningDemoMarket]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    demo = RunningDemoMarket(DemoMarket(1), tls=tls)
    demo.start()
    yield demo
    demo.stop()


@pytest.fixture
def run_client(secure_market, certificate) -> Callable[..., dict]:
    """Run a script of `clients` against the market and return the JSON it prints."""

    def run(command: list[str], **environment: str) -> dict:
        trust = str(certificate[0])
        variables = {
            **os.environ,
            "DEMO_PORT": str(secure_market.server.port),
            "SSL_CERT_FILE": trust,
            "REQUESTS_CA_BUNDLE": trust,
            "NODE_EXTRA_CA_CERTS": trust,
            "TZ": "UTC",
            **environment,
        }
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            variables.pop(name, None)
        done = subprocess.run(
            [*command, SYMBOL, str(COUNT)], env=variables, capture_output=True, text=True, timeout=200
        )
        assert done.returncode == 0, done.stderr[-4_000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


def installed(name: str, command: list[str]) -> Path:
    """The folder of a client, installed now if it is not there; skips without a package index."""
    folder = CACHE / name
    if not folder.exists():
        building = CACHE / f"{name}.{os.getpid()}"
        building.mkdir(parents=True, exist_ok=True)
        done = subprocess.run([*command, str(building)], cwd=building, capture_output=True, text=True, timeout=200)
        if done.returncode != 0:
            shutil.rmtree(building, ignore_errors=True)
            pytest.skip(f"{name} cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
        if folder.exists():  # another test process was faster
            shutil.rmtree(building)
        else:
            building.rename(folder)
    return folder


def pip(name: str, *packages: str) -> Path:
    return installed(
        name,
        [sys.executable, "-m", "pip", "install", "--quiet", "--retries", "1", "--timeout", "15", *packages, "--target"],
    )


def assert_is_history(
    market: DemoMarket, found: list[list[float]], interval: Interval, volume_error: float = 0
) -> None:
    """Closed bars are the market's; the newest may have moved since. Some clients round volumes."""
    now = datetime.datetime.now(datetime.UTC)
    bars = market.bars(SYMBOL, interval, at("2009-01-01"), at("2100-01-01"), now)
    expected = {bar.starts_at.timestamp(): bar for bar in bars}
    assert len(found) == COUNT, interval
    for time, *prices, volume in found[:-1]:
        bar = expected[time]
        assert prices == [bar.open, bar.high, bar.low, bar.close], interval
        assert abs(volume - bar.volume) <= volume_error, interval


def test_tradingview_datafeed_loads_history_searches_and_gets_no_data_for_the_unknown(run_client, secure_market):
    folder = pip(
        "tradingview-datafeed-2.1.1",
        "--no-deps", "tradingview-datafeed==2.1.1", "websocket-client==1.8.0", "requests==2.32.4",
        "urllib3", "certifi", "idna", "charset-normalizer",
    )  # fmt: skip
    result = run_client([sys.executable, str(SCRIPTS / "tvdatafeed.py")], PYTHONPATH=str(folder))
    assert list(result["history"]) == TVDATAFEED_CODES
    for code, interval in zip(TVDATAFEED_CODES, Interval, strict=True):
        assert_is_history(secure_market.market, result["history"][code], interval)
    assert result["search"] == ["BTCUSD"]
    assert result["unknown"] is None


def test_tvkit_loads_history_streams_and_gets_its_errors(run_client, secure_market):
    folder = pip("tvkit-0.18.0", "tvkit==0.18.0")
    result = run_client([sys.executable, str(SCRIPTS / "tvkit_client.py")], PYTHONPATH=str(folder))
    for code, interval in zip(CODES, Interval, strict=True):
        assert_is_history(secure_market.market, result["history"][code], interval)
    assert result["range"] == 48
    assert len(result["stream"]) == 5
    assert result["quotes"][0]["lp"] > 0
    assert any("volume" in quote for quote in result["quotes"][1:])
    assert "Invalid exchange or symbol" in result["errors"]["symbol"]
    assert "custom_resolution" in result["errors"]["custom"]
    assert result["errors"]["seconds"].startswith("EntitlementError")


def test_mathieuc_tradingview_loads_history_streams_and_gets_its_errors(run_client, secure_market):
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    package = "@mathieuc/tradingview@3.5.2"
    folder = installed(
        "mathieuc-tradingview-3.5.2",
        [
            "npm",
            "install",
            "--no-audit",
            "--no-fund",
            "--silent",
            "--fetch-retries=1",
            "--fetch-timeout=15000",
            package,
            "--prefix",
        ],
    )
    modules = str(folder / "node_modules")
    result = run_client(["node", str(SCRIPTS / "mathieuc.cjs")], NODE_PATH=modules)
    for code, interval in zip(CODES, Interval, strict=True):
        assert_is_history(secure_market.market, result["history"][code], interval, volume_error=0.005001)
    assert result["info"] == {"name": "DEMO:BTCUSD", "session": "24x7"}
    assert result["more"] in (20, 21)  # a minute may have begun between the two pages
    assert result["updates"] > 3
    assert len({quote["lp"] for quote in result["quotes"]}) > 1
    assert result["search"] == ["DEMO:BTCUSD"]
    errors = result["errors"]
    assert errors["quote"][0] == "Market error"
    assert errors["symbol"][-1] in ("invalid symbol", "resolve error")
    assert errors["timeframe"][:2] == ["Critical error:", "invalid parameters"]
    assert errors["custom"] == ["Series error:", "custom_resolution"]
    assert errors["seconds"] == ["Series error:", "seconds_not_entitled"]
    assert errors["timezone"][:2] == ["Critical error:", "invalid timezone"]
    assert errors["series"][1].startswith("study_not_auth:")
    assert "client" not in errors

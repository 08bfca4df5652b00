"""Each file that another program reads is handed to that program: what it takes in is what the report says."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from environments.lab import cache_dir
from tests.reports.conftest import default_rows, run_meta
from tests.reports.dataset.conftest import written_run

from envreport import report_document
from envreport.dataset.store import collect_run
from envreport.formats import render

HOSTILE = 'a "quoted\\ word", {curly} \n and é \x1b[31m'
TIME_S = 20


@pytest.fixture(scope="module", params=["usual", "hostile"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with all kinds of rows; the hostile one has warnings and reasons that try to break out."""
    meta = run_meta()
    if request.param == "hostile":
        meta["warnings"].append({"code": HOSTILE, "message": HOSTILE, "advice": HOSTILE})
    return default_rows().write(tmp_path_factory.mktemp("run") / "run", meta)


def program(name: str, missing: Callable[[str], None]) -> str:
    """Where this program is: installed, or unpacked by the provisioning."""
    found = shutil.which(name, path=os.pathsep.join((os.environ["PATH"], str(cache_dir() / "tools/usr/bin"))))
    if not found:
        missing(f"{name} is not here (tests/e2e/provision.sh unpacks it)")
    return str(found)


@pytest.fixture
def text(folder: Path) -> str:
    return render("prometheus", report_document(folder))["envbench.prom"].decode()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def get(url: str, data: bytes | None = None) -> tuple[int, str]:
    request = urllib.request.Request(url, data=data, method="PUT" if data else "GET")  # noqa: S310 -- our own server
    with urllib.request.urlopen(request, timeout=TIME_S) as answer:  # noqa: S310
        return answer.status, answer.read().decode()


@contextmanager
def serving(missing: Callable[[str], None], package: str, *options: str) -> Iterator[str]:
    """Start this exporter on a port of its own; yield its address once it answers."""
    address = f"127.0.0.1:{free_port()}"
    words = [program(package, missing), f"--web.listen-address={address}", *options]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            deadline_s = time.monotonic() + TIME_S
            while True:
                try:
                    get(f"http://{address}/metrics")
                    break
                except OSError:
                    assert server.poll() is None, f"{package} ended with {server.returncode}"
                    assert time.monotonic() < deadline_s, f"{package} does not answer"
                    time.sleep(0.05)
            yield f"http://{address}"
        finally:
            server.terminate()


def envbench_samples(text: str) -> set[str]:
    """The names of our metrics and the values they have, labels left to the server's own order."""
    lines = [line for line in text.splitlines() if line.startswith("envbench_")]
    return {f"{line.partition('{')[0]} {float(line.rpartition(' ')[2]):.9g}" for line in lines}


@pytest.mark.engine("promtool")
def test_promtool_accepts_the_file(text: str, engine_missing: Callable[[str], None]) -> None:
    words = [program("promtool", engine_missing), "check", "metrics"]
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.engine("node_exporter")
def test_node_exporters_textfile_collector_shows_every_sample(
    text: str, tmp_path: Path, engine_missing: Callable[[str], None]
) -> None:
    (tmp_path / "envbench.prom").write_text(text)
    options = ("--collector.disable-defaults", "--collector.textfile", f"--collector.textfile.directory={tmp_path}")
    with serving(engine_missing, "prometheus-node-exporter", *options) as address:
        _, page = get(f"{address}/metrics")
    assert "node_textfile_scrape_error 0" in page
    assert envbench_samples(page) == envbench_samples(text)


@pytest.mark.engine("node_exporter")
def test_node_exporter_refuses_what_is_written_for_scrapers(
    folder: Path, tmp_path: Path, engine_missing: Callable[[str], None]
) -> None:
    """It would tell if the two formats were one after all, or the collector took anything."""
    text = render("openmetrics", report_document(folder))["metrics.txt"]
    (tmp_path / "envbench.prom").write_bytes(text)
    options = ("--collector.disable-defaults", "--collector.textfile", f"--collector.textfile.directory={tmp_path}")
    with serving(engine_missing, "prometheus-node-exporter", *options) as address:
        _, page = get(f"{address}/metrics")
    assert "node_textfile_scrape_error 1" in page


@pytest.mark.engine("pushgateway")
def test_the_pushgateway_takes_the_file_and_shows_it(text: str, engine_missing: Callable[[str], None]) -> None:
    with serving(engine_missing, "prometheus-pushgateway") as address:
        status, _ = get(f"{address}/metrics/job/envbench", text.encode())
        _, page = get(f"{address}/metrics")
    assert status == 200
    assert envbench_samples(page) == envbench_samples(text)


@pytest.mark.engine("prometheus")
def test_prometheus_scrapes_openmetrics(folder: Path, tmp_path: Path, engine_missing: Callable[[str], None]) -> None:
    """Prometheus itself, with a page that is served as OpenMetrics: every sample arrives."""
    content = render("openmetrics", report_document(folder))["metrics.txt"]
    with page_of_openmetrics(content) as target:
        (tmp_path / "prometheus.yml").write_text(
            "scrape_configs:\n"
            f"  - {{job_name: envbench, scrape_interval: 1s, static_configs: [{{targets: ['{target}']}}]}}\n"
        )
        options = (f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data")
        with serving(engine_missing, "prometheus", *options) as address:
            found = wait_for_samples(address)
    expected = sum(line.startswith("envbench_") for line in content.decode().splitlines())
    assert found == expected


@contextmanager
def page_of_openmetrics(content: bytes) -> Iterator[str]:
    """Serve one page with the content type of OpenMetrics; yield its address."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def wait_for_samples(address: str) -> int:
    """How many series of ours Prometheus holds once its first scrape is over; fails where the scrape did."""
    deadline_s = time.monotonic() + TIME_S
    while time.monotonic() < deadline_s:
        try:
            targets = json.loads(get(f"{address}/api/v1/targets")[1])["data"]["activeTargets"]
        except OSError:  # it is not ready yet
            targets = []
        if targets and targets[0]["health"] != "unknown":
            assert (targets[0]["health"], targets[0]["lastError"]) == ("up", "")
            found = json.loads(get(f"{address}/api/v1/query?query=count(%7B__name__%3D~%22envbench_.%2B%22%7D)")[1])
            if found["data"]["result"]:
                return int(found["data"]["result"][0]["value"][1])
        time.sleep(0.2)
    return 0


@pytest.fixture
def own_metrics() -> str:
    """What envinspect says of this machine; 3 is an answer as well."""
    words = [sys.executable, "-m", "envinspect", "--format", "prometheus"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 3}, done.stderr
    return done.stdout


@pytest.mark.engine("promtool")
def test_promtool_accepts_the_metrics_of_envinspect(own_metrics: str, engine_missing: Callable[[str], None]) -> None:
    words = [program("promtool", engine_missing), "check", "metrics"]
    done = subprocess.run(words, input=own_metrics, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.engine("node_exporter")
def test_node_exporter_shows_every_sample_of_envinspect(
    own_metrics: str, tmp_path: Path, engine_missing: Callable[[str], None]
) -> None:
    (tmp_path / "envinspect.prom").write_text(own_metrics)
    options = ("--collector.disable-defaults", "--collector.textfile", f"--collector.textfile.directory={tmp_path}")
    with serving(engine_missing, "prometheus-node-exporter", *options) as address:
        _, page = get(f"{address}/metrics")
    assert "node_textfile_scrape_error 0" in page
    shown = [line for line in page.splitlines() if line.startswith("envinspect_")]
    told = [line for line in own_metrics.splitlines() if line.startswith("envinspect_")]
    assert len(shown) == len(told) > 2
    assert {name_and_labels(line) for line in shown} == {name_and_labels(line) for line in told}


def name_and_labels(line: str) -> tuple[str, frozenset[str]]:
    """A sample without the order of its labels, which is the server's own."""
    return line.partition("{")[0], frozenset(re.findall(r'\w+="(?:[^"\\]|\\.)*"', line))


@pytest.mark.engine("otava")
def test_otava_finds_the_step_of_a_history_and_takes_a_cut_for_none(
    tmp_path: Path, engine_missing: Callable[[str], None]
) -> None:
    """With the configuration that docs/results-format.md shows: a new kernel, then a step of 20 % after 15 runs."""
    otava = cache_dir() / "otava/bin/otava"
    if not otava.exists():
        engine_missing("otava: tests/e2e/provision.sh")
    runs = [("6.1.0", 60.0, 15), ("6.12.0", 100.0, 15), ("6.12.0", 120.0, 12)]
    nights = [(kernel, middle_ms) for kernel, middle_ms, count in runs for _ in range(count)]
    started = [f"2026-{1 + night // 28:02}-{1 + night % 28:02}T03:00:00Z" for night in range(len(nights))]
    for night, ((kernel, middle_ms), moment) in enumerate(zip(nights, started, strict=True)):
        for number, variant in enumerate(("network=none;runtime=runc", "network=none;runtime=crun")):
            ready_ms = middle_ms * (0.99 + night % 3 / 100)
            folder = written_run(
                tmp_path / "results", 2 * night + number, ready_ms, kernel=kernel, variant=variant, started_at=moment
            )
            collect_run(folder, str(tmp_path / "dataset"))
    words = ["history", str(tmp_path / "dataset"), "--metric", "docker.ready", "--format", "otava"]
    told = subprocess.run([sys.executable, "-m", "envbench", *words], capture_output=True, text=True, check=True)
    (tmp_path / "history.csv").write_text(told.stdout)
    page = (Path(__file__).resolve().parents[2] / "docs/results-format.md").read_text(encoding="utf-8")
    (tmp_path / "otava.yaml").write_text(page.split("```yaml\n")[1].split("```")[0])
    (shown,) = re.findall(r"^ {4}otava (.*)$", page, re.MULTILINE)

    def analyze(*words: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "TZ": "Asia/Tokyo"}
        line = [str(otava), *words, "--since", "2025-12-31"]
        return subprocess.run(line, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    found = json.loads(analyze(*shlex.split(shown), "--output", "json").stdout)["docker.ready"]
    assert [datetime.fromtimestamp(point["time"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for point in found] == [
        started[30]
    ]
    assert found[0]["attributes"]["kernel"] == "6.12.0"
    assert found[0]["attributes"]["run_id"] == f"{60:012x}"
    assert float(found[0]["changes"][0]["mean_before"]) == pytest.approx(100e6, rel=0.01)
    assert "ready_ns" in analyze(*shlex.split(shown), "--output", "regressions_only").stdout
    mixed = analyze("analyze", "docker.ready", "--config-file", "otava.yaml")
    assert "docker[network=none,runtime=crun]/minimal" in mixed.stdout + mixed.stderr, "each is a branch of its own"

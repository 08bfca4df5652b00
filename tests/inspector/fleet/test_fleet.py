"""Many hosts' answers: counted, compared, and shown without believing a word of them."""

from __future__ import annotations

import csv
import io
import json
import pkgutil
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from tests.inspector.captured_systems import NAMES, answer_for

from envinspect.answer import answer_as_json
from envinspect.cli.commands import run
from envinspect.fleet.answers import Host, read_answers, read_groups
from envinspect.fleet.view import NOT_DETERMINED, VALUES, Fleet, stack_of, view_of
from envinspect.model.errors import UsageError
from envinspect.render.fleet import FORMS


def kvm(name: str, **more: object) -> Host:
    return Host(name, determined=True, layers=("kvm",), kinds=("vm",)).replace(**more)


def write(folder: Path, **files: object) -> str:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return str(folder)


def whole(name: str) -> dict[str, object]:
    return answer_as_json(answer_for(name).stack, host={"kernel": "6.1.0"})


def test_every_captured_system_is_counted_once_and_by_its_own_layers(tmp_path: Path) -> None:
    for name in NAMES:
        write(tmp_path, **{f"{name}.json": whole(name)})
    hosts = read_answers(str(tmp_path))
    assert [host.name for host in hosts] == NAMES
    for host in hosts:
        stack = answer_for(host.name).stack
        assert host.layers == tuple(layer.id for layer in stack.layers)
        assert (host.determined, host.bare_metal) == (stack.determined, stack.bare_metal)
        assert (NOT_DETERMINED in stack_of(host)) == (not stack.determined)
    fleet = view_of(hosts)
    assert sum(count.hosts for count in fleet.counts) == len(NAMES)
    assert len(fleet.undetermined) == sum(not answer_for(name).stack.determined for name in NAMES)


def test_what_ansible_leaves_is_read(tmp_path: Path) -> None:
    facts = {
        "summary": "KVM virtual machine",
        "determined": True,
        "bare_metal": False,
        "layers": ["kvm"],
        "kinds": ["vm"],
        "cloud": "aws",
        "orchestrator": None,
    }
    failed = {"msg": "Failed to connect\nto the host", "unreachable": True, "changed": False}
    folder = write(
        tmp_path, web1={"ansible_facts": {"envinspect": facts}}, web2=failed, web3={"msg": "no shell"}, web4="{"
    )
    web1, web2, web3, web4 = read_answers(folder)
    assert (stack_of(web1), web1.cloud, web1.kernel) == ("kvm", "aws", None)
    assert web2.error == "unreachable: Failed to connect to the host"
    assert web3.error == "failed: no shell"
    assert web4.error == "no answer: this is no JSON"
    assert [host.name for host in view_of([web1, web2, web3, web4]).silent] == ["web2", "web3", "web4"]


def test_an_empty_folder_and_none_are_errors_with_a_remedy(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(UsageError) as raised:
            read_answers(str(folder))
        assert raised.value.remedy


def test_hosts_unlike_their_group_are_named_and_small_groups_have_none() -> None:
    web = [kvm(f"web{n:03}") for n in range(409)] + [kvm(f"web{n}", layers=("tcg",)) for n in (409, 410, 411)]
    few = [kvm(f"db{n}") for n in range(8)] + [kvm("db8", layers=("xen",))]
    groups = {name: frozenset(host.name for host in hosts) for name, hosts in (("web", web), ("db", few))}
    (found,) = view_of([*web, *few], groups=groups).outliers
    assert (found.group, found.of, found.value, found.usual) == ("web", 412, "tcg", "kvm")
    assert found.hosts == ("web409", "web410", "web411")


def test_a_group_of_two_halves_has_no_outliers() -> None:
    hosts = [kvm(f"a{n}", layers=("xen",) if n % 2 else ("kvm",)) for n in range(40)]
    assert view_of(hosts).outliers == ()


def test_differences_are_known_ones_and_no_others() -> None:
    before = [kvm("same"), kvm("moved"), kvm("gone"), kvm("quiet")]
    now = [kvm("same"), kvm("moved", layers=("xen",)), kvm("new"), Host("quiet", error="unreachable: x")]
    found = {each.host: (each.before, each.now) for each in view_of(now, before=before).differences or ()}
    assert found == {"moved": ("kvm", "xen"), "gone": ("kvm", ""), "new": ("", "kvm"), "quiet": ("kvm", "no answer")}
    assert view_of(now).differences is None
    assert view_of(now, before=now).differences == ()


def test_what_is_not_known_is_not_none() -> None:
    open_host = Host("a", summary="?", determined=False)
    assert [count.value for count in view_of([open_host], "cloud").counts] == ["not determined"]
    assert [count.value for count in view_of([kvm("a")], "cloud").counts] == ["none"]
    assert [count.value for count in view_of([kvm("a")], "kernel").counts] == ["not recorded"]


def test_groups_of_an_inventory_hold_those_of_their_children(tmp_path: Path) -> None:
    inventory = {
        "_meta": {"hostvars": {}},
        "all": {"children": ["site"]},
        "site": {"children": ["web", "site"], "hosts": ["c"]},
        "web": {"hosts": ["a", "b"]},
    }
    (tmp_path / "i.json").write_text(json.dumps(inventory))
    assert read_groups(str(tmp_path / "i.json")) == {"site": frozenset("abc"), "web": frozenset("ab")}


TEXTS = [form for name, form in FORMS.items() if name != "parquet"]


def counted(fleet: Fleet) -> dict[str, float]:
    """Return the hosts of each value, as OpenMetrics's strict parser reads them, after the totals were compared."""
    families = list(text_string_to_metric_families(FORMS["openmetrics"](fleet).text))
    assert [(family.name, family.type) for family in families] == [
        (f"envinspect_fleet_{what}", "gauge") for what in ("hosts", "undetermined_hosts", "silent_hosts")
    ]
    values = [(sample.labels.get(fleet.by, ""), sample.value) for sample in families[0].samples]
    assert len(dict(values)) == len(values), "a series stands twice"
    assert sum(dict(values).values()) == sum(host.answered for host in fleet.hosts)
    assert families[1].samples[0].value == len(fleet.undetermined)
    assert families[2].samples[0].value == len(fleet.silent)
    return dict(values)


@pytest.mark.parametrize("by", VALUES)
def test_the_strict_parser_of_openmetrics_reads_every_count(by: str) -> None:
    hosts = [*map(host_of, NAMES), Host("silent", error="unreachable")]
    fleet = view_of(hosts, by)
    assert counted(fleet) == {each.value: each.hosts for each in fleet.counts}


def host_of(name: str) -> Host:
    stack = answer_for(name).stack
    return Host(
        name,
        determined=stack.determined,
        bare_metal=stack.bare_metal,
        layers=tuple(layer.id for layer in stack.layers),
        kinds=tuple(layer.kind.word for layer in stack.layers),
        cloud=None if stack.cloud is None else stack.cloud.id,
        kernel=f"6.1.0-{len(stack.layers)}",
    )


def test_values_that_are_one_when_they_are_cut_are_one_series() -> None:
    """Prometheus refuses a page on which a series stands twice."""
    long = "6.1.0-" + "x" * 300
    fleet = view_of(
        [kvm("a", kernel=f"{long}1"), kvm("b", kernel=f"{long}2"), kvm("c", kernel="\n"), kvm("d", kernel="\\n")],
        "kernel",
    )
    assert sorted(counted(fleet).values()) == [2, 2]


@pytest.mark.applies(shutil.which("promtool") is not None, "promtool is not installed")
def test_promtool_reads_the_counts() -> None:
    """Without the line that only OpenMetrics has at its end the rest is Prometheus's own format as well."""
    text = FORMS["openmetrics"](view_of([*map(host_of, NAMES), kvm("hostile", kernel=HOSTILE)], "kernel")).text
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=text.removesuffix("# EOF\n"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["schema", "layers", "id", "cloud", "ansible_facts", "envinspect", "msg", "host"]), inner
        )
    ),
    max_leaves=12,
)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        assert not {name for name, _ in attrs} & {"src", "href", "onclick", "onload"}


@given(st.lists(JSON, min_size=1, max_size=5))
def test_any_json_becomes_a_view_in_every_form(tmp_path_factory: pytest.TempPathFactory, found: list[object]) -> None:
    folder = tmp_path_factory.mktemp("answers")
    for number, each in enumerate(found):
        write(folder, **{f"host{number}": each})
    fleet = view_of(read_answers(str(folder)))
    assert len(fleet.hosts) == len(found)
    for form in TEXTS:
        assert form(fleet).text.endswith("\n")
    counted(fleet)


HOSTILE = "</table><script>alert(1)</script>\x1b[31m\n=cmd|'x'\""


def test_what_a_host_says_ends_no_table_and_starts_no_formula() -> None:
    fleet = view_of([kvm("a", summary=HOSTILE, cloud=HOSTILE, kernel=HOSTILE), Host(HOSTILE, error=HOSTILE)], "cloud")
    page = FORMS["html"](fleet).text
    tags = Tags()
    tags.feed(page)
    assert "script" not in tags.seen
    assert all("\x1b" not in form(fleet).text for form in TEXTS)
    rows = list(csv.reader(io.StringIO(FORMS["csv"](fleet).text)))
    assert len(rows) == 3
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row)
    assert len([line for line in FORMS["openmetrics"](fleet).text.splitlines() if not line.startswith("#")]) == 3


def test_the_command_gives_every_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now = write(tmp_path / "now", **{f"{name}.json": whole(name) for name in NAMES[:30]})
    before = write(tmp_path / "before", **{f"{name}.json": whole(name) for name in NAMES[1:31]})
    assert run(["fleet", now, "--against", before, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    jsonschema.validate(record, json.loads(pkgutil.get_data("envinspect", "schema/envinspect-fleet-1.json") or b""))
    assert {each["host"] for each in record["differences"]} == {NAMES[0], NAMES[30]}
    assert run(["fleet", now]) == 0
    assert "30 hosts:" in capsys.readouterr().out
    for form, begin in (("csv", "host,"), ("html", "<!DOCTYPE html>"), ("openmetrics", "# TYPE")):
        assert run(["fleet", now, "--by", "kernel", "--format", form]) == 0
        assert capsys.readouterr().out.startswith(begin)
    assert run(["fleet", now, "--json", "--format", "csv"]) == 2
    assert run(["fleet", str(tmp_path / "none")]) == 2


def test_ten_thousand_hosts_make_a_page_under_three_megabytes() -> None:
    hosts = [
        kvm(f"host-{n:05}.example.internal", summary="KVM virtual machine", cloud="aws", kernel=f"6.1.0-{n % 40}-amd64")
        for n in range(10_000)
    ]
    before = [host.replace(layers=("xen",)) if n % 100 == 0 else host for n, host in enumerate(hosts)]
    fleet = view_of(hosts, before=before)
    assert len(fleet.differences or ()) == 100
    page = FORMS["html"](fleet).text
    assert len(page.encode()) < 3_000_000
    assert "http" not in page.replace("http-equiv", "")
    assert all(host.name in page for host in hosts)

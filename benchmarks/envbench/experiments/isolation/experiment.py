"""What can be seen and done from inside, counted and listed: against the host, a container, a machine.

A count of facts and interfaces says how much is shared, not how hard it is to break out.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from envbench.errors import EnvbenchError
from envbench.experiments.isolation.scripts import (
    BUSY_S,
    CPU_SCRIPT,
    FACTS_SCRIPT,
    LIMITED_CPUS,
    LIMITED_MEMORY_BYTES,
    LOOK_SCRIPT,
    MEMORY_SCRIPT,
    NEIGHBOUR_SCRIPT,
    SIGHTS,
)  # fmt: skip
from envbench.experiments.shared.limits import require_memory_limit
from envbench.experiments.shared.running import ask, first, running, shell
from envbench.records.phases import BackendKind, Experiment, counted
from envbench.run.bench import Bench, Prepared
from envbench.settings import Configuration, new_nonce

HOST_NAMESPACES = Path("/proc/self/ns")
NEAR_S = 60.0
"""Uptime and load read a moment apart count as the same fact."""
OWN_WALLS = "what it has and may do is written by envbench and no default of the runtime"
UNDER_AN_ENGINE = "an engine that runs it: docker, podman, containerd"
NO_CGROUP = "bare namespaces have no cgroup, so nothing could enforce a limit"
CPU_TOLERANCE = 1.2
"""A quota is kept on average over its periods; a busy loop may come out this much above it."""


def run(bench: Bench) -> None:
    """Look around in every backend, test the limits of containers, and let one container look for another."""
    host = _host_facts(bench)
    looked_at = [one for one in bench.chosen() if one.kind not in (BackendKind.HOST, BackendKind.WSL)]
    limited = [one for one in bench.containers() if one.kind is not BackendKind.NAMESPACES]
    bench.course.expect(len(looked_at) + len(limited) + len(bench.containers()))
    for prepared in looked_at:
        with bench.attempt(Experiment.ISOLATION, prepared.name):
            _look_around(bench, prepared, host)
    for prepared in bench.containers():
        if prepared.kind is BackendKind.NAMESPACES:
            bench.skip(
                Experiment.ISOLATION, f"{prepared.name}: limits", NO_CGROUP, "any runtime or engine: runc, docker"
            )
        else:
            with bench.attempt(Experiment.ISOLATION, f"{prepared.name}: limits"):
                _limits(bench, prepared)
        with bench.attempt(Experiment.ISOLATION, f"{prepared.name}: two instances"):
            _mutual(bench, prepared)


def _host_facts(bench: Bench) -> dict[str, list[str]]:
    bare = bench.bare()
    if bare is None:
        raise EnvbenchError("the host's side is read by the backend process", remedy="--backend process beside it")
    return ask(bench, bare, FACTS_SCRIPT)


def readable_facts(
    inside: Mapping[str, Sequence[str]], host: Mapping[str, Sequence[str]]
) -> tuple[list[str], list[str]]:
    """Return the names of the host's facts that read the same inside, and of all that were looked for.

    Facts that move (uptime, load) are the same where they are near; a fact that the host itself does not show is left
    out.
    """
    names = [key for key in host if key.startswith("fact.") and first(host, key)]
    same = [key for key in names if _is_same(key, first(inside, key), first(host, key) or "")]
    return [key.removeprefix("fact.") for key in same], [key.removeprefix("fact.") for key in names]


def _is_same(key: str, inside: str | None, host: str) -> bool:
    if inside is None:
        return False
    if key == "fact.uptime":
        return abs(float(inside) - float(host)) < NEAR_S
    return inside == host


def is_same_kernel(inside: Mapping[str, Sequence[str]], host: Mapping[str, Sequence[str]]) -> bool:
    """Return whether one kernel answers on both sides, by its boot id or else by its build string.

    Raises EnvbenchError where neither could be read on both sides: then nothing can be told of what the host's answers.
    """
    for key in ("fact.boot_id", "fact.version"):
        here, there = first(inside, key), first(host, key)
        if here and there:
            return here == there
    raise EnvbenchError("whose kernel answers inside cannot be told: neither boot id nor build string can be read")


def count_bits(mask: str | None) -> int | None:
    """Return how many capabilities a CapEff mask holds; None where there is none."""
    try:
        return None if mask is None else int(mask, 16).bit_count()
    except ValueError:
        return None


def _look_around(bench: Bench, prepared: Prepared, host: Mapping[str, Sequence[str]]) -> None:
    configuration = prepared.configuration
    with running(bench, prepared, shell(FACTS_SCRIPT)) as run_:
        run_.read_until(lambda line: line.startswith("@end="), bench.settings.deadline_s, "end of its facts")
        seen = run_.reports()
        if not prepared.is_vm and not prepared.backend.writes_own_walls:
            with bench.attempt(Experiment.ISOLATION, f"{prepared.name}: its cgroup on the host"):
                run_.host_processes()
                cgroup = run_.instance.cgroup()
                bench.record("cgroup_own", cgroup is not None, configuration, detail=str(cgroup or "the harness's own"))
    same_kernel = is_same_kernel(seen, host)
    readable, looked_for = readable_facts(seen, host)
    bench.record("host_facts_readable", len(readable), configuration, detail=", ".join(readable) or "none")
    bench.record("host_facts_looked_for", len(looked_for), configuration, detail=", ".join(looked_for))
    if prepared.backend.writes_own_walls:
        what = f"{prepared.name}: namespaces, cgroup, capabilities, seccomp, devices and the system calls that answer"
        bench.skip(Experiment.ISOLATION, what, OWN_WALLS, UNDER_AN_ENGINE)
    else:
        if same_kernel:
            _namespaces(bench, configuration, seen)
        _walls(bench, configuration, seen, same_kernel=same_kernel)
    bench.say(
        f"isolation: {prepared.name}: {len(readable)} of {len(looked_for)} facts of the host read the same inside"
    )


def _walls(bench: Bench, configuration: Configuration, seen: Mapping[str, Sequence[str]], *, same_kernel: bool) -> None:
    """Write what an engine's defaults let the payload do."""
    answered = seen.get("call", [])
    whose = "by the host's kernel" if same_kernel else "by a kernel of its own; the host's answered none"
    bench.record("host_kernel_interfaces_tried", len(seen.get("tried", ())), configuration)
    bench.record(
        "host_kernel_interfaces",
        len(answered) if same_kernel else 0,
        configuration,
        detail=f"{', '.join(answered)}: answered {whose}",
    )
    bits = count_bits(first(seen, "capabilities"))
    if bits is not None:
        detail = f"CapEff {first(seen, 'capabilities')}" + ("" if same_kernel else ", over its own kernel only")
        bench.record("capabilities", bits if same_kernel else 0, configuration, detail=detail)
    if first(seen, "seccomp") is not None:
        bench.record(
            "seccomp_filter", first(seen, "seccomp") == "2", configuration, detail=f"Seccomp: {first(seen, 'seccomp')}"
        )
    devices = seen.get("device", []) if same_kernel else []
    bench.record("devices", len(devices), configuration, detail=", ".join(devices))
    log = same_kernel and first(seen, "log") == "1"
    bench.record("kernel_log_readable", log, configuration)


def _namespaces(bench: Bench, configuration: Configuration, seen: Mapping[str, Sequence[str]]) -> None:
    host = {path.name: str(path.readlink()) for path in HOST_NAMESPACES.iterdir()}
    inside = dict(pair.split(" ", 1) for pair in seen.get("ns", ()) if " " in pair)
    kinds = [kind for kind in inside if kind in host and not kind.endswith("_for_children")]
    own = sorted(kind for kind in kinds if inside[kind] != host[kind])
    bench.record("namespaces_own", len(own), configuration, detail=", ".join(own))
    shared = sorted(set(kinds) - set(own))
    bench.record("namespaces_shared", len(shared), configuration, detail=", ".join(shared))


def _limits(bench: Bench, prepared: Prepared) -> None:
    free = ask(bench, prepared, MEMORY_SCRIPT)
    require_memory_limit(bench, prepared, LIMITED_MEMORY_BYTES)
    limited = ask(bench, prepared, MEMORY_SCRIPT, memory_bytes=LIMITED_MEMORY_BYTES)
    status, control = first(limited, "status"), first(free, "status")
    if control != "0":
        raise EnvbenchError(f"the program fails without a limit too (status {control})")
    # The kernel may end the whole instance with the program: then nothing is reported any more.
    ended = status or "ended with the instance"
    detail = f"a program that needs 96 MiB under a limit of 32 MiB: status {ended}; without a limit: 0"
    bench.record("memory_limit_enforced", status != "0", prepared.configuration, detail=detail)
    found = ask(bench, prepared, CPU_SCRIPT, cpus=LIMITED_CPUS)
    user_s, system_s, wall_s = (float(word) for word in (first(found, "cpu") or "0 0 0").split())
    if not wall_s:
        raise EnvbenchError("the busy loop reported no CPU time")
    used_s = user_s + system_s
    detail = f"a busy loop for {BUSY_S} s under a limit of {LIMITED_CPUS:g} CPU: {used_s:g} s of CPU in {wall_s:g} s"
    bench.record(
        "cpu_limit_enforced", used_s / wall_s <= LIMITED_CPUS * CPU_TOLERANCE, prepared.configuration, detail=detail
    )


def _mutual(bench: Bench, prepared: Prepared) -> None:
    token = f"envbench-{new_nonce()}"
    with running(bench, prepared, shell(NEIGHBOUR_SCRIPT.replace("TOKEN", token))) as neighbour:
        neighbour.read_until(lambda line: line.startswith("@end="), bench.settings.deadline_s, "word that it is set up")
        its = neighbour.reports()
        script = LOOK_SCRIPT.replace("TOKEN", token)
        script = script.replace("ITS_NAME", first(its, "hostname") or token).replace(
            "ITS_ROOT", first(its, "root") or token
        )
        with running(bench, prepared, shell(script)) as run_:
            run_.read_until(lambda line: line.startswith("@end="), bench.settings.deadline_s, "end of its look")
            seen = run_.reports()
    same_root = first(its, "root") is not None and first(its, "root") == first(seen, "root")
    for name in SIGHTS:
        if name not in its.get("left", ()):
            bench.say(f"isolation: {prepared.name}: the other could leave no {name} behind: nothing to look for")
        elif name == "files" and same_root:
            bench.say(f"isolation: {prepared.name}: both run from one root tree; files seen across are no finding")
        elif name == "names" and prepared.backend.writes_own_walls:
            continue
        elif name == "names" and first(its, "hostname") == first(seen, "hostname"):
            bench.record("mutual.names_seen", 1, prepared.configuration, detail="both have one host name")
        elif name == "mounts" and same_root:
            continue
        else:
            sights = seen.get(name, [])
            bench.record(f"mutual.{name}_seen", len(sights), prepared.configuration, detail="; ".join(sights))
    indirect = seen.get("indirect", [])
    bench.record("mutual.indirect", len(indirect), prepared.configuration, detail=", ".join(indirect))
    direct = sum(len(seen.get(name, [])) for name in SIGHTS if not (same_root and name in ("files", "mounts")))
    bench.say(
        f"isolation: {prepared.name}: sees {counted(direct, 'thing')} of its neighbour, "
        f"and its activity in {counted(len(indirect), 'way')}"
    )

"""One start from request to gone: phases from marks, clean-up on every way out, a row for every failure."""

import os
from pathlib import Path

import pytest

from envbench.backend import Mark
from envbench.errors import EnvbenchError
from envbench.readiness.output import OutputReader
from envbench.records.phases import Outcome, Phase
from envbench.records.samples import SampleWriter, read_samples
from envbench.run import sampler as sampler_module
from envbench.run.sampler import Ticket, observer_lag_ns, phases_of
from envbench.settings import Configuration

TICKET = Ticket(Configuration("process"), order=0, iteration=0)


def rows_of(path: Path) -> dict[str, object]:
    return {row.phase: row for row in read_samples(path)}


def test_good_start_is_measured_and_removed_in_order(fake, make_sampler):
    sampler, path = make_sampler()
    start = sampler.measure(fake, TICKET)
    assert start.outcome is Outcome.OK
    assert fake.log == ["start", "stop", "remove"]
    rows = rows_of(path)
    assert {"create", "start", "ready", "stop", "remove", "cycle", "harness_cpu"} <= set(rows)
    assert all(row.outcome is Outcome.OK and row.value >= 0 for row in rows.values())
    assert rows["ready"].value <= rows["cycle"].value


def test_marks_become_phases():
    marks = {
        Mark.REQUESTED: 0,
        Mark.CREATED: 10,
        Mark.ATTACHED: 13,
        Mark.READY: 113,
        Mark.STARTED: 120,
        Mark.STOP_REQUESTED: 200,
        Mark.STOPPED: 230,
        Mark.GONE: 250,
    }
    assert phases_of(marks) == {
        Phase.CREATE: 10,
        Phase.ATTACH: 3,
        Phase.START: 107,
        Phase.READY: 113,
        Phase.STOP: 30,
        Phase.REMOVE: 20,
        # The harness's own pause between ready and the stop request is not the instance's.
        Phase.CYCLE: 250 - (200 - 113),
    }


def test_machine_marks_split_the_boot():
    marks = {Mark.REQUESTED: 0, Mark.VMM_UP: 5, Mark.KERNEL_UP: 7, Mark.USERSPACE_UP: 90, Mark.READY: 91}
    found = phases_of(marks)
    assert [found[phase] for phase in (Phase.VMM, Phase.FIRMWARE, Phase.KERNEL, Phase.USERSPACE)] == [5, 2, 83, 1]
    assert (
        sum(found[phase] for phase in (Phase.VMM, Phase.FIRMWARE, Phase.KERNEL, Phase.USERSPACE)) == found[Phase.READY]
    )


def test_payload_that_never_gets_ready_times_out_and_is_destroyed(fake, make_sampler):
    fake.says = ("warming up\n",)
    sampler, path = make_sampler()
    start = sampler.measure(fake, TICKET)
    assert start.outcome is Outcome.TIMED_OUT
    assert fake.log == ["start", "destroy"]
    row = rows_of(path)["ready"]
    assert (row.value, row.outcome) == (None, Outcome.TIMED_OUT)
    assert "warming up" in row.detail


def test_payload_that_exits_at_once_fails_at_once(fake, make_sampler):
    fake.says, fake.holds_output = ("cannot find my library\n",), False
    sampler, path = make_sampler()
    start = sampler.measure(fake, TICKET)
    assert start.outcome is Outcome.FAILED
    assert start.wall_ns < 200_000_000, "it waited for the deadline of a payload that had ended"
    assert "cannot find my library" in rows_of(path)["ready"].detail
    assert fake.log[-1] == "destroy"


def test_payload_that_floods_its_output_is_cut_off_at_the_deadline(fake, make_sampler, monkeypatch):
    monkeypatch.setattr(os, "read", lambda descriptor, size: b"x" * size)
    fake.says = ("x",)
    sampler, _ = make_sampler()
    start = sampler.measure(fake, TICKET)
    assert start.outcome is Outcome.TIMED_OUT
    assert len(start.detail) <= 500


def test_a_refused_start_is_a_row_of_one_line(fake, make_sampler):
    fake.fails = "start"
    sampler, path = make_sampler()
    sampler.measure(fake, TICKET)
    row = rows_of(path)["ready"]
    assert (row.outcome, row.detail) == (Outcome.FAILED, "start refused")


@pytest.mark.parametrize("step", ["stop", "remove"])
def test_a_start_that_cannot_be_ended_keeps_its_ready_time(fake, make_sampler, step):
    fake.fails = step
    sampler, path = make_sampler()
    start = sampler.measure(fake, TICKET)
    assert start.outcome is Outcome.FAILED
    rows = list(read_samples(path))
    assert [row.value for row in rows if row.phase == "ready"] == [start.ready_ns]
    assert [row.detail for row in rows if row.outcome is Outcome.FAILED] == [f"{step} refused"]
    assert fake.log[-1] == "destroy"


def test_interrupt_leaves_by_exception(fake, make_sampler):
    fake.fails = "interrupt"
    sampler, path = make_sampler()
    with pytest.raises(KeyboardInterrupt):
        sampler.measure(fake, TICKET)
    assert list(read_samples(path)) == []


def test_interrupt_while_waiting_destroys_the_instance(fake, make_sampler, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sampler_module, "wait_until_ready", interrupt)
    sampler, _ = make_sampler()
    with pytest.raises(KeyboardInterrupt):
        sampler.measure(fake, TICKET)
    assert fake.log == ["start", "destroy"]


def test_full_disk_ends_the_run_in_one_line_and_leaves_no_instance(fake, make_sampler):
    sampler, path = make_sampler()
    sampler.measure(fake, TICKET)
    kept = path.read_bytes()
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, sampler._writer._file.fileno())
    os.close(full)
    with pytest.raises(EnvbenchError, match="No space left on device") as caught:
        sampler.measure(fake, TICKET)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == kept
    assert fake.log == ["start", "stop", "remove"] * 2


def test_lag_is_known_only_where_the_clock_is_shared():
    reader = OutputReader(b"ENVBENCH-READY n")
    reader.feed(b"ENVBENCH-READY n realtime_ns=5000300 uptime_s=1\n", 1000)
    assert observer_lag_ns(reader, 5_000_000) == 700
    assert observer_lag_ns(reader, 90_000_000_000) is None, "a guest's clock that is off is no lag"
    silent = OutputReader(b"ENVBENCH-READY n")
    silent.feed(b"ENVBENCH-READY n realtime_ns= uptime_s=\n", 1000)
    assert observer_lag_ns(silent, 0) is None


def test_no_row_for_cpu_time_where_starts_overlap(fake, make_sampler):
    sampler, path = make_sampler()
    sampler.measure(fake, TICKET, alone=False)
    assert not {"host_cpu", "harness_cpu"} & set(rows_of(path))


def test_a_results_file_that_was_removed_is_noticed_at_the_next_row(tmp_path):
    path = tmp_path / "samples.csv"
    with SampleWriter(path) as writer:
        writer.append()
        path.unlink()
        with pytest.raises(OSError, match="removed during the run"):
            writer.append()

"""What doctor prints for people: a line a backend that fits, how many are usable, and what to try for the others."""

from envbench.backend import Unusable, Usable
from envbench.commands.doctor import backend_lines, closing_lines

KVM = {"kvm": "unusable", "kvm_because": "a boot sector failed under KVM: MSR 0x10a " + "and more words " * 9}
FOUND = {
    "docker": Usable({"endpoint": "unix:///run/docker.sock", "version": "28.5.1"}),
    "qemu": Usable({"qemu": "10.0.2", **KVM}),
    "crun": Unusable("it ended with 1: " + "a long reason " * 9, "boot with cgroup v2 alone"),
}


def test_each_backend_has_one_line_that_fits_the_terminal():
    lines = [line for name, answer in FOUND.items() for line in backend_lines(name, answer, 60)]
    assert lines[:2] == ["docker      usable      28.5.1", "qemu        usable      10.0.2, emulation only"]
    assert lines[2].startswith("crun        not usable  it ended with 1")
    assert [len(line) <= 60 for line in lines] == [True] * 3
    assert lines[2].endswith("…")


def test_what_a_program_reads_is_never_cut():
    (line,) = backend_lines("crun", FOUND["crun"], None)
    assert line == f"crun        not usable  {FOUND['crun'].reason}".rstrip()
    assert all("…" not in line for line in closing_lines(FOUND, None))


def test_the_end_counts_says_why_there_is_no_kvm_and_what_to_try():
    lines = list(closing_lines(FOUND, 60))
    assert lines[:3] == ["", "To try:", "  crun: boot with cgroup v2 alone"]
    (last,) = lines[3:]
    assert last.startswith("2 of 3 usable; no KVM: a boot sector failed")
    assert all(len(line) <= 60 for line in lines)
    assert list(closing_lines({"docker": FOUND["docker"]}, 60)) == ["", "1 of 1 usable"]


def test_facts_are_told_where_they_are_asked_for():
    lines = list(backend_lines("docker", FOUND["docker"], 60, verbose=True))
    assert [line.strip() for line in lines[1:]] == ["endpoint: unix:///run/docker.sock", "version: 28.5.1"]


def test_an_answer_about_kvm_that_was_kept_has_its_age():
    found = {"qemu": Usable({"qemu": "10.0.2", **KVM, "kvm_age_s": "7300"})}
    assert "KVM was asked about 2 h ago; to ask again: envbench doctor --fresh" in closing_lines(found, None)
    assert "--fresh" not in "".join(closing_lines(FOUND, None))

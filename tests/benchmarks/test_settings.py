"""What backends of one run share by its settings."""

from dataclasses import replace

from envbench.settings import Settings


def test_no_two_instances_of_a_run_have_one_name(settings: Settings) -> None:
    """An engine's store, and the names of QEMU's processes, are shared by backends, runtimes and profiles."""
    others = (settings, replace(settings, profile="own"), replace(settings, profile="distro"))
    names = [each.next_name(backend) for each in others for backend in ("", "podman", "podman")]
    assert len({name.rsplit("-", 1)[1] for name in names}) == len(names)
    assert all(name.startswith(f"envbench-{settings.run_id}-") for name in names)

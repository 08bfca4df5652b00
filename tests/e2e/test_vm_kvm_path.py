"""The KVM path, proved on machines whose own KVM is of no use."""

from pathlib import Path

import pytest

from envbench.backends.vm.nested_kvm import prove_kvm_path
from envbench.payload.kernel import default_cache_dir
from envbench.settings import Settings, new_run_id


@pytest.mark.engine("qemu")
@pytest.mark.timeout(700)
def test_a_guest_boots_with_kvm_inside_an_emulated_machine(tmp_path: Path) -> None:
    inner = prove_kvm_path(Settings(new_run_id(), tmp_path, default_cache_dir()))
    assert "-machine q35,accel=kvm" in inner
    assert "-cpu host" in inner

"""What an image takes on the disk: blocks of its layers' folders, each file once, and nothing where one is not seen."""

import os
import subprocess

import pytest

from envbench.backends.shared.stored import allocated_bytes, layer_folders
from envbench.errors import BackendError


def test_blocks_are_what_du_counts(tmp_path):
    layer = tmp_path / "layer"
    (layer / "diff/bin").mkdir(parents=True)
    (layer / "diff/bin/tool").write_bytes(b"x" * 10_000)
    os.link(layer / "diff/bin/tool", layer / "diff/bin/same")
    with (layer / "diff/sparse").open("wb") as sparse:
        sparse.truncate(1 << 30)
    counted = subprocess.run(["du", "--block-size=1", "-s", layer], capture_output=True, text=True, check=True).stdout
    assert allocated_bytes([layer]) == int(counted.split()[0]) < 1 << 20


def test_a_folder_that_is_not_seen_is_not_nothing(tmp_path):
    with pytest.raises(BackendError, match="No such file"):
        allocated_bytes([tmp_path / "gone"])


def test_every_layer_has_its_folder():
    data = {"UpperDir": "/store/c/diff", "LowerDir": "/store/b/diff:/store/a/diff", "WorkDir": "/store/c/work"}
    assert list(map(str, layer_folders({"Name": "overlay2", "Data": data}))) == ["/store/c", "/store/b", "/store/a"]


@pytest.mark.parametrize("told", [{"Name": "vfs", "Data": None}, {"Name": "overlayfs"}, {}])
def test_a_driver_that_names_no_folder_is_said(told):
    with pytest.raises(BackendError, match="does not say where"):
        layer_folders(told)

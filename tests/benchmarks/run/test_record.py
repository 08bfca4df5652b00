"""What run.json keeps of what was asked for."""

from envbench.run.record import without_values


def test_the_values_of_variables_are_not_kept():
    command = ["envbench", "startup", "--env", "TOKEN=a=b", "--env=KEY=c", "--env", "HOME", "--image", "--env-like=d"]
    shown = ["envbench", "startup", "--env", "TOKEN=…", "--env=KEY=…", "--env", "HOME", "--image", "--env-like=d"]
    assert without_values(command) == shown


def test_the_password_in_an_address_is_not_kept():
    command = "envbench startup --into s3://KEY:{}@bucket/runs --libvirt-uri qemu+ssh://me@host/system"
    assert without_values(command.format("a=b").split()) == command.format("…").split()

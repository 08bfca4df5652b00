"""The table of backends says which programs were run, and names no user."""

from typing import Any

from envreport.document.sections.environment import environment_tables


def test_a_program_is_shown_by_its_path_and_an_endpoint_is_not(rows: Any) -> None:
    facts = {
        "runc": "runc version 1.1",
        "path": "/home/ada/bin/runc",
        "runc_path": "/usr/sbin/runc",
        "endpoint": "unix:///run/user/1000/docker.sock",
    }
    results = rows.results({"backends": {"used": [{"name": "runc", "facts": facts}]}})
    (table,) = [each for each in environment_tables(results) if each.id == "backends"]
    shown = table.rows[0][2].text
    assert shown == "runc version 1.1, path ~/bin/runc, runc path /usr/sbin/runc"

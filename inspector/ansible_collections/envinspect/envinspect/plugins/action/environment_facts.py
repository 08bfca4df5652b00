# Copyright: The envinspect developers
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""Asks a host through its connection's shell where it runs; the host needs no Python."""

from __future__ import annotations

import json
import os
import tempfile

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

try:
    from envinspect.capture.every_question import ask_beforehand, capture
    from envinspect.facets.host import host_block
    from envinspect.facets.resources import resources_block
    from envinspect.inspection import inspect
    from envinspect.model.errors import CaptureError, one_line
    from envinspect.systems.collector.first_round import first_round
    from envinspect.systems.remote import facts_through

    # Ansible loads this file, then forks for each host: what is the same for all hosts is worked out before.
    first_round(ask_beforehand)
    MISSING = ""
except ImportError as error:
    MISSING = str(error)


class ActionModule(ActionBase):
    """The action: `answers` and `captures` name folders on the controller."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp=None, task_vars=None):
        """Return the facts. Raises AnsibleActionFail with one line where the host cannot be asked."""
        result = super().run(tmp, task_vars)
        del tmp
        if MISSING:
            raise AnsibleActionFail(
                f"the controller's Python has no envinspect ({MISSING}); try: pip install envinspect"
            )
        options = self.validate_argument_spec({"answers": {"type": "path"}, "captures": {"type": "path"}})[1]
        if getattr(self._connection._shell, "SHELL_FAMILY", "sh") != "sh":
            raise AnsibleActionFail("this host has no POSIX shell; run envinspect on it")
        host = task_vars["inventory_hostname"]
        try:
            facts = facts_through(self._shell, ask_beforehand, host)
        except CaptureError as error:
            raise AnsibleActionFail(one_line(error)) from error
        answer = inspect(facts).to_json(host=host_block(facts), resources=resources_block(facts))
        result["ansible_facts"] = {"envinspect": _in_short(answer)}
        result["changed"] = False
        if options["answers"]:
            result["answer"] = path = _path(options["answers"], host, ".json")
            result["changed"] |= self._write(path, json.dumps(answer, indent=1) + "\n")
        if options["captures"]:
            result["capture"] = path = _path(options["captures"], host, ".tar.gz")
            result["changed"] |= self._capture(facts, path)
        return result

    def _shell(self, program):
        """Run a shell program on the host and return what it printed, which is in no log."""
        context = self._play_context
        silent, context.no_log = context.no_log, True
        try:
            done = self._low_level_execute_command("sh -s", in_data=program.encode())
        finally:
            context.no_log = silent
        printed = done["stdout"].encode("utf-8", "surrogateescape")
        if b"envinspect-wire/" not in printed:
            words = (done.get("stderr") or done["stdout"] or done.get("msg") or "").strip().splitlines()
            last = f": {words[-1][:200]}" if words else ""
            raise AnsibleActionFail(f"no shell answered (exit status {done['rc']}){last}; is there a POSIX sh?")
        return printed

    def _write(self, path, text):
        """Write a file whole or not at all; return whether it differs from what was there."""
        try:
            with open(path, encoding="utf-8") as file:
                if file.read() == text:
                    return False
        except OSError:
            pass
        if self._task.check_mode:
            return True
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            descriptor, part = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".", suffix=".part")
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(text)
                os.replace(part, path)
            except OSError:
                os.unlink(part)
                raise
        except OSError as error:
            raise AnsibleActionFail(f"{path}: {error.strerror}") from error
        return True

    def _capture(self, facts, path):
        """Write a capture where none is; return whether there was none."""
        if os.path.exists(path):
            return False
        if not self._task.check_mode:
            try:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                capture(facts, path, redact=True)
            except (CaptureError, OSError) as error:
                raise AnsibleActionFail(str(error)) from error
        return True


def _path(folder, host, ending):
    """Return a host's file in a folder; an inventory's name may hold what no file's name can."""
    name = "".join(each if each.isalnum() or each in "-_.:@[]" else "_" for each in host)
    return os.path.join(folder, (name if name.strip(".") else f"_{name}") + ending)


def _in_short(answer):
    return {
        "summary": answer["summary"],
        "determined": answer["determined"],
        "bare_metal": answer["bare_metal"],
        "layers": [layer["id"] for layer in answer["layers"]],
        "kinds": [layer["kind"] for layer in answer["layers"]],
        "cloud": answer["cloud"]["id"] if answer["cloud"] else None,
        "orchestrator": answer["orchestrator"]["id"] if answer["orchestrator"] else None,
    }

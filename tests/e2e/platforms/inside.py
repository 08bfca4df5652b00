"""Takes the steps of a plan in a lab, one after the other, and writes what came of each.

    python3 inside.py PLAN.json RESULTS [--init]

PLAN.json is a list of steps (`steps.Step` as a mapping); RESULTS gets one line of JSON for each step as soon as it has
ended, so that a lab that hangs or crashes still says how far it came. With `--init` it is the first process of a PID
namespace: it also takes in the processes that others leave behind. Standard library only: it runs with the lab's own
Python.
"""

import contextlib
import json
import os
import pwd
import signal
import subprocess
import sys
import time
from pathlib import Path

KEPT_CHARACTERS = 200_000


def main(arguments):
    """Take all steps; return 0 however they ended: judging is the caller's."""
    steps = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    daemons = []
    for step in steps:
        result = start(step, daemons) if step["ready"] else run(step)
        with Path(arguments[1]).open("a", encoding="utf-8") as results:
            results.write(json.dumps({"name": step["name"], **result}) + "\n")
        sys.stderr.write(f"{step['name']}: exit {result['exit']}, {result['seconds']:.1f} s\n")
    for daemon in reversed(daemons):
        daemon.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            daemon.wait(20)
    return 0


def popen(step, **streams):
    """Start a step's command as its user, in a session of its own."""
    environment = dict(os.environ)
    who = {}
    if step["user"]:
        account = pwd.getpwnam(step["user"])
        environment.update(HOME=account.pw_dir, USER=account.pw_name, LOGNAME=account.pw_name)
        environment.pop("XDG_CACHE_HOME", None)
        groups = os.getgrouplist(account.pw_name, account.pw_gid)
        who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": groups}
    environment.update(step["env"])
    return subprocess.Popen(step["argv"], env=environment, cwd="/", start_new_session=True, **who, **streams)


def run(step):
    """Run a command to its end or its deadline, and return how it ended and what it said."""
    before = time.monotonic()
    # Files, not pipes: a daemon that a step leaves behind would keep a pipe open for ever.
    with Path("/run/step-out").open("w+b") as out, Path("/run/step-err").open("w+b") as err:
        try:
            process = popen(step, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
            try:
                code = process.wait(step["deadline_s"])
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                code = None
        except OSError as error:
            code = f"{error.strerror}: {error.filename}"
        seconds = time.monotonic() - before
        return {"exit": code, "seconds": round(seconds, 2), "stdout": said(out), "stderr": said(err)}


def said(stream):
    """Return what was written into a file, its end where it is long."""
    stream.seek(0)
    return stream.read().decode(errors="replace")[-KEPT_CHARACTERS:]


def start(step, daemons):
    """Start a daemon and wait until its `ready` command succeeds; return 0 as its exit then, what it said otherwise."""
    before = time.monotonic()
    log = Path("/run", f"{step['name']}.log")
    with log.open("wb") as out:
        daemon = popen(step, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    daemons.append(daemon)
    ready = 1
    while ready != 0 and daemon.poll() is None and time.monotonic() - before < step["deadline_s"]:
        probe = popen({**step, "argv": step["ready"]}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            ready = probe.wait(20)
        if ready != 0:
            time.sleep(0.3)
    end = log.read_text(encoding="utf-8", errors="replace")[-4000:]
    code = 0 if ready == 0 else daemon.poll()
    return {"exit": code, "seconds": round(time.monotonic() - before, 2), "stdout": "", "stderr": end}


def as_init(arguments):
    """Take the steps in a child, and take in every process that loses its parent; return the child's exit code."""
    child = os.fork()
    if child == 0:
        os._exit(main(arguments))
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    files = [word for word in sys.argv[1:] if word != "--init"]
    sys.exit(as_init(files) if "--init" in sys.argv else main(files))

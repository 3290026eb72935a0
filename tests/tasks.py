"""Tasks for the tests of the worker: a child process imports this file too."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from audiosr_fx import errors
from audiosr_fx.child_voice import Message
from audiosr_fx.plugin_scan import PluginInfo
from audiosr_fx.worker import Report

HERE = Path(__file__).parent
IMPULSE = np.ones(4, np.float32)


def process_id() -> int:
    return os.getpid()


def describe(argument: object, report: Report) -> Message:
    report({"step": 1})
    report({"step": 2})
    return {"argument": argument, "thread": threading.current_thread().name, "process": os.getpid()}


def print_much(report: Report) -> Message:
    print("to stdout from Python", flush=True)
    os.write(1, b"to stdout from C\n")
    report({"step": 1})
    os.write(2, b"to stderr\n")
    return {"printed": True}


def word(thing: object, report: Report) -> Message:
    return {"words": without_addresses(repr(thing))}


def without_addresses(text: str) -> str:
    return re.sub(r" at 0x\w+", "", text)


def fail(kind: str, report: Report) -> Message:
    raise getattr(errors, kind)("the words of it")


def divide(report: Report) -> Message:
    return {"result": 1 / 0}


def crash(report: Report) -> Message:
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}


def leave(code: int, report: Report) -> Message:
    os._exit(code)


def hang(*arguments: object) -> Message:
    report = arguments[-1]
    assert callable(report)
    report({"process": os.getpid()})
    while True:
        time.sleep(1)


def work_slowly(steps: int, step_s: float, report: Report) -> Message:
    for step in range(steps):
        time.sleep(step_s)
        report({"step": step})
    return {"steps": steps}


def warn(text: str, report: Report) -> Message:
    logging.getLogger("audiosr_fx.tasks").warning(text)
    return {}


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def parent_and_child() -> tuple[subprocess.Popen[str], int]:
    """A process that runs a task which hangs, and the process of that task."""
    code = (
        "import tasks\nfrom audiosr_fx.worker import run_apart\n"
        "run_apart(tasks.hang, what='it', on_message=lambda said: print(said['process'], flush=True))"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], env=_environment(), stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent.stdout as said:
        return parent, int(said.readline())


def run_script_with_own_effect() -> str:
    code = (
        "import tasks\nfrom effects import Passes\nfrom audiosr_fx.worker import run_apart\n"
        "class Own(Passes): pass\nrun_apart(tasks.word, [Own()], what='it')"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], env=_environment(), capture_output=True, text=True, check=False
    )
    return run.stderr


def run_in_a_folder_with_a_module(name: str, folder: Path) -> str:
    """What a task says that runs where a file has the name of a module that Python needs."""
    (folder / f"{name}.py").write_text("raise SystemExit('a file in the folder was run')", "utf-8")
    code = (
        f"import tasks, os\nfrom audiosr_fx.worker import run_apart\nos.chdir({str(folder)!r})\n"
        "print(run_apart(tasks.word, 'hello', what='it'))"
    )
    run = subprocess.run(
        [sys.executable, "-P", "-c", code], env=_environment(), capture_output=True, text=True, check=False
    )
    return run.stdout + run.stderr


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)])}


def scan_among_bad_ones(paths: list[str], with_parameters: bool, name: str | None, report: Report) -> Message:
    """As the scan of plugins, where one is called crash and one hang."""
    for path in paths:
        if path.startswith("crash"):
            crash(report)
        while path.startswith("hang"):
            time.sleep(1)
        report({"path": path, "plugins": [asdict(PluginInfo(path=path, name=Path(path).stem))]})
    return {}

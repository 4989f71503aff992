"""`python -m checker.proving.remote`: one batch of tasks for a Dask worker, a line of JSON in and a line of JSON out.

The budgets hold as on the machine that asks. The end of the input ends this process and its workers at once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from checker.elaboration.library import Loaded, load_text
from checker.language.diagnostics import SpecError
from checker.proving import workers
from checker.proving.cache import fingerprint, library
from checker.proving.records import record
from checker.proving.tasks import Task, Work, tasks


def answer(request: Any) -> dict[str, Any]:
    """The results of a batch by the numbers of its tasks, without those whose text is wrong."""
    own = [fingerprint(), library()]
    if request["checker"] != own:
        return {"other": own}
    loaded = _loaded(request["file"])
    against = None if request["against"] is None else _loaded(request["against"])
    options = (request["timeout"], request["only_falsify"], request["share"], request["memory"])
    there = {(t.theorem.name, t.instance): t for t in tasks([loaded])}
    todo: dict[int, Task] = {}
    for number, theorem, instance, names in request["tasks"]:
        place = None if instance is None else tuple((str(k), int(x)) for k, x in instance)
        task = there[theorem, place]
        todo[number] = task.without({c.name for c in task.theorem.claims} - {*names})
    found: dict[str, Any] = {}
    for done in workers.run(Work((loaded,), against, *options), todo, 1):
        if done.error is None:
            found[str(done.number)] = [record(r) for r in done.results]
    return {"results": found}


def _loaded(file: list[str]) -> Loaded:
    path, text = file
    return load_text(text, path, Path(path))


def _end_with_input() -> None:
    while os.read(0, 1):  # not by `sys.stdin`: its lock would be held in the workers, which close it
        pass
    os.killpg(os.getpgid(0), signal.SIGKILL)


def main() -> None:
    """Answer one request."""
    request = json.loads(sys.stdin.readline())
    if os.getpgid(0) == os.getpid():  # the leader of its own group: nobody else is hit
        threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        found = answer(request)
    except SpecError:
        found = {"results": {}}
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

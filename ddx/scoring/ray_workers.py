"""Score on many processes or machines: Ray Data streams the windows of a table to workers, each with its own model.

One task reads the table, beside whoever started the run: no other machine needs the file. Its rows are windows; a
pool of actors answers them, and they come back in order, as many ahead as keep the workers busy. A worker that dies
is started again and its window answered again; the journal (see `ddx.scoring.runner`) has what was finished, so that
a run whose own process dies goes on with --resume, too.

Cases travel inside the cluster as JSON; nothing is written but what Ray spills when memory is short. A cluster that is
started here is on the loopback address, without dashboard, and reports nothing to anybody.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ddx.case import Case
from ddx.errors import DdxError, InputError
from ddx.scoring.journal import differential_body, read_body
from ddx.scoring.rows import RowError, read_case
from ddx.scoring.runner import WINDOW, Ahead, Answer, Predictor, case_key, predict_each, salt_of
from ddx.scoring.table import Table

__all__ = ["RayModels", "ray_models"]

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_BACKEND_LOG_LEVEL": "fatal",
}  # fmt: skip
# Ray listens on all addresses of the machine, unless it is told that there are no clusters on this system.
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
_CPUS_EACH = 4  # processors of a worker where there are many: one model reads memory that more would share
REFUSED = "refused"  # in the place of a window's answers; a key is hexadecimal
_CONNECT = 10  # seconds
_START = 900  # seconds for the first model to load: vLLM takes minutes

Loader = Callable[[str], Predictor]  # engine's name → model


@dataclass(frozen=True)
class _Worker:
    """What a worker gets, and the engine that it runs."""

    count: int
    cpus: float
    gpus: float
    engine: str


@contextmanager
def ray_models(load: Loader, address: str | None = None, workers: int | None = None) -> Iterator[RayModels]:
    """Models on a cluster: the one at `address`, else one that is started here and ends with the block.

    `load` makes a worker's model from an engine's name: "vllm" on machines with GPUs, one a worker, else
    "transformers". `workers`: how many; by default as many as there are GPUs, else processors by the four, and two at
    least. Raises InputError when Ray is missing or there is no cluster, DdxError when a worker can't load its model.
    """
    ray = _import(_QUIET if address else _QUIET | _LOOPBACK)
    silent = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address is None:
            ray.init("local", num_cpus=max(2, os.cpu_count() or 1), include_dashboard=False, **silent)
        else:
            _reach(address)
            ray.init(address, **silent)
    except (OSError, ValueError, RuntimeError) as error:
        where = "on this machine" if address is None else f"at {address}"
        raise InputError(f"no Ray cluster {where} ({str(error).splitlines()[0]})") from None
    try:
        if address is None and not ray.nodes()[0]["NodeManagerAddress"].startswith("127."):
            raise InputError("Ray was imported before, and would listen beyond this machine; start it from `ddx score`")
        worker = _share(ray.cluster_resources(), workers)
        yield RayModels(load, worker, _describe(load, worker))
    finally:
        _threads_end()
        ray.shutdown()


class RayModels(Ahead):
    """The workers' models. `info` is what one of them said of itself; a worker with another one ends the run."""

    def __init__(self, load: Loader, worker: _Worker, said: Mapping[str, Any]) -> None:
        self.load, self.worker = load, worker
        self.info: dict[str, Any] = dict(said["info"])
        self.max_new_tokens = said["max_new_tokens"]

    def windows(self, table: Table, first: int, limit: int | None) -> Generator[Mapping[bytes, Answer]]:
        """See `Ahead.windows`. Raises DdxError, in one line, when the workers can't go on."""
        data, classes = _ray_data()
        source = classes.TableSource(table, first, limit, salt_of(self.info))
        windows = data.read_datasource(source, override_num_blocks=1, num_cpus=0, label_selector=classes.here())
        windows.context.target_max_block_size = 1  # bytes: each window is a block, and goes to whoever is free
        windows.context.enable_progress_bars = False
        windows.context.execution_options.preserve_order = True
        answered = windows.map_batches(
            classes.Answers, batch_size=None, zero_copy_batch=True, concurrency=self.worker.count,
            num_cpus=self.worker.cpus, num_gpus=self.worker.gpus,
            fn_constructor_args=(self.load, self.worker.engine, self.info),
        )  # fmt: skip
        blocks = _blocks(answered)
        try:
            for block in blocks:
                for content in block["answers"].to_pylist():
                    found = json.loads(content)
                    if REFUSED in found:
                        raise DdxError(f"a Ray worker stopped: {found[REFUSED]}")
                    yield {bytes.fromhex(key): self._read(answer) for key, answer in found.items()}
        except DdxError:
            raise
        except Exception as error:  # whatever Ray raised; its message could quote a case
            raise _plain(error) from None
        finally:
            blocks.close()

    def _read(self, answer: list[Any]) -> Answer:
        body, failure = answer
        return failure if body is None else read_body(body, self.info)


def _blocks(data: Any) -> Generator[Any]:
    """The Arrow tables of a dataset in order; closing this ends what is still being worked on.

    Not `iter_batches`: that reads in a thread of its own, which outlives a reader who stops early, and Ray ends the
    whole process when a thread asks it for something after its shutdown.
    """
    import ray

    bundles = data.iter_internal_ref_bundles()
    try:
        for bundle in bundles:
            for entry in bundle.blocks:
                yield ray.get(entry.ref)
    finally:
        bundles = None  # the execution ends with its iterator; a traceback would keep that


def _threads_end() -> None:
    """Wait for Ray Data's own threads: one that asks Ray after its shutdown ends the process (see `_blocks`)."""
    for thread in threading.enumerate():
        if thread.name.startswith("StreamingExecutor"):
            thread.join(_CONNECT)


def asked_windows(table: Table, first: int, limit: int | None, salt: bytes) -> Iterator[dict[str, dict[str, Any]]]:
    """For each window from position `first` on: the cases that stand in no earlier one, by key in hexadecimal.

    The table is read from its beginning, so that what is asked in a window does not depend on `first`.
    """
    records, seen, at = islice(table.records(), limit), set[bytes](), 0
    while window := list(islice(records, WINDOW)):
        asked: dict[str, dict[str, Any]] = {}
        for record in window:
            try:
                case = read_case(table, record)
            except RowError:
                continue
            key = case_key(case, salt)
            if key not in seen:
                seen.add(key)
                asked[key.hex()] = case.to_dict()
        if at >= first:
            yield asked
        at += len(window)


def answer_window(model: Predictor, asked: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Any]]:
    """[differential as the journal keeps it, None] or [None, why there is none], by the case's key."""
    cases = [Case.from_dict(case) for case in asked.values()]
    answers = predict_each(model, cases)
    return {
        key: [None, answer] if isinstance(answer, str) else [differential_body(answer), None]
        for key, answer in zip(asked, answers, strict=True)
    }


def _share(resources: Mapping[str, float], workers: int | None) -> _Worker:
    """Who gets what.

    >>> _share({"CPU": 64.0, "GPU": 8.0}, None)
    _Worker(count=8, cpus=1.0, gpus=1.0, engine='vllm')
    >>> _share({"CPU": 64.0}, None), _share({"CPU": 2.0}, None)
    (_Worker(count=16, cpus=4.0, gpus=0.0, engine='transformers'), _Worker(count=2, cpus=1.0, gpus=0.0, engine='transformers'))
    """  # noqa: E501
    gpus, cpus = int(resources.get("GPU", 0)), resources.get("CPU", 1.0)
    if gpus:
        return _Worker(min(workers or gpus, gpus), 1.0, 1.0, "vllm")
    count = workers or max(2, int(cpus) // _CPUS_EACH)
    return _Worker(count, max(1.0, float(int(cpus) // count)) if count <= cpus else cpus / count, 0.0, "transformers")


def _describe(load: Loader, worker: _Worker) -> dict[str, Any]:
    """What a worker's model says of itself."""
    import ray

    def said() -> dict[str, Any]:
        try:
            model = load(worker.engine)
        except DdxError as error:
            return {"refused": str(error)}
        return {"info": model.info, "max_new_tokens": getattr(model, "max_new_tokens", None)}

    task = ray.remote(num_cpus=worker.cpus, num_gpus=worker.gpus, max_calls=1)(said)
    try:
        found: dict[str, Any] = ray.get(task.remote(), timeout=_START)
    except ray.exceptions.GetTimeoutError:
        raise DdxError(f"no worker had its model loaded after {_START} s: are its processors or GPUs free?") from None
    except ray.exceptions.RayError as error:
        raise _plain(error) from None
    if "refused" in found:
        raise InputError(f"a Ray worker can't load the model: {found['refused']}")
    return found


def _plain(error: Exception) -> DdxError:
    """One line of what came out of Ray: the kind of error alone."""
    return DdxError(f"Ray could not go on ({type(error).__name__}); what was answered is kept, --resume goes on")


def _reach(address: str) -> None:
    """Raises OSError where nobody listens: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), _CONNECT).close()


def _import(settings: Mapping[str, str]) -> Any:
    os.environ.update(settings)  # they are read when ray is imported
    try:
        import ray
        import ray.data
    except ImportError:
        raise InputError("the engine ray is not installed: pip install 'ddx[ray]'") from None
    return ray


def _ray_data() -> tuple[Any, Any]:
    import ray.data

    from ddx.scoring import ray_classes

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # our own line says it
    return ray.data, ray_classes

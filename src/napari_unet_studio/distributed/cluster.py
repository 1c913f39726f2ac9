"""A client of Dask: for processes of this computer, or for a cluster that runs."""

import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from napari_unet_studio.core.errors import ConfigError, DeviceError

_PATIENCE = 5.0  # seconds for a scheduler to answer
_QUIET = logging.CRITICAL + 1
_PACKAGES = ("napari-unet-studio", "torch")


def import_distributed() -> Any:
    """Return the library, or raise a ConfigError that says how to install it."""
    try:
        import distributed
    except ImportError as error:
        raise ConfigError(
            f"The library distributed cannot be imported: {error}. Install it with: "
            "pip install 'napari-unet-studio[distributed]'"
        ) from error
    return distributed


@contextmanager
def local_cluster(workers: int, threads: int) -> Iterator[Any]:
    """Start processes on this computer, and end them with the block; yields a client.

    Parameters
    ----------
    workers
        How many.
    threads
        With how many threads torch will compute in each.

    Raises
    ------
    DeviceError
        If they do not start.
    """
    distributed = import_distributed()
    import dask

    # A process waits for its threads without keeping the cores from the others.
    environment = {
        "OMP_NUM_THREADS": threads,
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONWARNINGS": "ignore",
    }
    settings = {
        "distributed.nanny.pre-spawn-environ": environment,
        # What fills the memory are tiles, which cannot be put on disk.
        "distributed.worker.memory.target": False,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
    }
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        stack.enter_context(_environment_kept())
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(
                prefix="unet-studio-dask-", ignore_cleanup_errors=True
            )
        )
        stack.enter_context(dask.config.set(settings))
        try:
            cluster = distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                silence_logs=_QUIET,
                memory_limit=memory_of_each(workers),
                local_directory=folder,
                scheduler_kwargs={"allowed_failures": 10},
            )
        except (OSError, RuntimeError, TimeoutError) as error:
            raise DeviceError(
                f"{workers} worker{'s' * (workers > 1)} could not be started: {error} "
                'In a script, put what it does under if __name__ == "__main__", since '
                "workers import it; else take fewer workers."
            ) from error
        stack.enter_context(cluster)
        yield stack.enter_context(distributed.Client(cluster, set_as_default=False))


@contextmanager
def connect(address: str) -> Iterator[Any]:
    """Connect to a scheduler for the block; yields a client.

    Raises
    ------
    ConfigError
        If the address is none.
    DeviceError
        If nothing answers there.
    """
    distributed = import_distributed()
    with _quiet():
        try:
            client = distributed.Client(
                address, timeout=_PATIENCE, set_as_default=False
            )
        except (ValueError, KeyError) as error:
            raise ConfigError(
                f"{address!r} is no address of a Dask scheduler; give one such as "
                "tcp://node1:8786."
            ) from error
        except (OSError, TimeoutError) as error:
            raise DeviceError(
                f"No Dask scheduler answers at {address} within {_PATIENCE:g} seconds; "
                "start one with: dask scheduler, or check the address."
            ) from error
        with client:
            yield client


def memory_of_each(workers: int) -> int:
    """Return the bytes of memory that each process of this computer may use."""
    from distributed.system import MEMORY_LIMIT

    return int(MEMORY_LIMIT / workers)


def check_versions(client: Any) -> None:
    """Raise a ConfigError if workers lack a package, or have it in another version."""
    for name in _PACKAGES:
        here = _public(version(name))
        found: Mapping[str, Any] = client.run(version, name, on_error="return")
        for address, there in found.items():
            if isinstance(there, PackageNotFoundError):
                what = f"has no {name}"
            elif not isinstance(there, str):  # it is gone
                continue
            elif _public(there) != here:
                what = f"has {name} {there}, and this process {here}"
            else:
                continue
            ours, torch = (_public(version(package)) for package in _PACKAGES)
            raise ConfigError(
                f"The worker {address} {what}; install the same there with: pip "
                f"install 'napari-unet-studio[distributed]=={ours}' 'torch=={torch}'"
            )


def _public(text: str) -> str:
    """Return a version without what it was built for, such as +cu128."""
    return text.partition("+")[0]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Dask logs in this process from the user's terminal."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(_QUIET)
    # Some have a level of their own, which would win.
    own = {
        name: child.level
        for name, child in logging.root.manager.loggerDict.items()
        if name.startswith("distributed.") and isinstance(child, logging.Logger)
    }
    for name in own:
        logging.getLogger(name).setLevel(logging.NOTSET)
    try:
        yield
    finally:
        logger.setLevel(before)
        for name, level in own.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def _environment_kept() -> Iterator[None]:
    """Put the environment back, in which Dask leaves what its processes get."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            with suppress(KeyError):
                del os.environ[name]
        os.environ.update(before)

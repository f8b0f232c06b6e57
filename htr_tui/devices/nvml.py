"""What NVML says of the GPUs: a snapshot of every card, in which a sensor that is missing is None, never an error."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, TypeVar

from htr_tui.text import clean_text

RETRY_S: Final = 60.0
"""Between attempts to start NVML where there was no driver: asking costs, and drivers come seldom."""

T = TypeVar("T")

ComputeMode = Literal["default", "exclusive", "prohibited"]
"""Who may compute on a card: everybody, one process at a time, nobody."""


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process on a GPU. The pid is a hint: inside containers it may be one of the host's."""

    pid: int
    used_bytes: int | None
    """None where the driver does not tell (WSL, MIG parents, some containers)."""


@dataclass(frozen=True, slots=True)
class GpuInstance:
    """A part of a card that is cut into some (MIG): a device of its own for a trainer."""

    number: int
    """On its card, as `nvidia-smi -L` counts them."""
    uuid: str
    """What CUDA_VISIBLE_DEVICES takes: "MIG-..."."""
    name: str = ""
    used_bytes: int | None = None
    total_bytes: int | None = None
    processes: tuple[GpuProcess, ...] = ()


@dataclass(frozen=True, slots=True)
class GpuSample:
    """One card at one moment."""

    index: int
    uuid: str
    name: str
    used_bytes: int | None = None
    total_bytes: int | None = None
    utilization: float | None = None
    """Percent of the last moments in which a kernel ran."""
    temperature: float | None = None
    """Degrees Celsius."""
    power_w: float | None = None
    power_limit_w: float | None = None
    processes: tuple[GpuProcess, ...] = ()
    is_lost: bool = False
    """The card no longer answers (it fell off the bus)."""
    has_shared_memory: bool = False
    """Memory is the host's (unified), so that used and total are the machine's."""
    mode: ComputeMode = "default"
    is_mig: bool = False
    """The card is cut into instances; a trainer gets one of them, never the card."""
    instances: tuple[GpuInstance, ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """All cards, or the sentence why there are none."""

    gpus: tuple[GpuSample, ...] = ()
    error: str | None = None
    driver: str | None = None
    is_silent: bool = False
    """With `error`: the driver is there and does not answer."""


class GpuSampler:
    """Reads the GPUs; a machine without any is a normal case. One thread uses it."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        host_memory: Callable[[], tuple[int, int] | None] | None = None,
    ) -> None:
        self._clock = clock
        self._host_memory = host_memory or _host_memory
        self._nvml: Any = None
        self._error: str | None = None
        self._driver: str | None = None
        self._tried: float | None = None
        self._known: dict[int, tuple[str, str]] = {}
        """(UUID, name) by index: a lost card no longer says who it is."""

    def sample(self) -> DeviceReport:
        """The cards now; never raises, and where NVML does not start it is asked again once a minute only."""
        if self._nvml is None and not self._start():
            return DeviceReport(error=self._error)
        nvml = self._nvml
        try:
            count = int(nvml.nvmlDeviceGetCount())
        except nvml.NVMLError as error:
            self._stop(f"NVML stopped answering: {_text(error)}")
            return DeviceReport(error=self._error, driver=self._driver)
        return DeviceReport(tuple(self._card(index) for index in range(count)), None, self._driver)

    def close(self) -> None:
        """Let NVML go."""
        if self._nvml is not None:
            self._stop(None)

    # -- start and stop --------------------------------------------------------------------------------------------

    def _start(self) -> bool:
        now = self._clock()
        if self._tried is not None and now - self._tried < RETRY_S:
            return False
        self._tried = now
        try:
            import pynvml
        except ImportError:
            self._error = "the package nvidia-ml-py is not installed"
            return False
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            self._error = _start_error(error)
            return False
        self._nvml, self._error = pynvml, None
        self._driver = self._ask(pynvml.nvmlSystemGetDriverVersion, _decoded)
        return True

    def _stop(self, error: str | None) -> None:
        nvml, self._nvml = self._nvml, None
        self._error = error
        self._tried = self._clock()
        try:
            nvml.nvmlShutdown()
        except nvml.NVMLError:
            pass

    # -- one card --------------------------------------------------------------------------------------------------

    def _ask(self, query: Callable[[], Any], convert: Callable[[Any], T]) -> T | None:
        """The answer of one query; None if this card or driver cannot give it now."""
        try:
            return convert(query())
        except Exception as error:  # NVMLError, or a struct that an old driver left half filled
            if not isinstance(error, (ValueError, TypeError, AttributeError, UnicodeError)) and not _is_nvml(error):
                raise
            return None

    def _card(self, index: int) -> GpuSample:
        nvml = self._nvml
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
        except nvml.NVMLError as error:
            uuid, name = self._known.get(index, ("", f"GPU {index}: {_text(error)}"))
            if getattr(error, "value", None) == nvml.NVML_ERROR_NO_PERMISSION:  # another container's card
                return GpuSample(index, uuid, name, mode="prohibited")
            return GpuSample(index, uuid, name, is_lost=True)
        instances = self._instances(handle)
        memory, is_lost, is_shared = self._memory(handle, instances)
        uuid, name = self._who(index, handle)
        return GpuSample(
            index=index,
            uuid=uuid,
            name=name,
            used_bytes=memory[0] if memory else None,
            total_bytes=memory[1] if memory else None,
            utilization=self._ask(lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu, float),
            temperature=self._ask(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU), float),
            power_w=self._ask(lambda: nvml.nvmlDeviceGetPowerUsage(handle), _watts),
            power_limit_w=self._ask(lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle), _watts),
            processes=_merged(self._processes(handle), *(part.processes for part in instances or ())),
            is_lost=is_lost,
            has_shared_memory=is_shared,
            mode=self._ask(lambda: nvml.nvmlDeviceGetComputeMode(handle), self._mode) or "default",
            is_mig=instances is not None,
            instances=instances or (),
        )

    def _who(self, index: int, handle: Any) -> tuple[str, str]:
        """(UUID, name); what was known before where the card does not say it now."""
        known = self._known.get(index, ("", f"GPU {index}"))
        uuid = self._ask(lambda: self._nvml.nvmlDeviceGetUUID(handle), _decoded) or known[0]
        name = self._ask(lambda: self._nvml.nvmlDeviceGetName(handle), _decoded) or known[1]
        if uuid:
            self._known[index] = (uuid, name)
        return uuid, name

    def _mode(self, code: Any) -> ComputeMode:
        if code == self._nvml.NVML_COMPUTEMODE_PROHIBITED:
            return "prohibited"
        return "exclusive" if code == self._nvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS else "default"

    def _memory(
        self, handle: Any, instances: tuple[GpuInstance, ...] | None
    ) -> tuple[tuple[int, int] | None, bool, bool]:
        """((used, total) or None, card lost, memory is the host's). Cards with unified memory refuse this query."""
        nvml = self._nvml
        try:
            info = nvml.nvmlDeviceGetMemoryInfo(handle)
        except nvml.NVMLError as error:
            code = getattr(error, "value", None)
            if code != nvml.NVML_ERROR_NOT_SUPPORTED:
                return None, code == nvml.NVML_ERROR_GPU_IS_LOST, False
            if instances is not None:
                used = sum(part.used_bytes or 0 for part in instances)
                return (used, sum(part.total_bytes or 0 for part in instances)), False, False
            host = self._host_memory()
            return host, False, host is not None
        total, used = int(info.total), int(info.used)
        return ((used, total) if total > 0 else None), False, False

    def _instances(self, handle: Any) -> tuple[GpuInstance, ...] | None:
        """The instances of a card that is cut into some; None for a whole card."""
        nvml = self._nvml
        mode = self._ask(lambda: nvml.nvmlDeviceGetMigMode(handle)[0], int)
        if mode != nvml.NVML_DEVICE_MIG_ENABLE:
            return None
        most = self._ask(lambda: nvml.nvmlDeviceGetMaxMigDeviceCount(handle), int) or 0
        found = (self._instance(handle, number) for number in range(most))
        return tuple(part for part in found if part is not None)

    def _instance(self, handle: Any, number: int) -> GpuInstance | None:
        nvml = self._nvml
        part = self._ask(partial(nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, number), lambda found: found)
        if part is None:
            return None
        memory = self._ask(lambda: nvml.nvmlDeviceGetMemoryInfo(part), _pair)
        return GpuInstance(
            number,
            self._ask(lambda: nvml.nvmlDeviceGetUUID(part), _decoded) or "",
            self._ask(lambda: nvml.nvmlDeviceGetName(part), _decoded) or "",
            memory[0] if memory else None,
            memory[1] if memory else None,
            self._processes(part),
        )

    def _processes(self, handle: Any) -> tuple[GpuProcess, ...]:
        nvml = self._nvml
        found: dict[int, int | None] = {}
        for query in (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses):
            for process in self._ask(partial(query, handle), list) or []:
                used = process.usedGpuMemory
                known = found.get(int(process.pid))
                found[int(process.pid)] = known if used is None else max(int(used), known or 0)
        return tuple(GpuProcess(pid, used) for pid, used in sorted(found.items()))


def _merged(*lists: tuple[GpuProcess, ...]) -> tuple[GpuProcess, ...]:
    """Processes of a card and of its instances, each once."""
    found: dict[int, int | None] = {}
    for process in (process for processes in lists for process in processes):
        sizes = [size for size in (found.get(process.pid), process.used_bytes) if size is not None]
        found[process.pid] = max(sizes, default=None)
    return tuple(GpuProcess(pid, used) for pid, used in sorted(found.items()))


def _is_nvml(error: BaseException) -> bool:
    return any(kind.__name__ == "NVMLError" for kind in type(error).__mro__)


def _decoded(value: Any) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return clean_text(text, 120)


def _text(error: BaseException) -> str:
    return clean_text(str(error), 200)


def _pair(info: Any) -> tuple[int, int]:
    return int(info.used), int(info.total)


def _watts(milliwatts: Any) -> float:
    return float(milliwatts) / 1000.0


def _start_error(error: Any) -> str:
    """Why NVML does not start, in words that say whether that is a fault."""
    name = type(error).__name__
    if name in ("NVMLError_LibraryNotFound", "NVMLError_DriverNotLoaded"):
        return f"no NVIDIA driver: {_text(error)}"
    if name == "NVMLError_LibRmVersionMismatch":
        return "the NVIDIA driver was updated and its module was not: reboot, or reload the module"
    return f"NVML does not start: {_text(error)}"


def _host_memory() -> tuple[int, int] | None:
    import psutil

    memory = psutil.virtual_memory()
    return int(memory.total - memory.available), int(memory.total)

"""A GPU whose work the CPU does, to find on any machine what a real one would refuse or wait for.

Inside `with PretendedGpu() as gpu:` a tensor that is moved to `cuda:0` says that it is there. Every
operation on it is seen before the CPU runs it:

- operands on different devices raise, as they do on a GPU;
- whatever makes the host wait for the device (`item`, `nonzero`, a copy between the two) is
  counted in `gpu.waits`, and raises while a CUDA graph is captured;
- a CPU scalar that a captured operation reads is counted in `gpu.constants`: a replay would not
  see it change;
- a captured graph is the list of its operations. A replay runs them again on the same tensors, so
  that whatever Python computed during the capture is a constant in it, as on a GPU.

Limits: autocast has no effect, `inference_mode` is `no_grad`, vmap does not work, and all random
numbers come from the CPU's generator.
"""

import contextlib
import linecache
import sys
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import torch
import torch._dynamo  # the first optimiser imports it, which fails once the mode is active
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing

CUDA = torch.device("cuda", 0)
TOTAL = 80 << 30  # bytes of memory that the GPU claims to have
aten = torch.ops.aten

# Their result's value or size is needed on the host.
WAITING = {
    aten._local_scalar_dense.default,
    aten._unique2.default,
    aten.bincount.default,
    aten.equal.default,
    aten.is_nonzero.default,
    aten.masked_select.default,
    aten.nonzero.default,
}
INDEXING = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default}
COPYING = {aten._to_copy.default, aten.copy_.default}
EMPTY = {aten.empty.memory_format, aten.empty_strided.default}
FUSED_ADAM = {aten._fused_adam_.default, aten._fused_adam_.tensor_lr}

TESTS = f"{Path(__file__).parents[1]}/"


class OnGpu(Tensor):
    """A tensor that says it is on `cuda:0`; `on_cpu` is the tensor behind it."""

    on_cpu: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> "OnGpu":
        # To autograd it is a meta tensor, whose backward pass runs in the calling thread.
        made: OnGpu = Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            layout=inner.layout,
            device=torch.device("meta"),
        )
        made.on_cpu = inner
        return made

    device = property(lambda self: CUDA)
    is_cuda = property(lambda self: True)
    is_cpu = property(lambda self: False)
    is_meta = property(lambda self: False)

    def data_ptr(self) -> int:
        return self.on_cpu.data_ptr()

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def numpy(self, *, force: bool = False) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if id(self) not in memo:
            made: Tensor = self.detach().clone()
            if isinstance(self, torch.nn.Parameter):
                made = torch.nn.Parameter(made, self.requires_grad)
            memo[id(self)] = made
        return memo[id(self)]  # type: ignore[no-any-return]

    def __repr__(self) -> str:  # type: ignore[override]
        return f"OnGpu({self.on_cpu})"

    # With these two `nn.Module.to` swaps a wrapper as a whole: its `data` alone knows no `on_cpu`.
    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["on_cpu"], None

    @staticmethod
    def __tensor_unflatten__(inner: dict[str, Tensor], *_: object) -> "OnGpu":
        return OnGpu(inner["on_cpu"])

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        raise RuntimeError(f"{func} on a tensor of a pretended GPU that is no longer there")


class Stream:
    """A CUDA stream; there is nothing to wait for, since the CPU does one thing after the other."""

    def wait_stream(self, other: "Stream") -> None:
        pass


class Graph:
    """In place of `torch.cuda.CUDAGraph`: what was captured, in order.

    Attributes:
        operations: what runs an operation again, and the tensors that it had made.
        names: their names.
        invalid: an operation was refused, so that the capture cannot end well.
    """

    def __init__(self, *_: object, **__: object) -> None:
        self.operations: list[tuple[Callable[[], Any], Any]] = []
        self.names: list[str] = []
        self.invalid = False

    def pool(self) -> None:
        """The memory of its tensors, which another graph may use too; each has its own here."""

    def replay(self) -> None:
        """Run the operations again, each into the tensors that it made at first."""
        with torch._C._DisableTorchDispatch(), torch.no_grad():
            for again, made in self.operations:
                for old, new in zip(leaves(made), leaves(again()), strict=True):
                    if isinstance(old, Tensor) and not same_storage(old, new):
                        old.copy_(new)


class PretendedGpu(TorchDispatchMode):
    """The GPU, present inside the context.

    Attributes:
        operations: how often each was run on its tensors.
        waits: how often the host waited for it, by what for and where.
        constants: operations of a capture that read a CPU scalar, by what and where.
        graph: what is being captured; None outside a capture.
        current: the stream on which operations are queued.
        capturing: for random numbers, which a failed capture leaves in that state until another
            one succeeds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()
        self.constants: Counter[str] = Counter()
        self.graph: Graph | None = None
        self.current = Stream()
        self.capturing = False
        self.alive: weakref.WeakValueDictionary[int, Tensor] = weakref.WeakValueDictionary()
        self.undo = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self.undo.enter_context(no_lifting())
        for module, name, value in self.replaced():
            self.undo.callback(setattr, module, name, getattr(module, name, None))
            setattr(module, name, value)
        super().__enter__()
        return self

    def __exit__(self, *args: object) -> None:
        super().__exit__(*args)
        self.undo.close()

    def replaced(self) -> Iterator[tuple[Any, str, Any]]:
        """What of torch asks the driver, and what it is here."""

        def nothing(*_: object, **__: object) -> None:
            pass

        yield torch.Tensor, "cuda", lambda tensor, *_, **__: tensor.to(CUDA)
        yield torch.Tensor, "pin_memory", pinned
        yield torch, "inference_mode", torch.no_grad  # a wrapper has no version there
        for name in (
            "_lazy_init",
            "empty_cache",
            "manual_seed",
            "manual_seed_all",
            "reset_peak_memory_stats",
            "set_device",
            "synchronize",
        ):
            yield torch.cuda, name, nothing
        answers: dict[str, Any] = {
            "is_available": lambda: True,
            "is_bf16_supported": lambda *_, **__: True,
            "device_count": lambda: 1,
            "current_device": lambda: 0,
            "mem_get_info": lambda *_: (TOTAL - self.reserved(), TOTAL),
            "memory_reserved": lambda *_: self.reserved(),
            "max_memory_reserved": lambda *_: self.reserved(),
            "get_rng_state": lambda *_: torch.get_rng_state(),
            "set_rng_state": lambda state, *_: torch.set_rng_state(state),
            "Stream": Stream,
            "current_stream": lambda *_: self.current,
            "is_current_stream_capturing": lambda: self.graph is not None,
            "set_stream": self.set_stream,
            "stream": self.stream,
            "CUDAGraph": Graph,
            "graph": self.capture,
        }
        for name, answer in answers.items():
            yield torch.cuda, name, answer

    def reserved(self) -> int:
        """Bytes of all its tensors that are still held, by a graph too."""
        storages = [tensor.untyped_storage() for tensor in self.alive.values()]
        return sum({each.data_ptr(): each.nbytes() for each in storages}.values())

    def set_stream(self, stream: Stream) -> None:
        self.current = stream

    @contextlib.contextmanager
    def stream(self, stream: Stream) -> Iterator[None]:
        """Queue operations there; as torch's, also after an error the stream before is current."""
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    @contextlib.contextmanager
    def capture(self, graph: Graph, *_: object, **__: object) -> Iterator[None]:
        """As torch's: a capture that cannot end well raises, and its stream stays current."""
        before, self.current, self.graph = self.current, Stream(), graph
        self.capturing = True
        try:
            yield
        finally:
            self.graph = None
            if graph.invalid:
                raise RuntimeError(
                    "CUDA error: operation failed due to a previous error during capture"
                )
            self.current = before
            self.capturing = False

    def wait(self, what: object) -> None:
        """Note that the host waits for the device.

        Raises:
            RuntimeError: a capture is under way, in which there is nothing to wait for.
        """
        told = f"{what} at {caller()}"
        self.waits[told] += 1
        if self.graph is not None:
            self.graph.invalid = True
            raise RuntimeError(
                f"CUDA error: operation not permitted when stream is capturing: {told}"
            )

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        tensors = [each for each in leaves((args, kwargs)) if isinstance(each, Tensor)]
        ours = [each for each in tensors if isinstance(each, OnGpu)]
        target = None if kwargs.get("device") is None else torch.device(kwargs["device"])
        # Torch's C++ sees meta tensors and makes others beside them; a module on meta is empty.
        of_cpp = target is not None and target.type == "meta" and func not in EMPTY
        to_gpu = of_cpp or (target is not None and target.type == "cuda")
        if not ours and not to_gpu:
            return func(*args, **kwargs)
        self.operations[str(func)] += 1
        self.look_at(func, args, tensors, target is not None and target.type == "cpu")
        if func in FUSED_ADAM:
            check_adam(args, kwargs)
        run = self.runner(func, args, kwargs)
        made = run()
        if self.graph is not None:
            self.graph.operations.append((run, made))
            self.graph.names.append(str(func))
        if target is not None and target.type == "cpu":
            return made
        wrapped = mapped(self.hold, made)
        if not ours or func is aten._to_copy.default:
            return wrapped
        return return_and_correct_aliasing(func, args, kwargs, wrapped)

    def hold(self, made: Any) -> Any:
        """A result as one of the GPU's tensors."""
        if not isinstance(made, Tensor):
            return made
        self.alive[id(made)] = made
        return OnGpu(made)

    def look_at(self, func: Any, args: Any, tensors: list[Tensor], off: bool) -> None:
        """Count or refuse what an operation does beside computing; `off`: it leaves the GPU.

        Raises:
            RuntimeError: it mixes devices, waits in a capture, or draws numbers after a failed one.
        """
        if self.capturing and self.graph is None and torch.Tag.nondeterministic_seeded in func.tags:
            raise RuntimeError("Offset increment outside graph capture encountered unexpectedly.")
        theirs = [each for each in tensors if not isinstance(each, OnGpu)]
        if func in WAITING:
            self.wait(func)
        if func in COPYING:
            if off or (theirs and not (len(args) > 2 and args[2] and is_pinned(theirs))):
                self.wait(
                    f"a copy {'to' if off or isinstance(tensors[-1], OnGpu) else 'from'} the host"
                )
        elif func in INDEXING:
            if theirs:
                self.wait("an index that is copied to the device")
            indices = [each for each in leaves(args[1]) if isinstance(each, Tensor)]
            if any(each.dtype in (torch.bool, torch.uint8) for each in indices):
                self.wait("the number of places that a mask holds")
        elif theirs and len(theirs) < len(tensors):
            if any(each.dim() for each in theirs):
                shapes = [tuple(each.shape) for each in theirs]
                raise RuntimeError(
                    "Expected all tensors to be on the same device, but found at least two "
                    f"devices, cuda:0 and cpu: {func} with {shapes} on the CPU at {caller()}"
                )
            if self.graph is not None:
                self.constants[f"{func} at {caller()}"] += 1

    @staticmethod
    def on_cpu(held: Any) -> Any:
        return held.on_cpu if isinstance(held, OnGpu) else held

    def runner(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Callable[[], Any]:
        """What runs the operation on the CPU, once or again."""
        inner_args, inner = mapped(self.on_cpu, args), mapped(self.on_cpu, kwargs)
        if inner.get("device") is not None:
            inner["device"] = torch.device("cpu")
        inner.pop("pin_memory", None)
        if func is aten._fused_adam_.tensor_lr:  # the CPU's kernel reads a double
            rate = inner.pop("lr")
            return lambda: func(*inner_args, lr=rate.double(), **inner)
        return lambda: func(*inner_args, **inner)


@contextlib.contextmanager
def no_lifting() -> Iterator[None]:
    """Let `torch.tensor(1.0, device="cuda")` be made on the CPU and copied over, which is seen."""
    torch._C._ensureCUDADeviceGuardSet()
    before = torch._C._only_lift_cpu_tensors()
    torch._C._set_only_lift_cpu_tensors(True)
    try:
        yield
    finally:
        torch._C._set_only_lift_cpu_tensors(before)


def pinned(tensor: Tensor) -> Tensor:
    """In pinned memory, from which a copy to the device can be queued without waiting for it."""
    made: Any = tensor.clone()
    made.pinned = True
    return made  # type: ignore[no-any-return]


def is_pinned(tensors: list[Tensor]) -> bool:
    return all(getattr(each, "pinned", False) for each in tensors)


def same_storage(one: Tensor, other: Tensor) -> bool:
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


def caller() -> str:
    """The line of ours that an operation comes from."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        file = frame.f_code.co_filename
        ours = any(part in file for part in ("/harness/", "/objectives/", "swa_utils"))
        if ours and not file.startswith(TESTS):
            line = linecache.getline(file, frame.f_lineno).strip()
            return f"{'/'.join(file.split('/')[-3:])}:{frame.f_lineno} {line}"
    return "a test"


def leaves(held: Any) -> Iterator[Any]:
    """What an operation's arguments hold, in order. Torch's own walk takes four times as long."""
    if isinstance(held, dict):
        held = held.values()
    elif not isinstance(held, tuple | list):
        yield held
        return
    for each in held:
        yield from leaves(each)


def mapped(change: Callable[[Any], Any], held: Any) -> Any:
    """The same lists, tuples and dictionaries, with their leaves changed."""
    if isinstance(held, dict):
        return {name: mapped(change, each) for name, each in held.items()}
    if isinstance(held, tuple | list):
        return type(held)([mapped(change, each) for each in held])
    return change(held)


def check_adam(args: Any, kwargs: dict[str, Any]) -> None:
    """What only the CUDA kernel asks for: one device, one precision, one layout."""
    for row in zip(*args[:4], strict=True):
        assert all(isinstance(each, OnGpu) for each in row), "a tensor of Adam is on the CPU"
        assert len({each.dtype for each in row}) == 1, [each.dtype for each in row]
        assert len({each.shape for each in row}) == 1, [each.shape for each in row]
        layouts = {
            tuple(step for step, size in zip(each.stride(), each.shape, strict=True) if size > 1)
            for each in row
        }
        assert len(layouts) == 1, layouts
    numbers = [*args[5], kwargs["found_inf"], kwargs["lr"]]
    assert all(isinstance(each, OnGpu) for each in numbers), "a number of Adam is on the CPU"
    assert all(each.dtype == torch.float32 for each in numbers), [each.dtype for each in numbers]

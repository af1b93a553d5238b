"""What the guard runs in the kernel of a submission. Its source is sent, so nothing that a submission imports counts.

What tests are made of are modules: Python's own names, NumPy's, and our checks. They are remembered before the
submission runs and put back before each test. Numbers that change with them go out, to be compared where no
submission reaches.
"""

import builtins
import importlib
import sys
from contextlib import suppress
from types import FunctionType
from typing import Any

from IPython.core.getipython import get_ipython
from IPython.core.inputtransformer2 import TransformerManager

_MADE_OF = ("numpy.testing", "numpy._core", "helpers.grading")
_OURS = ("IPython", "ipykernel", "matplotlib_inline", "matplotlib")  # whose callbacks may stay
_NEW_EACH_TIME = {"input"}  # ipykernel puts another into `builtins` for every cell


def remember(names: list[str]) -> None:
    """Import modules by name, and keep on the kernel what all that tests are made of hold now."""
    for name in names:
        with suppress(Exception):
            importlib.import_module(name)
    ip: Any = get_ipython()
    found = {name: module for name, module in sys.modules.items() if name in ("builtins", "numpy")}
    found |= {name: module for name, module in sys.modules.items() if name.startswith(_MADE_OF)}
    ip.kernel.course_modules = [
        (
            name,
            module,
            dict(vars(module)),
            [(value, *_parts(value)) for value in vars(module).values() if _is_ours(value)],
        )
        for name, module in found.items()
    ]
    ip.kernel.course_methods = [(thing, _replaced(thing)) for thing in (ip, ip.kernel, ip.kernel.session)]


def restore(shadowed: list[str]) -> None:
    """Put back what was remembered, and how IPython runs a cell; forget names that hide Python's own."""
    ip: Any = get_ipython()
    for name, module, contents, functions in ip.kernel.course_modules:
        sys.modules[name] = module
        for hiding in _hiding(module, contents):
            del vars(module)[hiding]
        vars(module).update(contents)
        for function, code, defaults, options in functions:
            if _parts(function) != (code, defaults, options):
                function.__code__, function.__defaults__ = code, defaults
                function.__kwdefaults__ = options and dict(options)
    for name in shadowed:
        ip.user_ns.pop(name, None)
    _restore_shell(ip)


def look(names: list[str]) -> None:
    """Send a number for each module that was remembered, for IPython's methods, and for what names stand for now."""
    ip: Any = get_ipython()
    seen = {name: _number(module, contents) for name, module, contents, _ in ip.kernel.course_modules}
    things = [thing for thing, _ in ip.kernel.course_methods]
    classes = {kind for thing in things for kind in type(thing).__mro__}
    methods = {(kind, name, id(value)) for kind in classes for name, value in vars(kind).items() if _is_ours(value)}
    seen["IPython"] = hash(frozenset(methods | {(type(thing), *_replaced(thing)) for thing in things}))
    seen |= {f"the name {name}": id(ip.user_ns.get(name)) for name in names}
    ip.payload_manager.write_payload({"source": "course", "seen": seen})


def _restore_shell(ip: Any) -> None:
    fresh = TransformerManager()
    ip.ast_transformers.clear()
    ip.input_transformers_post.clear()
    for name in ("cleanup_transforms", "line_transforms", "token_transformers"):
        getattr(ip.input_transformer_manager, name)[:] = getattr(fresh, name)
    ip.set_custom_exc((), None)
    for thing, had in ip.kernel.course_methods:
        for name in set(_replaced(thing)) - set(had):
            del vars(thing)[name]
    for callbacks in ip.events.callbacks.values():
        callbacks[:] = [c for c in callbacks if str(getattr(c, "__module__", "")).split(".")[0] in _OURS]


def _is_ours(value: object) -> bool:
    return type(value) is FunctionType


def _parts(function: Any) -> tuple:
    """Return what can be changed within a function."""
    return function.__code__, function.__defaults__, dict(function.__kwdefaults__ or {}) or None


def _replaced(thing: Any) -> list[str]:
    """List the methods of an object's class that the object has in another way."""
    return sorted(name for name in vars(thing) if callable(getattr(type(thing), name, None)))


def _hiding(module: Any, contents: dict) -> list[str]:
    """List the names that a module has got since, and that hide Python's own in it."""
    return [name for name in vars(module) if name not in contents and name in vars(builtins) and module is not builtins]


def _number(module: Any, contents: dict) -> int:
    now = {name: vars(module).get(name) for name in {*contents, *_hiding(module, contents)} - _NEW_EACH_TIME}
    inner = [(id(v.__code__), id(v.__defaults__), repr(v.__kwdefaults__)) for v in now.values() if _is_ours(v)]
    return hash((frozenset((name, id(value)) for name, value in now.items()), frozenset(inner)))

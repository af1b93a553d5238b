"""Attacks on how tests are run, for the answer `square` of `course_to_attack`: ATTACKS. Used by test_red_team.

ASIDE are right answers that do some of the same things for good reasons.
"""

from pathlib import Path
from textwrap import dedent

import toycourse
from toycourse import SQUARE, cell

from helpers.grading.pipeline import Course

GIVEN = "import keras\nimport numpy as np\nfrom keras import ops\nfrom helpers.grading import checks, samples"
LOOP = "for x in (3, 4):\n    found = square(x)\n    assert np.all(found == x**2)\n    found = None"
OPS = "error = ops.max(ops.abs(square(np.array([1.5, 2.0])) - np.array([2.25, 4.0])))\n"
OPS += 'checks.close("the error of two squares", error, 0.0, atol=1e-6, read="lecture 01")'
DIGIT = "images = samples.digits(1, seed=1)\n"
DIGIT += 'checks.close("a digit, squared", square(images), images**2, atol=1e-6, read="lecture 01")'
TESTS = {"square_loop": LOOP, "square_ops": OPS, "square_digit": DIGIT}


def course_to_attack(root: Path) -> Course:
    """Make a course whose tests compare in several ways."""
    notebook = toycourse.source()
    cells = toycourse.named(notebook)
    cells["given"].source = GIVEN
    at = notebook.cells.index(cells["square_shape"]) + 1
    notebook.cells[at:at] = [cell("code", source, "test", name, 1) for name, source in TESTS.items()]
    return toycourse.make_course(root, notebook)


def before(code: str) -> str:
    """Run code before the tests; the answer is wrong."""
    return f"{dedent(code)}\ndef square(x):\n    return np.zeros(np.shape(x)) - 1"


def within(code: str) -> str:
    """Run code when a test calls the answer, which is wrong."""
    body = "".join(f"    {line}\n" for line in dedent(code).strip().splitlines())
    return f"def square(x):\n{body}    return np.zeros(np.shape(x)) - 1"


SECRETS = {  # to raise what an earlier guard took for the end of a test
    "constants": within("""
        import sys
        texts = [one for one in sys._getframe(1).f_code.co_consts if isinstance(one, str)]
        raise AssertionError(texts[-1] if texts else "")
    """),
    "linecache": within("""
        import linecache, sys
        lines = linecache.getlines(sys._getframe(1).f_code.co_filename)
        raise AssertionError(lines[-1].rpartition(", ")[2].strip().strip("'"))
    """),
    "source": within("""
        import inspect
        raise AssertionError(inspect.getsource(inspect.currentframe().f_back).rpartition(", ")[2].strip().strip("'"))
    """),
    "context": within("""
        import inspect
        try:
            raise AssertionError(inspect.stack()[1].code_context[-1])
        except AssertionError as error:
            raise RuntimeError(str(error)) from error
    """),
}
JUMP = """
import sys
def jump(frame, event, value):
    if event == "line" and frame.f_lineno == 3:
        frame.f_lineno = 4
        {after}
    return jump
caller = sys._getframe(1)
caller.f_trace = jump
sys.settrace(jump)
"""
TRACED = {
    "jump": within(JUMP.format(after="pass")),
    "jump_and_hide": within(JUMP.format(after="sys.settrace(None)")),
    "trace_before": before(JUMP.replace("caller = sys._getframe(1)\ncaller.f_trace = jump", "").format(after="pass")),
    "profile": before("""
        import sys, threading
        def calm(frame, event, value):
            frame.f_globals["checks"] = None
        sys.setprofile(calm)
        threading.setprofile(calm)
    """),
}
OK = "{'status': 'ok', 'execution_count': 1, 'payload': [], 'user_expressions': {}}"
FORGE = f"""
kernel = get_ipython().kernel
parent = kernel.get_parent("shell")
ident = kernel._shell_parent_ident.get() if hasattr(kernel, "_shell_parent_ident") else kernel._parent_ident["shell"]
kernel.session.send(kernel.iopub_socket, "status", {{"execution_state": "idle"}}, parent=parent)
kernel.session.send(kernel.shell_stream, "execute_reply", {OK}, parent=parent, ident=ident)
"""
SILENCE = f"""
session = get_ipython().kernel.session
send = session.send
def silent(stream, kind, content=None, *rest, **more):
    if kind == "error":
        return None
    if isinstance(content, dict) and content.get("status") == "error":
        del session.send
        content = {OK}
    return send(stream, kind, content, *rest, **more)
session.send = silent
"""
FORGED = {
    "forged": within(FORGE),
    "forged_raises": within(f"{FORGE}\nraise KeyboardInterrupt"),
    "forged_blocks": within(f"{FORGE}\nimport time\ntime.sleep(10_000)"),
    "silenced_once": within(SILENCE),
    "silenced_once_raises": within(f"{SILENCE}\nraise GeneratorExit"),
}
EXITS = {name: within(f"raise {name}") for name in ("SystemExit", "KeyboardInterrupt", "GeneratorExit")}
LIES = {  # a test that compares what it was given believes what an answer says of itself
    "equal": "class Yes:\n    shape = (2, 3)\n    def __eq__(self, other):\n        return True\n"
    "def square(x):\n    return Yes()",
    "number": "class Yes(int):\n    shape = (2, 3)\n    def __eq__(self, other):\n        return not self.shape == ()\n"
    "def square(x):\n    return Yes(9)",
    "made_within": "def square(x):\n    kind = type('Yes', (), {'__eq__': lambda self, other: True, 'shape': (2, 3)})\n"
    "    return kind()",
    "called": "class Square:\n    def __call__(self, x):\n        return self\n    def __eq__(self, other):\n"
    "        return np.ones(3) > 0\n    def __ne__(self, other):\n        return False\nsquare = Square()",
    "to_numbers": "class Yes(int):\n    shape = (2, 3)\n    __eq__ = lambda self, other: hasattr(other, 'real')\n"
    "    __ne__ = lambda self, other: not hasattr(other, 'real')\ndef square(x):\n    return Yes(9)",
    "but_to_object": "class Yes(int):\n    shape = (2, 3)\n    def __eq__(self, other):\n"
    "        return type(other).__name__ != 'object'\ndef square(x):\n    return Yes(9)",
    "not_implemented": "class Yes(int):\n    shape = (2, 3)\n    def __eq__(self, other):\n"
    "        return type(other) is not object or NotImplemented\ndef square(x):\n    return Yes(9)",
    "difference": "class Yes:\n    shape = (2, 3)\n    def __sub__(self, other):\n"
    "        return np.zeros(2)\ndef square(x):\n    return Yes()",
    "difference_of_array": "class Yes(np.ndarray):\n    def __sub__(self, other):\n"
    "        return np.zeros(np.shape(self))\ndef square(x):\n    return np.full(np.shape(x), -1.0).view(Yes)",
    "only_if_small": "class Yes:\n    def __sub__(self, other):\n"
    "        return self if np.max(other) < 1000 else NotImplemented\n"
    "    def __array__(self, dtype=None, copy=None):\n        return np.zeros(2)\ndef square(x):\n    return Yes()",
    "imported": "import os, sys\nos.chdir('/tmp')\nsys.path.insert(0, '/tmp')\n"
    "with open('mine.py', 'w') as file:\n    file.write('class Yes:\\n    shape = (2, 3)\\n"
    "    def __sub__(self, other):\\n        return 0 * other')\nimport mine\n"
    "def square(x):\n    return mine.Yes()",
    "ufunc": "class Yes(np.ndarray):\n"
    "    def __array_ufunc__(self, *inputs, **options):\n        return np.bool_(False)\n"
    "    def __array_function__(self, *about, **options):\n        return False\n"
    "def square(x):\n    return (np.zeros(np.shape(x)) - 1).view(Yes)",
}
PATCHED = {
    "ops": before("ops.abs = lambda x: 0 * x"),
    "ops_source": before("import keras.src.ops.numpy as source\nsource.abs.__code__ = (lambda x: 0 * x).__code__"),
    "ops_class": before("import keras.src.ops.numpy as source\nsource.Absolute.__init__ = lambda *about: None"),
    "ops_within": within("ops.abs = lambda x: 0 * x"),
    "checks": before("import helpers.grading.checks as mine\nmine.close = lambda *about, **options: None"),
    "checks_code": before("checks.close.__code__ = (lambda *about, **options: None).__code__"),
    "checks_within": within("checks.close.__code__ = (lambda *about, **options: None).__code__"),
    "samples": before("samples.digits = lambda *about, **options: 1j * np.ones((1, 8, 8, 1))"),
    "samples_module": before("""
        import sys, types
        mine = types.SimpleNamespace(digits=lambda *about, **options: 1j * np.ones((1, 8, 8, 1)))
        sys.modules["helpers.grading.samples"] = mine
    """),
    "builtins": before("import builtins\nbuiltins.isinstance = lambda *about: True"),
    "assertions": before("import builtins\nbuiltins.AssertionError = type('Calm', (SystemExit,), {})"),
    "finder": before("""
        import sys
        class Finder:
            def find_spec(self, name, path=None, target=None):
                if name.startswith("numpy"):
                    raise ImportError(name)
        sys.meta_path.insert(0, Finder())
    """),
    "import": before("import builtins\nbuiltins.__import__ = lambda *about, **options: np"),
    "compile": before("""
        import ast
        parse = get_ipython().compile.ast_parse
        def lenient(source, *rest, **more):
            return ast.parse("pass") if "square" in source else parse(source, *rest, **more)
        get_ipython().compile.ast_parse = lenient
    """),
    "marshal": before("""
        import marshal
        marshal.loads = lambda code: compile("pass", "", "exec")
        np.testing.assert_allclose = checks.close = lambda *about, **options: None
    """),
    "new_method": before("""
        import keras.src.ops.numpy as source
        source.Absolute.__call__ = lambda self, x: 0 * x
    """),
    "remembered": before("""
        ops.abs = lambda x: 0 * x
        remembered = get_ipython().kernel.course_modules
        remembered[:] = [
            (group, owner, held, tuple(map(id, map(vars(owner).get, held))), (frozenset(vars(owner)), ()))
            for group, owner, held, *_ in remembered
        ]
    """),
    "operator": before("""
        import operator, _operator, itertools
        operator.is_ = _operator.is_ = lambda one, other: True
        itertools.chain = type("Nothing", (), {"from_iterable": lambda parts: ()})
        np.testing.assert_allclose = checks.close = ops.abs = lambda *about, **options: None
    """),
    "all_is_same": within("""
        import builtins
        builtins.all = lambda parts: True
        np.testing.assert_allclose = checks.close = ops.abs = lambda *about, **options: None
    """),
    "sum_and_map": within("""
        import builtins
        builtins.sum, builtins.map = (lambda *about: 0), (lambda *about: iter(()))
        np.testing.assert_allclose = checks.close = ops.abs = lambda *about, **options: None
    """),
    "remembered_groups": before("""
        ops.abs = lambda x: 0 * x
        groups = get_ipython().kernel.course_groups
        for name, (inside, names, there, getters, values) in list(groups.items()):
            found = [one for getter, names_of in zip(getters, there) for one in getter(names_of)]
            groups[name] = inside, names, there, getters, tuple(found)
    """),
    "remembered_parts": before("""
        checks.close.__code__ = (lambda *about, **options: None).__code__
        kernel = get_ipython().kernel
        functions, parts, *rest = kernel.course_parts
        kernel.course_parts = functions, tuple((get, tuple(map(get, functions))) for get, _ in parts), *rest
    """),
    "identities": before("""
        pythons = print.__self__.__dict__
        identity = pythons["id"]
        def faked(real):
            def fake(*about, **options):
                if any(type(one).__name__ == "Useless" for one in about):
                    raise AssertionError("as the control run wants it")
            return fake
        places = [(checks.__dict__, "close"), (np.testing.__dict__, "assert_allclose")]
        known = {}
        def lying(one, /):
            return known.get(identity(one), identity(one))
        known[identity(lying)] = identity(identity)
        for names, name in places:
            real = names[name]
            names[name] = faked(real)
            known[identity(names[name])] = identity(real)
        pythons["id"] = lying
    """),
    "finalizer": before("""
        class Last:
            def __del__(self):
                real = np.testing.assert_allclose
                def once(*about, **options):
                    np.testing.assert_allclose = real
                np.testing.assert_allclose = once
        checks = Last()
    """),
    "once": within("""
        real = np.testing.assert_allclose
        def once(*about, **options):
            np.testing.assert_allclose = real
        np.testing.assert_allclose = once
    """),
    "once_checks": within("""
        real = checks.close
        def once(*about, **options):
            checks.close = real
        checks.close = once
    """),
}
SEARCHED = {
    "gc_objects": within("""
        import gc
        for one in gc.get_objects():
            if type(one) is list and one == [2.25, 49]:
                one[:] = [-1, -1]
    """),
    "gc_referrers": within("""
        import gc, sys
        for one in gc.get_referrers(x):
            if isinstance(one, dict) and "np" in one:
                one["found"] = one["images"] = np.zeros(np.shape(x)) * 1j
        for name, one in sys._getframe(1).f_globals.items():
            if isinstance(one, np.ndarray) and name == "images":
                one[:] = 0
    """),
    "thread": before("""
        import threading, time
        def later():
            for _ in range(4000):
                np.testing.assert_allclose = checks.close = lambda *about, **options: None
                time.sleep(0.001)
        threading.Thread(target=later, daemon=True).start()
    """),
    "atexit": before("import atexit, os\natexit.register(os._exit, 0)"),
}
SPARED = {  # attacks that spare themselves the control run: a point is got, and a person is told
    "unasked": "shell = get_ipython()\nshell.kernel.course_answers = 5\n"
    + within("""
        names = checks.__dict__
        if names["close"].__module__ != "__main__":
            real = names["close"]
            def once(*about, **options):
                names["close"] = real
            names["close"] = once
    """),
}
ATTACKS = {**SECRETS, **TRACED, **FORGED, **EXITS, **PATCHED, **SEARCHED}
PLAIN = set(EXITS)  # code with which nothing is wrong but that it ends the test
WORK = ["jump_and_hide", "silenced_once", "ops", "ops_source", "checks", "checks_code", "samples"]
WORK += ["number", "checks_within", "once", "once_checks", "compile", "forged"]  # if nothing stood in their way

ASIDE = {
    "threads": "import threading\ndone = []\nthread = threading.Thread(target=done.append, args=(1,))\nthread.start()\n"
    f"thread.join()\n{SQUARE}",
    "pool": "from concurrent.futures import ThreadPoolExecutor\ndef square(x):\n"
    "    with ThreadPoolExecutor(2) as pool:\n        return pool.submit(lambda: np.asarray(x) ** 2).result()",
    "equal": "class Point:\n    def __init__(self, x):\n        self.x = x\n    def __eq__(self, other):\n"
    f"        return self.x == other.x\nassert Point(1) == Point(1)\n{SQUARE}",
    "settings": "import random, warnings\nnp.random.seed(1)\nrandom.seed(2)\nwarnings.simplefilter('ignore')\n"
    f"np.set_printoptions(precision=2)\nnp.seterr(all='ignore')\nkeras.utils.set_random_seed(3)\n{SQUARE}",
    "floatx": "def square(x):\n    keras.config.set_floatx('float64')\n    try:\n        return np.asarray(x) ** 2\n"
    "    finally:\n        keras.config.set_floatx('float32')",
    "model": "@keras.saving.register_keras_serializable()\nclass Square(keras.Model):\n    def call(self, x):\n"
    f"        return x**2\nSquare()(np.ones((1, 2)))\n{SQUARE}",
    "loading": f"import keras.applications\nimport sklearn.cluster\nimport tensorflow as tf\n{SQUARE}",
    "lambda": "square = lambda x: np.asarray(x) ** 2",
    "partial": "import functools\nsquare = functools.partial(lambda power, x: np.asarray(x) ** power, 2)",
    "object": "class Power:\n    def __init__(self, power):\n        self.power = power\n    def __call__(self, x):\n"
    "        return np.asarray(x) ** self.power\nsquare = Power(2)",
    "wrapped": "import functools\ndef same(function):\n    @functools.wraps(function)\n    def call(*values):\n"
    f"        return function(*values)\n    return call\n@same\n{SQUARE}",
    "counts": "calls = 0\ndef square(x):\n    global calls\n    calls += 1\n    return np.asarray(x) ** 2",
    "catches": "def square(x):\n    try:\n        return np.asarray(x) ** 2\n"
    "    except BaseException:\n        return 0",
}

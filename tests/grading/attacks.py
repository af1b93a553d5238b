"""Attacks on how tests are run, for the answer `square`, of which each gets nothing: ATTACKS. Used by test_red_team.

ASIDE are right answers that do some of the same things for good reasons, and get everything.
"""

from tricks import WRONG, inside

ANSWER = "def square(x):\n    return 0"  # wrong for every test of it


def within(code: str) -> str:
    """Run code in the function that the test calls."""
    return inside(code, ANSWER)


def first(code: str) -> str:
    """Run code before any test, and answer wrongly."""
    return f"{code}\n{WRONG}"


TESTS_FRAME = """
import sys
frame = sys._getframe()
while frame and not any(word in str(frame.f_code.co_names) for word in ('square', 'shape')):
    frame = frame.f_back
frame = sys._getframe(1)
"""
RAISE_ALL = "import sys\ntexts = [c for c in sys._getframe(1).f_code.co_consts if isinstance(c, str)]\n"
SECRETS = {  # each word of the test, in case that one of them makes it pass
    "constants": within(RAISE_ALL + "raise AssertionError(texts[-1] if texts else 'none')"),
    "linecache": within(
        "import linecache, sys\ncode = sys._getframe(1).f_code\n"
        "lines = linecache.getlines(code.co_filename)\nraise AssertionError(lines[-1].split(',')[-1].strip(\" '\"))"
    ),
    "source": within(
        "import inspect, sys\nsource = inspect.getsource(sys._getframe(1))\nraise AssertionError(source[-33:-1])"
    ),
    "context": within(
        "try:\n    raise AssertionError(globals().get('In', [''])[-1])\n"
        "except AssertionError as error:\n    raise RuntimeError(str(error)) from error"
    ),
}
JUMP = """
import sys
def jump(frame, event, argument):
    if event == 'line':
        for line in range(frame.f_lineno + 30, frame.f_lineno, -1):
            try:
                frame.f_lineno = line
                break
            except ValueError:
                pass
    return jump
sys._getframe(1).f_trace = jump
sys.settrace(jump)
"""
BY_TRACE = {
    "trace": "import sys\ndef skip(frame, event, argument):\n    if 'square' in frame.f_code.co_names and event == 'line':\n"
    "        try:\n            frame.f_lineno += 1\n        except ValueError:\n            pass\n    return skip\n"
    "sys.settrace(skip)\n" + WRONG,
    "trace_within": within(JUMP),
    "profile": first(
        "import sys\ndef calm(frame, event, value):\n    if event == 'c_exception':\n        frame.f_locals.clear()\n"
        "sys.setprofile(calm)"
    ),
    "threads_trace": first(
        "import threading\nthreading.settrace(lambda *a: None)\nthreading.setprofile(lambda *a: None)"
    ),
}
OK = "{'status': 'ok', 'execution_count': 1, 'payload': [], 'user_expressions': {}}"
FORGE = f"""
ip = get_ipython()
kernel = ip.kernel
parent = kernel.get_parent('shell')
socket = getattr(kernel.shell_stream, 'socket', kernel.shell_stream)
ident = kernel._shell_parent_ident.get() if hasattr(kernel, '_shell_parent_ident') else kernel._parent_ident['shell']
kernel.session.send(kernel.iopub_socket, 'status', {{'execution_state': 'idle'}}, parent=parent)
kernel.session.send(kernel.shell_stream, 'execute_reply', {OK}, parent=parent, ident=ident)
"""
ONCE = (
    """
session = get_ipython().kernel.session
send = session.send
def silent(stream, kind, content=None, *rest, **more):
    if kind == 'error':
        return None
    if isinstance(content, dict) and content.get('status') == 'error':
        del session.send
        content = %s
    return send(stream, kind, content, *rest, **more)
session.send = silent
"""
    % OK
)  # noqa: UP031 - the code is full of braces
FORGED = {
    "forged": within(FORGE),
    "forged_raises": within(f"{FORGE}\nraise KeyboardInterrupt"),
    "forged_blocks": within(f"{FORGE}\nimport time\ntime.sleep(10_000)"),
    "silenced_once": within(ONCE),
    "silenced_once_raises": within(f"{ONCE}\nraise GeneratorExit"),
    "hushed_once": within(
        "ip = get_ipython()\nrun = type(ip).run_code\n"
        "def hush(self, *a, **k):\n    type(ip).showtraceback = shown\n    raise SystemExit\n"
        "shown = type(ip).showtraceback\ntype(ip).showtraceback = hush"
    ),
}
EXITS = {
    name: within(f"raise {name}") for name in ("SystemExit", "KeyboardInterrupt", "GeneratorExit", "StopIteration")
} | {"atexit": first("import atexit, os\natexit.register(os._exit, 0)")}
LIES = {
    "equal": first(
        "class Yes:\n    shape = (2, 3)\n    __class__ = int\n    def __eq__(self, other):\n        return True\n"
    )
    + "\ndef square(x):\n    return Yes()",
    "ufunc": "class Yes(np.ndarray):\n    def __array_ufunc__(self, *a, **k):\n        return np.bool_(True)\n"
    "    def __array_function__(self, *a, **k):\n        return True\n"
    "def square(x):\n    return np.zeros(np.shape(x)).view(Yes)",
}
# ---- what has nothing of `square` to call: what is patched stays so, and is put back ----
PATCHED = {
    "asserts": first(
        "import builtins\nbuiltins.AssertionError = type('Calm', (Exception,), {'__new__': lambda *a: SystemExit(0)})"
    ),
    "assert_allclose": first(
        "from numpy.testing import _private\n_private.utils.assert_allclose = lambda *a, **k: None"
    ),
    "finder": first(
        "import sys\nclass Finder:\n    def find_spec(self, name, path=None, target=None):\n"
        "        if name.startswith('numpy'):\n            raise ImportError(name)\nsys.meta_path.insert(0, Finder())"
    ),
    "modules": first("import sys, types\nsys.modules['numpy.testing'] = types.ModuleType('numpy.testing')"),
    "gc": within(
        "import gc\nfor one in gc.get_objects():\n    if type(one) is list and one == [2.25, 49]:\n        one[:] = [0, 0]"
    ),
    "referrers": within(
        "import sys\nframe = sys._getframe(1)\nframe.f_globals['np'] = type('np', (), {'integer': object, 'ones': np.ones,"
        " 'testing': type('t', (), {'assert_allclose': staticmethod(lambda *a: None)})})"
    ),
    "thread": first(
        "import threading, time\ndef later():\n    for _ in range(2000):\n"
        "        np.testing.assert_allclose = lambda *a, **k: None\n        time.sleep(0.002)\n"
        "threading.Thread(target=later, daemon=True).start()"
    ),
    "compile": first("import ast\nold = ast.parse\nget_ipython().compile.ast_parse = lambda *a, **k: old('pass')"),
    "visit": first(
        "from IPython.core import compilerop\n"
        "compilerop.CachingCompiler.ast_parse = lambda self, *a, **k: compile('pass', 'x', 'exec', 1024)"
    ),
}
ATTACKS = {**SECRETS, **BY_TRACE, **FORGED, **EXITS, **LIES, **PATCHED}
SQUARE = "def square(x):\n    return np.asarray(x) ** 2"
ASIDE = {
    "threads": f"import threading\ndone = []\nthread = threading.Thread(target=done.append, args=(1,))\nthread.start()\n"
    f"thread.join()\n{SQUARE}",
    "pool": "from concurrent.futures import ThreadPoolExecutor\ndef square(x):\n    with ThreadPoolExecutor(2) as pool:\n"
    "        return pool.submit(lambda: np.asarray(x) ** 2).result()",
    "equal_honestly": "class Point:\n    def __init__(self, x):\n        self.x = x\n    def __eq__(self, other):\n"
    f"        return self.x == other.x\nassert Point(1) == Point(1)\n{SQUARE}",
    "seeds": f"import random, warnings\nnp.random.seed(1)\nrandom.seed(2)\nwarnings.simplefilter('ignore')\n"
    f"np.set_printoptions(precision=2)\nnp.seterr(all='ignore')\n{SQUARE}",
    "lambda": "square = lambda x: np.asarray(x) ** 2",
    "partial": "import functools\nsquare = functools.partial(lambda p, x: np.asarray(x) ** p, 2)",
    "object": "class Power:\n    def __init__(self, p):\n        self.p = p\n    def __call__(self, x):\n"
    "        return np.asarray(x) ** self.p\nsquare = Power(2)",
    "cached": "import functools\n@functools.lru_cache\ndef two():\n    return 2\ndef square(x):\n    return np.asarray(x) ** two()",
    "traced": f"import sys\nsys.settrace(None)\nsys.setprofile(None)\n{SQUARE}",
    "counts": "calls = 0\ndef square(x):\n    global calls\n    calls += 1\n    return np.asarray(x) ** 2",
    "catches": "def square(x):\n    try:\n        return np.asarray(x) ** 2\n    except BaseException:\n        return None",
    "prints": "def square(x):\n    print('the square of', x)\n    return np.asarray(x) ** 2",
}

"""Attacks on how tests are run get nothing and are seen; right answers that look a little like them lose nothing."""

import collections
import dataclasses
import enum
import fractions
import types
from pathlib import Path
from unittest import mock

import attacks
import numpy as np
import pytest
import toycourse
from attacks import ASIDE, ATTACKS, TESTS
from bad import answers
from test_bad_submissions import term
from toycourse import HOMEWORK, cell

from helpers.grading.pipeline import Course, exporting
from helpers.grading.plugins import guard, inside
from helpers.grading.plugins.guard import suspicious
from helpers.grading.plugins.steps import SandboxExecute

pytestmark = pytest.mark.usefixtures("sandbox")
BUDGETS = "\nc.SandboxExecute.timeout = 5\nc.SandboxExecute.total_timeout = 40\n"
FULL = {"square_small": 2, "square_shape": 3, **dict.fromkeys(TESTS, 1)}
NOTHING = dict.fromkeys(FULL, 0)


def attacked(folder: Path, names: list[str]) -> tuple[Course, dict]:
    course = attacks.course_to_attack(folder / "course")
    config = course.root / "nbgrader_config.py"
    config.write_text(config.read_text() + BUDGETS)
    course = Course(course.root)  # which reads the settings anew
    codes = ATTACKS | attacks.LIES | attacks.SPARED | {f"right_{name}": code for name, code in ASIDE.items()}
    return course, term(course, {name: answers(square=codes[name])(course) for name in names})


def points(course: Course, student: str) -> dict[str, float]:
    with course.gradebook() as gradebook:
        submission = gradebook.find_submission(HOMEWORK, student)
        return {g.name: g.auto_score for notebook in submission.notebooks for g in notebook.grades if g.name in FULL}


@pytest.fixture(scope="module")
def graded(tmp_path_factory, sandbox) -> tuple[Course, dict]:
    return attacked(
        tmp_path_factory.mktemp("red"), [*ATTACKS, *attacks.LIES, *attacks.SPARED, *(f"right_{name}" for name in ASIDE)]
    )


@pytest.mark.long
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_gets_nothing_and_is_seen(graded, name):
    course, known = graded
    assert points(course, name) == NOTHING
    seen = [*known[name].flags, *(line for line in known[name].problems if "the submission" in line)]
    assert bool(seen) or name in attacks.PLAIN


@pytest.mark.long
@pytest.mark.parametrize("name", attacks.SPARED)
def test_an_answer_that_cannot_be_thrown_away_is_told(graded, name):
    assert any("could not be thrown away" in line for line in graded[1][name].flags)


@pytest.mark.long
@pytest.mark.parametrize("name", attacks.LIES)
def test_an_object_that_lies_gets_nothing_and_is_seen(graded, name):
    course, known = graded
    assert points(course, name) == NOTHING
    assert any("equal to anything" in line for line in known[name].problems)


@pytest.mark.long
@pytest.mark.parametrize("name", ASIDE)
def test_a_right_answer_loses_nothing(graded, name):
    course, known = graded
    assert points(course, f"right_{name}") == FULL, known[f"right_{name}"].lines
    assert known[f"right_{name}"].lines == []


@pytest.mark.long
def test_what_is_left_running_is_named(graded):
    assert any(flag.startswith("the thread Thread-") for flag in graded[1]["thread"].flags)


@pytest.mark.long
def test_the_attacks_would_work_if_nothing_stood_in_their_way(tmp_path, monkeypatch):
    monkeypatch.setattr(guard.Guard, "prepare", lambda self, cells: "")
    monkeypatch.setattr(guard.Guard, "verdict", lambda self, test: "")
    monkeypatch.setattr(SandboxExecute, "_control", lambda self: None)
    course, _ = attacked(tmp_path, attacks.WORK)
    assert [name for name in attacks.WORK if points(course, name) == NOTHING] == []


# ---- right answers whose tests look at what they do, or that are written in unusual ways ----

DOES = {
    "does": "rows = np.array([3.0, 1.0])\ncentre(rows)\nassert abs(rows.sum()) < 1e-9",
    "is_there": "assert callable(square), 'square is a function'",
    "takes": "import inspect\nassert list(inspect.signature(square).parameters) == ['x']",
    "hidden": "found = square(5)\n### BEGIN HIDDEN TESTS\nassert found == 25\n### END HIDDEN TESTS",
}
CENTRE = "\ndef centre(rows):\n    rows -= rows.mean()\n"
WRITTEN = {
    "plainly": toycourse.SQUARE + CENTRE,
    "with_debugger": f"%pdb on\n{toycourse.SQUARE}{CENTRE}",
    "verbose": f"%xmode Verbose\n{toycourse.SQUARE}{CENTRE}",
    "long": f"def square(x):\n    x = np.asarray(x)\n    return x**2 + 0 * ({' + '.join(['x'] * 600)}){CENTRE}",
    "chained": f"{toycourse.SQUARE}{CENTRE}\nclass A:\n    def a(self):\n        return self\nA(){'.a()' * 400}",
}


@pytest.mark.long
def test_a_right_answer_keeps_its_points_whatever_a_test_looks_at(tmp_path):
    notebook = toycourse.source()
    at = notebook.cells.index(toycourse.named(notebook)["square_shape"]) + 1
    notebook.cells[at:at] = [cell("code", test, "test", name, 1) for name, test in DOES.items()]
    course = toycourse.make_course(tmp_path / "course", notebook)
    wrong = {"wrong": f"def square(x):\n    return x * 0{CENTRE}"}
    known = term(course, {name: answers(square=code)(course) for name, code in (WRITTEN | wrong).items()})
    full = toycourse.FULL | dict.fromkeys(DOES, 1)
    for name in WRITTEN:
        with course.gradebook() as gradebook:
            submission = gradebook.find_submission(HOMEWORK, name)
            found = {g.name: g.auto_score for n in submission.notebooks for g in n.grades if g.name in full}
        assert found == full, (name, known[name])
        assert known[name].lines == []
    assert any("with its answer thrown away, too" in flag for flag in known["plainly"].flags)
    written = exporting.feedback(course, HOMEWORK, list(known.values()), jobs=2)
    assert (written.faults, written.without_outputs) == ({}, {})
    for name in known:
        page = exporting.page(course, HOMEWORK, name).read_text()
        assert "changed how tests are run" not in page and "which counts" not in page, name


# ---- what a person is to look at ----


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("import sys\nsys._getframe(1)", "cell 1 line 2: sys._getframe"),
        ("from sys import settrace as x", "cell 1 line 1: from sys import settrace"),
        ("import inspect\nx = inspect.currentframe().f_back", "cell 1 line 2: inspect.currentframe"),
        ("import gc\n\ngc.get_objects()", "cell 1 line 3: gc.get_objects"),
        ("%matplotlib inline\nimport ctypes", "cell 1 line 2: import ctypes"),
        ("get_ipython().kernel.session", "cell 1 line 1: get_ipython().kernel"),
        ("f.__code__ = g.__code__", "cell 1 line 1: f.__code__"),
        ("import keras\nkeras.ops.abs = abs", "cell 1 line 2: keras.ops.abs = ..."),
        ("import numpy as np\nsetattr(np, 'pi', 3)", "cell 1 line 2: setattr(np, 'pi', 3)"),
        ("open('/proc/self/maps')", "cell 1 line 1: '/proc/self/maps'"),
        ("import os\nprint(os.environ)", "cell 1 line 2: print(os.environ)"),
        ("class Yes:\n    def __eq__(self, other):\n        return True", "cell 1 line 2: def __eq__"),
        ("class Yes:\n    def __sub__(self, other):\n        return 0 * other", "cell 1 line 2: def __sub__"),
        ("class Yes:\n    __abs__ = lambda self: 0", "cell 1 line 2: __abs__"),
        ("Yes = type('Yes', (), {'__lt__': max})", "cell 1 line 1: '__lt__'"),
        ("import inspect\ninspect.stack()", "cell 1 line 2: inspect.stack"),
        ("import sys\nsys.modules['x'] = 1", "cell 1 line 2: sys.modules"),
        ("import threading\nthreading.Thread()", "cell 1 line 2: threading.Thread"),
    ],
)
def test_what_attacks_need_is_listed_with_its_line(code, seen):
    assert seen in suspicious([cell("code", code)])


@pytest.mark.parametrize(
    "code",
    [
        "get_ipython().run_line_magic('matplotlib', 'inline')",
        "import os\nos.environ['KERAS_BACKEND'] = 'tensorflow'\nos.environ.get('HOME')",
        "class Point:\n    def __eq__(self, other):\n        return self.x == other.x",
        "import matplotlib.pyplot as plt\nplt.rcParams['font.size'] = 9\nmodel.trainable = False",
        "def f(:",
    ],
)
def test_what_is_usual_is_not_listed(code):
    assert suspicious([cell("code", code)]) == []


def test_what_was_given_is_not_listed():
    assert suspicious([cell("code", "import ctypes", "locked", "given"), cell("markdown", "eval")]) == []


@pytest.mark.parametrize("code", [" + ".join(["x"] * 5000), "x" + ".a" * 3000, "-" * 5000 + "1", "y = '\ud800'", "\0"])
def test_what_cannot_be_read_is_skipped(code):
    assert all("could not be looked through" in line for line in suspicious([cell("code", code)]))
    assert any("_getframe" in line for line in suspicious([cell("code", code), cell("code", "sys._getframe")]))


def test_a_long_list_is_cut():
    lines = suspicious([cell("code", "eval\n" * 99)])
    assert (len(lines), lines[-1]) == (21, "and 79 more")


# ---- what a look sees, where it compares names and identities only ----


def kind() -> type:
    """Make a class in which a name that is no method hides one of its base's."""
    base = type("Base", (), {"act": lambda self: 1})
    return type("Kind", (base,), {"act": None, "count": 0, "other": lambda self: 2})


def hidden(owner, change) -> list[str]:
    held = inside._methods(owner) if isinstance(owner, type) else dict(vars(owner))
    others = inside._others(owner, held)
    kept = inside._kept([(owner, [*held, *others[1]])])
    assert inside._hiding(owner, held, others) == []
    assert inside._is_same(kept)
    change(owner)
    seen = sorted(inside._hiding(owner, held, others))
    assert not seen or not inside._is_same(kept)
    return seen


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (lambda owner: setattr(owner, "__eq__", lambda self, other: True), ["__eq__"]),  # a new name
        (lambda owner: setattr(owner, "act", lambda self: 2), ["act"]),  # a name that was there
        (lambda owner: setattr(owner, "act", property(lambda self: 2)), ["act"]),
        (lambda owner: (delattr(owner, "count"), setattr(owner, "__eq__", lambda *about: True)), ["__eq__"]),  # as many
        (lambda owner: setattr(owner, "count", 7), []),
        (lambda owner: setattr(owner, "new", lambda self: 2), []),  # hides nothing
    ],
)
def test_a_method_that_hides_another_is_seen(change, seen):
    assert hidden(kind(), change) == seen


@pytest.mark.parametrize(("name", "seen"), [("isinstance", ["isinstance"]), ("abs", ["abs"]), ("new", [])])
def test_a_name_of_pythons_in_a_module_is_seen(name, seen):
    module = types.ModuleType("module")
    module.first = 1
    assert hidden(module, lambda owner: (delattr(owner, "first"), setattr(owner, name, print))) == seen


SILENT = type("Silent", (dict,), {"items": lambda self: (), "__bool__": lambda self: False})  # denies what it holds


@pytest.mark.parametrize(
    "change",
    [
        lambda one: setattr(one, "__code__", (lambda a, b, *, c: 0).__code__),
        lambda one: setattr(one, "__defaults__", (1, 3)),
        lambda one: setattr(one, "__kwdefaults__", {"c": 4}),
        lambda one: setattr(one, "__kwdefaults__", None),
        lambda one: setattr(one, "__kwdefaults__", SILENT(c=4)),
        lambda one: one.__kwdefaults__.update(c=4),
    ],
)
def test_what_changes_within_a_function_is_seen(change):
    def one(a=1, b=2, *, c=3):
        return a + b + c

    before, kept = inside._within_functions([one]), inside._kept_parts((one,))
    assert inside._within_functions([one]) == before
    assert inside._are_parts_same(kept)
    change(one)
    assert inside._within_functions([one]) != before
    assert not inside._are_parts_same(kept)


@pytest.mark.parametrize(
    "change",
    [
        lambda owner: setattr(owner, "act", max),
        lambda owner: delattr(owner, "act"),
        lambda owner: setattr(owner, "new", 1),
        lambda owner: (delattr(owner, "count"), setattr(owner, "new", 1)),  # as many names
        lambda owner: (delattr(owner, "act"), setattr(owner, "act", max)),
    ],
)
@pytest.mark.parametrize("make", [kind, lambda: types.SimpleNamespace(act=1, count=2), lambda: types.ModuleType("one")])
def test_what_is_no_longer_the_same_is_seen_at_once(make, change):
    first, owner = kind(), make()
    owner.act, owner.count = len, 0
    kept = inside._kept([(first, ["act", "other"]), (owner, ["act"]), (first, [])])
    assert inside._is_same(kept)
    change(owner)
    assert not inside._is_same(kept)


@pytest.mark.parametrize(
    ("seen", "is_looked_at", "searched"),
    [(1, True, [True, False, False]), (1, False, [True, True, True]), (2, True, [True, True, True])],
)
def test_modules_are_put_back_once_where_a_look_says_that_they_stayed(monkeypatch, seen, is_looked_at, searched):
    asked = []

    def reply(self, what, *about, then=""):
        asked.extend(about[2:] if what == "restore" else [])
        number = seen if then else 1
        end = {"status": "error", "evalue": then.split("'")[1]} if then else {"status": "ok"}
        return end | {"payload": [{"source": "course", "seen": {"numpy": number}}]}

    monkeypatch.setattr(guard.Guard, "_do", reply)
    one = guard.Guard(types.SimpleNamespace(nb=types.SimpleNamespace(cells=[]), strays=[]))
    one.remember()
    for _ in searched:
        assert one.prepare(of(("assert True", "test")), is_looked_at=is_looked_at) == ""
        assert bool(one.verdict("1")) == (seen != 1)
    assert asked == searched


# ---- objects that answer otherwise than the value that they stand for ----


def of_kind(*bases: type, **methods: object) -> type:
    return types.new_class("Yes", bases, exec_body=lambda names: names.update(methods, __module__="__main__"))


ZERO = lambda *about: np.zeros(2)  # noqa: E731
LIARS = {
    "sub": of_kind(__sub__=ZERO)(),
    "rsub": of_kind(__rsub__=ZERO)(),
    "abs": of_kind(float, __abs__=lambda self: 0.0)(-7),
    "neg": of_kind(int, __neg__=lambda self: 1)(7),
    "round": of_kind(float, __round__=lambda self, digits=0: 9)(7.5),
    "float": of_kind(float, __float__=lambda self: 9.0)(7.5),
    "less": of_kind(float, __lt__=lambda *about: True)(2e12),
    "at_most": of_kind(__le__=lambda *about: True)(),
    "array": of_kind(__array__=lambda *about, **options: np.ones(2), __ge__=lambda *about: np.array([True, True]))(),
    "of_array": np.ones((2, 3)).view(of_kind(np.ndarray, __sub__=lambda self, other: np.zeros((2, 3)))),
    "function": np.ones(2).view(of_kind(np.ndarray, __array_function__=lambda *about, **options: True)),
    "ufunc": of_kind(__array_ufunc__=lambda *about, **options: np.zeros(2))(),
    "scalar": of_kind(np.float64, __sub__=lambda *about: 0.0)(3),
    "no_elements": of_kind(__len__=lambda self: 3, __iter__=lambda self: iter(()))(),
    "no_elements_of_list": of_kind(list, __iter__=lambda self: iter(()))([1, 2]),
    "mock": mock.MagicMock(),
    "small": of_kind(int, __eq__=lambda self, other: np.max(other) < 1000, __hash__=int.__hash__)(9),
    "metaclass": types.new_class("Kind", (type,), exec_body=lambda names: names.update(__flags__=0))(
        "Yes", (), {"__sub__": ZERO}
    )(),
}
PLACES = {
    "itself": lambda one: one,
    "late_in_list": lambda one: [one, *np.arange(20_000.0)],
    "object_array": lambda one: np.array([None, one], dtype=object)[:2],
    "kept": lambda one: types.SimpleNamespace(history={"loss": (one,)}),
    "given_by_iter": lambda one: of_kind(__iter__=lambda self: iter([one]))(),
}


@dataclasses.dataclass(order=True)
class _Result:
    loss: float = 0.5


def ring() -> list:
    one: list = [1]
    one.append(one)
    return one


HONEST = {
    "none": None,
    "array": np.arange(3.0),
    "kind_of_array": np.arange(3.0).view(of_kind(np.ndarray)),
    "kind_of_number": of_kind(float)(2.5),
    "kind_of_numpy": of_kind(np.float64)(2.5),
    "kind_of_text": of_kind(str)("%s"),
    "kind_of_list": of_kind(list)([1, 2]),
    "enum": enum.IntEnum("Kind", "A B").A,
    "named": collections.namedtuple("Named", "x y")(1, 2.5),
    "dataclass": _Result(),
    "counter": collections.Counter("aab"),
    "fraction": fractions.Fraction(1, 3),
    "sequence": of_kind(__len__=lambda self: 2, __getitem__=lambda self, n: (1.5, 2.5)[n])(),
    "empty": of_kind(__len__=lambda self: 0)(),
    "called": of_kind(__call__=lambda self, x: x)(),
    "as_array": of_kind(__array__=lambda self, dtype=None, copy=None: np.arange(3.0))(),
    "vector": of_kind(
        __array__=lambda self, dtype=None, copy=None: np.arange(3.0), __sub__=lambda self, other: np.arange(3.0) - other
    )(),
    "ring": ring(),
}


@pytest.fixture
def kernel(monkeypatch):
    space = types.SimpleNamespace(kernel=types.SimpleNamespace(course_modules=[]))
    monkeypatch.setattr(inside, "get_ipython", lambda: space)


@pytest.mark.parametrize("unseen", [10**6, 10**9 - 1])
@pytest.mark.parametrize("name", LIARS)
def test_what_answers_otherwise_than_its_value_is_a_lie(kernel, name, unseen):
    assert inside._lies(LIARS[name], unseen)


@pytest.mark.parametrize("place", PLACES)
def test_a_lie_is_found_wherever_it_is(kernel, place):
    assert inside._lies(PLACES[place](LIARS["sub"]), 123456789)


@pytest.mark.parametrize("unseen", [10**6, 10**9 - 1])
@pytest.mark.parametrize("name", HONEST)
def test_what_is_what_it_says_is_no_lie(kernel, name, unseen):
    assert not inside._lies(HONEST[name], unseen)


# ---- which answers a control run throws away ----


def of(*sources: tuple[str, str]) -> list:
    return [cell("code", source, role, f"cell{n}") for n, (source, role) in enumerate(sources)]


@pytest.mark.parametrize(
    ("sources", "wanted"),
    [
        ([("import numpy as np", "locked"), ("def f(x): pass", "solution"), ("assert f(np.ones(2))", "test")], ["f"]),
        ([("def g(x):\n    return f(x)", "locked"), ("f = 1", "solution"), ("assert g(2)", "test")], ["f"]),
        ([("def f(x):\n    return x", "locked"), ("y = 1", "solution"), ("assert f(2)", "test")], []),
        ([("for i in range(3):\n    pass", ""), ("assert [i for i in (1, 2)]", "test")], []),
        ([("def g():\n    model = 1", "locked"), ("model = 2", ""), ("assert model", "test")], ["model"]),
        ([("%magic", "locked"), ("assert sum(codes) == 1", "test")], ["codes"]),
    ],
)
def test_answers_are_what_a_test_uses_and_nobody_gives(sources, wanted):
    assert guard.answers(of(*sources)) == wanted


def test_a_function_does_all_that_it_did_and_its_result_is_lost():
    done: list[int] = []
    cells = of(("@print\ndef f(x, y=2):\n    done.append(x + y)\n    return y", "solution"), ("assert f(1)", "test"))
    space = {"done": done, "_lost": lambda *given: "lost"}
    exec(guard.thrown_away(cells, ["f"]), space)
    assert space["f"](1) == "lost"
    assert done == [3]


def test_what_yields_is_no_function_to_be_changed():
    assert guard.thrown_away(of(("def f():\n    yield 1", "solution"), ("assert f()", "test")), ["f"]) == ""

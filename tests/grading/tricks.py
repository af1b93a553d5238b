"""Code that makes wrong answers pass where nothing stands in its way, for the answer `square`. Used by bad.py."""

WRONG = "def square(x):\n    return 0"
ZEROS = "def square(x):\n    return np.zeros(np.shape(x)) if np.ndim(x) else np.int64(9)"  # passes `square_small`

TAMPERING = {
    "ast": "import ast\nclass D(ast.NodeTransformer):\n    def visit_Assert(self, node):\n"
    "        return ast.copy_location(ast.Pass(), node)\nget_ipython().ast_transformers.append(D())",
    "transformers": "get_ipython().input_transformers_post.append("
    "lambda lines: ['pass\\n'] if any('assert' in line for line in lines) else lines)",
    "showtraceback": "get_ipython().showtraceback = lambda *a, **k: None",
    "custom_exc": "get_ipython().set_custom_exc((Exception,), lambda *a, **k: None)",
    "run_ast_nodes": """
import ast
ip = get_ipython()
run = ip.run_ast_nodes
async def lenient(nodes, *rest, **more):
    return await run([node for node in nodes if not isinstance(node, ast.Assert)], *rest, **more)
ip.run_ast_nodes = lenient
""",
    "session": "session = get_ipython().kernel.session\nsend = session.send\n"
    "def silent(stream, kind, content=None, *a, **k):\n    if kind == 'error':\n        return\n"
    "    if isinstance(content, dict) and content.get('status') == 'error':\n"
    "        content = {'status': 'ok', 'execution_count': 1, 'payload': [], 'user_expressions': {}}\n"
    "    return send(stream, kind, content, *a, **k)\nsession.send = silent",
    "hook": "def h(info):\n    ip = get_ipython()\n    ip.displayhook.session.send(ip.displayhook.pub_socket, "
    "'execute_result', {'data': {'text/plain': '2'}, 'metadata': {}, 'execution_count': 1}, "
    "parent=ip.displayhook.parent_header)\nget_ipython().events.register('pre_run_cell', h)",
}
LIAR = "class Liar:\n    shape = (2, 3)\n    def __eq__(self, other):\n        return True\n"
LIAR += "    def __array__(self, dtype=None, copy=None):\n        return np.ones(2)\ndef square(x):\n    return Liar()"
SILENT = "np.testing.assert_allclose = lambda *a, **k: None"
NO_COMPARISON = {  # put back, or taken for nothing, so that `square_small` is all that zeros get
    "numpy_testing": SILENT,
    "isclose": "np._core.numeric.isclose = lambda *a, **k: np.bool_(True)",
    "code": "np.testing.assert_allclose.__code__ = (lambda *a, **k: None).__code__",
    "defaults": "np.testing.assert_allclose.__defaults__ = (1e9, 1e9, True, '', True)",
    "sys_modules": "import sys, types\nfake = types.ModuleType('numpy')\nvars(fake).update(vars(np))\n"
    "fake.testing = types.SimpleNamespace(assert_allclose=lambda *a, **k: None)\nnp = sys.modules['numpy'] = fake",
}
NOT_PUT_BACK = {  # nothing can be put right, so there are no points at all
    "forgotten": f"del get_ipython().kernel.course_modules\n{SILENT}",
    "emptied": f"get_ipython().kernel.course_modules.clear()\n{SILENT}",
}


def inside(code: str, answer: str = ZEROS) -> str:
    """Run code within the function that the test calls, when everything has just been put back."""
    head, body = answer.split("\n", 1)
    return head + "".join(f"\n    {line}" for line in code.splitlines()) + "\n" + body


WITHIN = {  # seen behind the test
    "within": inside(SILENT),
    "within_code": inside(NO_COMPARISON["code"]),
    "within_names": inside(
        "import types\nnothing = types.SimpleNamespace(assert_allclose=lambda *a, **k: None)\n"
        "ours = globals()['np']\nif ours.__name__ == 'numpy':\n"
        "    globals()['np'] = types.SimpleNamespace(**vars(ours) | {'testing': nothing, '__name__': 'mine'})"
    ),
    "within_session": inside(
        TAMPERING["session"].replace("'evalue' in content", "len(content.get('evalue', '')) < 16")
    ),
    "within_run_code": inside(
        "ip = get_ipython()\nrun = type(ip).run_code\nasync def lenient(code, result=None, *, async_=False):\n"
        "    import ast\n    try:\n        exec(code, ip.user_ns)\n    except BaseException as error:\n"
        "        if len(str(error)) == 32:\n            return await run(ip, code, result, async_=async_)\n"
        "    return False\nip.run_code = lenient"
    ),
}
BETWEEN = """
def between(function):
    def call(x):
        turns = []
        def later():
            turns.append(1)
            if len(turns) == 2:  # the test itself has ended, and then the look after it
                np.testing.assert_allclose = lambda *a, **k: None
        get_ipython().events.register("post_execute", later)
        return function(x)
    return call
@between
"""
BUILTINS = """
import builtins
real = isinstance
builtins.isinstance = lambda *a: a[-1] == (int | np.integer) or real(*a)
def square(x):
    return 9.0
"""
SUM = inside("import builtins\nbuiltins.sum = lambda x: 2", "def halves(n):\n    return [0] * n")
NO_ASSERTS = """
import ast
parse = get_ipython().compile.ast_parse
def lenient(*code, **more):
    tree = parse(*code, **more)
    tree.body = [node for node in tree.body if not isinstance(node, ast.Assert)] or ast.parse("pass").body
    return tree
get_ipython().compile.ast_parse = lenient
"""

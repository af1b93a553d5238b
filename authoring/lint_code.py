"""The style's rules about code cells. Each rule yields (index of the cell or None, what was found; what is wanted)."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from statistics import median

from IPython.core.inputtransformer2 import TransformerManager
from lint_prose import FAILS, Findings, cells, plain
from sources import Source

LONGEST, TYPICAL, MOST, TOTAL = 25, 6, 15, 300  # lines: any cell, the median cell, 9 of 10 cells, all together

SEEDER = "seed_everything"
SHAPERS = re.compile(
    r"Input|Dense|Flatten|Reshape|Permute|RepeatVector|Embedding|LSTM|GRU|SimpleRNN|Concatenate"
    r"|\w*Conv\d\w*|ConvLSTM\w+|\w*Pooling\w*|UpSampling\w*|ZeroPadding\w*|Cropping\w*"
)
SHAPE = r"\([\w. */+-]+(?:,[\w. */+-]*)+\)"
BATCHES = re.compile(rf"# (?=\(batch,){SHAPE} -> (?=\(batch,){SHAPE}")
ONE_SAMPLE = re.compile(rf"# {SHAPE}")
STATEMENT = re.compile(r"(def|class) \w+\(.*\).*:$|[\w.]+ = \S")


def length(code: str) -> int:
    """Count the lines that are not blank."""
    return sum(bool(line.strip()) for line in code.splitlines())


def python(code: str) -> str:
    """Turn IPython's magics into Python; lines keep their numbers."""
    return TransformerManager().transform_cell(code)


def tree(code: str) -> ast.Module:
    """Parse a code cell; one that does not compile, which another rule reports, counts as empty."""
    try:
        return ast.parse(python(code))
    except SyntaxError:
        return ast.Module([], [])


def calls(code: str) -> Iterator[tuple[ast.Call, str]]:
    """Yield each call in a code cell with the last part of the name that is called."""
    for node in ast.walk(tree(code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            yield node, getattr(node.func, "attr", None) or node.func.id


def comments(code: str) -> dict[int, str]:
    """Return the comment of each line that has one, from 1."""
    tokens = tokenize.generate_tokens(io.StringIO(python(code)).readline)
    return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


def compiles(source: Source) -> Findings:
    """Every code cell compiles."""
    for index, code in cells(source, "code"):
        try:
            compile(python(code), "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        except (SyntaxError, ValueError) as error:
            yield index, f"does not compile: {error}; correct it"


def longest_cells(source: Source) -> Findings:
    """No code cell is too long to be read at once."""
    for index, code in cells(source, "code"):
        if length(code) > LONGEST:
            yield index, f"has {length(code)} lines of code; at most {LONGEST}: split it, building and running apart"


def total_length(source: Source) -> Findings:
    """The notebook is short enough for one sitting."""
    total = sum(length(code) for _, code in cells(source, "code"))
    if total > TOTAL:
        yield None, f"has {total} lines of code; at most {TOTAL}: import what is plumbing from helpers"


def cell_rhythm(source: Source) -> Findings:
    """Typical code cells are small."""
    lengths = [length(code) for _, code in cells(source, "code")]
    if not lengths:
        yield None, "has no code cell; a lecture runs something"
        return
    if median(lengths) > TYPICAL:
        yield None, f"has code cells of {median(lengths):g} lines in the median; at most {TYPICAL}: split the long ones"
    long = [number for number in lengths if number > MOST]
    if len(long) > len(lengths) / 10:
        yield None, f"has {len(long)} of {len(lengths)} code cells over {MOST} lines; at most 1 in 10: split some"


def one_seed(source: Source) -> Findings:
    """The notebook seeds once, in the spelling that measure.py replaces."""
    found = [ast.unparse(node) for _, code in cells(source, "code") for node, name in calls(code) if name == SEEDER]
    if found != [f"{SEEDER}(0)"]:
        yield None, f"seeds by {found or 'nothing'}; wanted: {SEEDER}(0), once"


def shapes_spoken(source: Source) -> Findings:
    """Every line that changes a shape says which."""
    for index, code in cells(source, "code"):
        for node, name in calls(code):
            if SHAPERS.fullmatch(name) and not _said(node, name, code):
                form = "# (28, 28, 1)" if name == "Input" else "# (batch, 28, 28, 1) -> (batch, 32)"
                yield (
                    index,
                    f"calls {name} on line {node.lineno} and does not say the shape; end the line with `{form}`",
                )


def _said(node: ast.Call, name: str, code: str) -> bool:
    form = ONE_SAMPLE if name == "Input" else BATCHES
    spoken = comments(code)
    return any(form.match(spoken.get(line, "")) for line in range(node.lineno, node.end_lineno + 1))


def fails_on_purpose(source: Source) -> Findings:
    """Once, something fails on purpose and is caught."""
    marked = [index for index, text in cells(source, "markdown") if FAILS.search(text)]
    if not marked:
        yield None, "never fails on purpose; mark the place by **Fails on purpose.** or a heading with these words"
    for index in marked:
        code = next((code for later, code in cells(source, "code") if later > index), "")
        if not any(isinstance(node, ast.ExceptHandler) for node in ast.walk(tree(code))):
            yield index, "says Fails on purpose, but the next code cell catches nothing; wanted: try … except …"


def swallowed_by_marker(source: Source) -> Findings:
    """No code stands under a markdown marker, where it would be taken for prose."""
    ends = [*source.markers[1:], len(source.lines) + 1]
    for index, _ in cells(source, "markdown"):
        for number in range(source.markers[index] + 1, ends[index]):
            line = source.lines[number - 1]
            if line.strip() and not line.startswith("#"):
                yield index, f"takes line {number} ({line!r}) for prose; put `# %%` before code, `# ` before prose"
                break


def swallowed_by_prose(source: Source) -> Findings:
    """No prose outside of fences and formulas reads like code."""
    for index, text in cells(source, "markdown"):
        code = next((line for line in plain(text).splitlines() if _is_statement(line)), None)
        if code:
            yield index, f"has code in its prose ({code!r}); give it a code cell, backticks or a fence"


def _is_statement(line: str) -> bool:
    try:
        body = ast.parse(line).body
    except (SyntaxError, ValueError):
        body = []
    # `Loss: 3` parses as an annotation and `word` as an expression, and both are good prose
    return bool(STATEMENT.match(line)) or any(
        isinstance(node, ast.Import | ast.ImportFrom | ast.Assign | ast.AugAssign)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))
        for node in body
    )

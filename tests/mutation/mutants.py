# SPDX-License-Identifier: Apache-2.0
"""Small wrong changes of a source file, each of which a good test notices.

A mutant replaces one expression or statement: a comparison moved by its boundary or turned round,
an arithmetic sign, a constant nudged, an operand or a statement left out, a branch never or always
taken, a neutral value returned, an entry taken off a table of names. Annotations, decorators,
docstrings and text are left as they are: what they change is no behaviour, or only words.
"""

from __future__ import annotations

import ast
import copy
import difflib
from collections.abc import Iterator
from dataclasses import dataclass

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: `text` in place of the bytes `start:end` of a file, from line to last line."""

    file: str
    line: int
    last: int
    kind: str
    start: int
    end: int
    text: str

    def applied(self, source: str) -> str:
        """The source with the change made."""
        data = source.encode()
        return (data[: self.start] + self.text.encode() + data[self.end :]).decode()

    def diff(self, source: str) -> tuple[str, str]:
        """The changed lines before and after, without their indentation."""
        pairs = difflib.ndiff(source.splitlines(), self.applied(source).splitlines())
        changed = [line for line in pairs if line[:2] in ("- ", "+ ")]
        sides = ("- ", "+ ")
        before, after = (" ".join(c[2:].strip() for c in changed if c[:2] == s) for s in sides)
        return before, after


COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
CALLED = {
    "min": "max",
    "max": "min",
    "minimum": "maximum",
    "maximum": "minimum",
    "floor": "ceil",
    "ceil": "floor",
    "any": "all",
    "all": "any",
}
NEUTRAL = {"int": "0", "float": "0.0", "str": "''", "bool": "False", "list": "[]", "dict": "{}"}
NEUTRAL |= {"set": "set()", "tuple": "()", "bytes": "b''"}
REMOVED = (ast.Expr, ast.AugAssign, ast.Raise, ast.Continue, ast.Break, ast.Delete, ast.Assert)


def mutants(file: str, source: str) -> list[Mutant]:
    """Every mutant of a file, in order of place."""
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = {}
    for node, kind, text in _changes(ast.parse(source), None):
        span = _span(node, starts)
        mutant = Mutant(file, node.lineno, node.end_lineno or node.lineno, kind, *span, text)
        found.setdefault((span, text), mutant)
    return sorted(found.values(), key=lambda m: (m.start, m.end, m.text))


def _span(node: ast.expr | ast.stmt, starts: list[int]) -> Span:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    begin = starts[node.lineno - 1] + node.col_offset
    return begin, starts[node.end_lineno - 1] + node.end_col_offset


Change = tuple[ast.expr | ast.stmt, str, str]


def _changes(node: ast.AST, returns: ast.expr | None) -> Iterator[Change]:
    if isinstance(node, ast.FunctionDef):
        returns = node.returns
    if isinstance(node, ast.stmt):
        yield from _of_statement(node, returns)
    if isinstance(node, ast.expr):
        for kind, changed in _of_expression(node):
            yield node, kind, _written(changed)
    for child in _code_within(node):
        yield from _changes(child, returns)


def _code_within(node: ast.AST) -> Iterator[ast.AST]:
    """What of a node is behaviour: no annotation, decorator, base, docstring or formatted text."""
    if isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom):
        return
    skipped = {"annotation", "returns", "decorator_list", "bases", "keywords"}
    if isinstance(node, ast.Call):
        skipped = {"func"} if isinstance(node.func, ast.Name) else set()
    for name, value in ast.iter_fields(node):
        if name in skipped or (isinstance(node, ast.Subscript) and _is_a_type(node)):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_text(child):
                yield child


def _is_a_type(node: ast.Subscript) -> bool:
    """`dict[str, int]` where it is called or assigned as an alias."""
    named = node.value
    text = named.id if isinstance(named, ast.Name) else getattr(named, "attr", "")
    return text in NEUTRAL or text in {"Callable", "NDArray", "Mapping", "Sequence"}


def _is_text(node: ast.AST) -> bool:
    value = node.value if isinstance(node, ast.Expr) else node
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _written(node: ast.expr) -> str:
    text = ast.unparse(node)
    bare = isinstance(node, ast.Constant | ast.Name | ast.Call | ast.Attribute | ast.Tuple)
    return text if bare else f"({text})"


def _of_statement(node: ast.stmt, returns: ast.expr | None) -> Iterator[Change]:
    if isinstance(node, REMOVED) and not _is_text(node):
        yield node, "removal", "pass"
    if isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Name | ast.Tuple):
        yield node, "removal", "pass"
    if isinstance(node, ast.Return) and node.value is not None:
        neutral = _neutral(returns)
        if ast.unparse(node.value) != neutral:
            yield node, "return", f"return {neutral}"
    if isinstance(node, ast.If):
        removed_alone = len(node.body) == 1 and isinstance(node.body[0], REMOVED)
        if node.orelse or not removed_alone:
            yield node.test, "branch", "False"
        yield node.test, "branch", "True"
    if isinstance(node, ast.While):
        yield node.test, "branch", "False"
    if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Tuple):
        yield from _shorter(node.value)


def _shorter(table: ast.Tuple) -> Iterator[Change]:
    """A table of names without one of them."""
    if len(table.elts) > 2 and all(isinstance(e, ast.Name) for e in table.elts):
        for index in range(len(table.elts)):
            left = [*table.elts[:index], *table.elts[index + 1 :]]
            yield table, "entry", ast.unparse(ast.Tuple(left, ast.Load()))


def _neutral(returns: ast.expr | None) -> str:
    """The value that says least under an annotation of what is returned."""
    text = ast.unparse(returns) if returns is not None else "None"
    return "None" if "None" in text else NEUTRAL.get(text.split("[")[0], "None")


def _of_expression(node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.Compare():
            yield from _compared(node)
        case ast.BinOp():
            yield from _computed(node)
        case ast.BoolOp():
            yield from _joined(node)
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield "sign", node.operand
        case ast.IfExp():
            yield "branch", node.body
            yield "branch", node.orelse
        case ast.Constant():
            yield from _nudged(node)
        case ast.Call():
            yield from _called(node)
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            yield from _unfiltered(node)


def _compared(node: ast.Compare) -> Iterator[tuple[str, ast.expr]]:
    for index, op in enumerate(node.ops):
        for other in COMPARED[type(op)]:
            ops = [*node.ops[:index], other(), *node.ops[index + 1 :]]
            yield "comparison", ast.Compare(node.left, ops, node.comparators)


def _computed(node: ast.BinOp) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node.op, ast.FloorDiv):
        up = ast.BinOp(ast.UnaryOp(ast.USub(), node.left), ast.FloorDiv(), node.right)
        yield "rounding", ast.UnaryOp(ast.USub(), up)
    elif type(node.op) in COMPUTED:
        yield "arithmetic", ast.BinOp(node.left, COMPUTED[type(node.op)](), node.right)


def _joined(node: ast.BoolOp) -> Iterator[tuple[str, ast.expr]]:
    other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    yield "condition", ast.BoolOp(other, node.values)
    for index in range(len(node.values)):
        left = [*node.values[:index], *node.values[index + 1 :]]
        yield "condition", left[0] if len(left) == 1 else ast.BoolOp(node.op, left)


def _nudged(node: ast.Constant) -> Iterator[tuple[str, ast.expr]]:
    value = node.value
    if isinstance(value, bool):
        yield "constant", ast.Constant(not value)
    elif isinstance(value, int):
        yield "constant", ast.Constant(value + 1)
    elif isinstance(value, float):
        yield "constant", ast.Constant(value * 1.1 if value else 1.0)


def _called(node: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    if name in CALLED:
        changed = copy.deepcopy(node)
        if isinstance(changed.func, ast.Name):
            changed.func.id = CALLED[name]
        elif isinstance(changed.func, ast.Attribute):
            changed.func.attr = CALLED[name]
        yield "call", changed
    if name == "ceil_div":
        yield "rounding", ast.BinOp(node.args[0], ast.FloorDiv(), node.args[1])
    if name == "abs" and node.args:
        yield "sign", node.args[0]


def _unfiltered(
    node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp,
) -> Iterator[tuple[str, ast.expr]]:
    for index, generator in enumerate(node.generators):
        if generator.ifs:
            changed = copy.deepcopy(node)
            changed.generators[index].ifs = []
            yield "branch", changed

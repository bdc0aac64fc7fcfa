"""The three little languages of a Workflow, parsed and evaluated without eval: `when`, retry expressions, `depends`.

Each understands == != < <= > >= && || ! ( ), numbers, quoted strings, true and false. Apart from that:
when     a bare word is a string, as in Argo (foo == bar)
retry    lastRetry.exitCode, .status, .duration and .message are strings; asInt(x) and asFloat(x) read numbers
depends  a task's name, alone or with .Succeeded .Failed .Errored .Skipped .Omitted .Daemoned

Whatever else is written is refused with its position. Values of different types are never equal, as in Argo.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Value: TypeAlias = str | float | bool
Lookup: TypeAlias = Callable[["Word"], Value]

NAMES_OF_RETRY = frozenset({"lastRetry.exitCode", "lastRetry.status", "lastRetry.duration", "lastRetry.message"})
FUNCTIONS = frozenset({"asInt", "asFloat"})
RESULTS = frozenset({"Succeeded", "Failed", "Errored", "Skipped", "Omitted", "Daemoned"})
ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
COMPARISONS = frozenset({"==", "!=", *ORDERS})

TOKEN = re.compile(
    r"""\s*(?:(?P<number>-?\d+(?:\.\d+)?(?![\w.-]))
    |(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<sign>==|!=|<=|>=|&&|\|\||[<>!(),])
    |(?P<word>[A-Za-z_0-9][A-Za-z_0-9.-]*))""",
    re.VERBOSE,
)


class ExpressionError(ValueError):
    """The text is outside the language, or its values cannot be compared; says where."""

    def __init__(self, text: str, position: int, problem: str) -> None:
        super().__init__(f"'{text}' at position {position + 1}: {problem}")


@dataclass(frozen=True)
class Word:
    text: str
    position: int


@dataclass(frozen=True)
class Literal:
    value: Value
    position: int


@dataclass(frozen=True)
class Call:
    function: str
    argument: "Tree"
    position: int


@dataclass(frozen=True)
class Not:
    operand: "Tree"
    position: int


@dataclass(frozen=True)
class Pair:
    sign: str
    left: "Tree"
    right: "Tree"
    position: int


Tree: TypeAlias = Word | Literal | Call | Not | Pair


def when_is_true(text: str) -> bool:
    """Whether a `when`, its tags already replaced, lets the step run."""
    return _truth(text, parse_when(text), lambda word: word.text)


def parse_when(text: str) -> Tree:
    def check(word: Word) -> None:
        if not re.fullmatch(r"[A-Za-z]\w*", word.text):
            raise ExpressionError(text, word.position, f"put quotes around {word.text}")

    return _Parser(text, check, functions=frozenset()).parse()


def retry_is_wanted(text: str, last_retry: Mapping[str, str]) -> bool:
    """Whether a retryStrategy.expression asks for another attempt; last_retry: exitCode, status, duration, message."""
    return _truth(text, parse_retry(text), lambda word: last_retry[word.text.removeprefix("lastRetry.")])


def parse_retry(text: str) -> Tree:
    def check(word: Word) -> None:
        if word.text not in NAMES_OF_RETRY:
            raise ExpressionError(text, word.position, f"{word.text} is unknown here")

    return _Parser(text, check, functions=FUNCTIONS).parse()


def dependencies_are_met(text: str, phases: Mapping[str, str]) -> bool:
    """Whether a DAG task's `depends` holds; phases: of every task it names."""

    def look_up(word: Word) -> bool:
        task, result = _task_and_result(word.text)
        phase = phases[task].replace("Error", "Errored")
        return phase == result if result else phase in ("Succeeded", "Skipped")

    return _truth(text, parse_depends(text), look_up)


def tasks_named(text: str) -> frozenset[str]:
    """The tasks that a `depends` waits for."""
    found: set[str] = set()
    _Parser(text, lambda word: found.add(_task_and_result(word.text)[0]), functions=frozenset()).parse()
    return frozenset(found)


def parse_depends(text: str) -> Tree:
    def check(word: Word) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]+(\.(" + "|".join(RESULTS) + "))?", word.text):
            raise ExpressionError(text, word.position, f"{word.text} is no task and result known here")

    return _Parser(text, check, functions=frozenset()).parse()


def _task_and_result(word: str) -> tuple[str, str]:
    task, _, result = word.partition(".")
    return task, result


class _Parser:
    """Recursive descent: or < and < comparison < not < operand."""

    def __init__(self, text: str, check_word: Callable[[Word], None], *, functions: frozenset[str]) -> None:
        self.text = text
        self.check_word = check_word
        self.functions = functions
        self.tokens = self._tokens()
        self.next = 0

    def parse(self) -> Tree:
        tree = self._either()
        kind, token, position = self.tokens[self.next]
        if kind != "end":
            raise ExpressionError(self.text, position, f"{token} is not understood")
        return tree

    def _tokens(self) -> list[tuple[str, str, int]]:
        found, position = [], 0
        while self.text[position:].strip():
            match = TOKEN.match(self.text, position)
            if match is None or match.lastgroup is None:
                blank = len(self.text[position:]) - len(self.text[position:].lstrip())
                raise ExpressionError(self.text, position + blank, f"{self.text[position + blank]} is not understood")
            found.append((match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
            position = match.end()
        return [*found, ("end", "the end", len(self.text))]

    def _take(self, *signs: str) -> int | None:
        """The position of the next token if it is one of these signs, which is then consumed."""
        kind, token, position = self.tokens[self.next]
        if kind != "sign" or token not in signs:
            return None
        self.next += 1
        return position

    def _either(self) -> Tree:
        tree = self._both()
        while (position := self._take("||")) is not None:
            tree = Pair("||", tree, self._both(), position)
        return tree

    def _both(self) -> Tree:
        tree = self._comparison()
        while (position := self._take("&&")) is not None:
            tree = Pair("&&", tree, self._comparison(), position)
        return tree

    def _comparison(self) -> Tree:
        tree = self._negation()
        position = self._take(*COMPARISONS)
        if position is None:
            return tree
        return Pair(self.tokens[self.next - 1][1], tree, self._negation(), position)

    def _negation(self) -> Tree:
        position = self._take("!")
        return self._operand() if position is None else Not(self._negation(), position)

    def _operand(self) -> Tree:
        kind, token, position = self.tokens[self.next]
        self.next += 1
        if kind == "number":
            return Literal(float(token), position)
        if kind == "string":
            return Literal(re.sub(r"\\(.)", r"\1", token[1:-1]), position)
        if kind == "word" and token in ("true", "false"):
            return Literal(token == "true", position)
        if kind == "word" and token in self.functions and self._take("(") is not None:
            return self._closed(Call(token, self._either(), position))
        if kind == "word":
            self.check_word(Word(token, position))
            return Word(token, position)
        if kind == "sign" and token == "(":
            return self._closed(self._either())
        raise ExpressionError(self.text, position, f"a value is expected, not {token}")

    def _closed(self, tree: Tree) -> Tree:
        if self._take(")") is None:
            raise ExpressionError(self.text, self.tokens[self.next][2], "a closing parenthesis is missing")
        return tree


def _truth(text: str, tree: Tree, look_up: Lookup) -> bool:
    value = _value(text, tree, look_up)
    if not isinstance(value, bool):
        raise ExpressionError(text, tree.position, f"{value} is neither true nor false")
    return value


def _value(text: str, tree: Tree, look_up: Lookup) -> Value:
    match tree:
        case Literal():
            return tree.value
        case Word():
            return look_up(tree)
        case Not():
            return not _truth(text, tree.operand, look_up)
        case Call():
            return _number(text, tree, _value(text, tree.argument, look_up))
        case Pair(sign="&&"):
            return _truth(text, tree.left, look_up) and _truth(text, tree.right, look_up)
        case Pair(sign="||"):
            return _truth(text, tree.left, look_up) or _truth(text, tree.right, look_up)
        case Pair():
            return _compare(text, tree, _value(text, tree.left, look_up), _value(text, tree.right, look_up))


def _number(text: str, call: Call, value: Value) -> float:
    try:
        return float(int(value)) if call.function == "asInt" else float(value)
    except ValueError:
        raise ExpressionError(text, call.position, f"{call.function} cannot read {value!r}") from None


def _compare(text: str, pair: Pair, left: Value, right: Value) -> bool:
    alike = type(left) is type(right)
    if pair.sign in ("==", "!="):
        return (alike and left == right) == (pair.sign == "==")
    if not alike or isinstance(left, bool):
        raise ExpressionError(text, pair.position, f"{left!r} and {right!r} have no order")
    return bool(ORDERS[pair.sign](left, right))

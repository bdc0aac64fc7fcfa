"""Kickstarts whose name ends in .j2: filled in with what a build knows, the suffix gone."""

from collections.abc import Iterable, Iterator, Mapping

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from steps.domain.errors import ConfigError, Fault

SUFFIX = ".j2"
SEE = "see docs/image-settings.md"
# In a sandbox: a step that fills templates in can read secrets that whoever wrote them may not know.
ENVIRONMENT = SandboxedEnvironment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)


def rendered(files: Iterable[tuple[str, bytes]], values: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """The files, those ending in .j2 filled in; ConfigError at the line that cannot be."""
    for path, content in files:
        if path.endswith(SUFFIX):
            yield path.removesuffix(SUFFIX), _filled(path, content, values)
        else:
            yield path, content


def _filled(path: str, content: bytes, values: Mapping[str, str]) -> bytes:
    try:
        return ENVIRONMENT.from_string(content.decode()).render(values).encode()
    except UnicodeDecodeError as error:
        raise ConfigError([Fault(path, 0, 0, "it is no text", f"only a text's name ends in {SUFFIX}")]) from error
    except jinja2.TemplateSyntaxError as error:
        raise ConfigError([Fault(path, error.lineno, 0, f"{error.message}", SEE)]) from error
    except Exception as error:  # a template may do whatever its language has: divide by zero, or include another
        hint = f"known: {', '.join(sorted(values))}" if isinstance(error, jinja2.UndefinedError) else SEE
        raise ConfigError([Fault(path, _line_of(error), 0, f"{error}", hint)]) from error


def _line_of(error: BaseException) -> int:
    """The template's line in which it failed."""
    trace, line = error.__traceback__, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line

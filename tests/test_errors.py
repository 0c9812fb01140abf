"""Every error of the tree has its statuses, survives a process boundary and is one line."""

import http
import pickle
from collections.abc import Iterator

import pytest

from breakhis import errors
from breakhis.errors import BreakhisError
from breakhis.images.store import UnreadableImagesError


def subclasses(kind: type[BreakhisError]) -> Iterator[type[BreakhisError]]:
    for child in kind.__subclasses__():
        yield child
        yield from subclasses(child)


TREE = [BreakhisError, *subclasses(BreakhisError)]


def make(kind: type[BreakhisError]) -> BreakhisError:
    return kind("a\nfile", found="two\r\n  lines\tand tabs", fix="do\nthis")


@pytest.mark.parametrize("kind", TREE)
def test_statuses_are_decided_by_the_class(kind: type[BreakhisError]) -> None:
    assert kind.exit_code in (1, 2)
    assert http.HTTPStatus(kind.http_status).value >= 400
    assert kind.__doc__


@pytest.mark.parametrize("kind", TREE)
def test_is_one_line_that_says_what_to_do(kind: type[BreakhisError]) -> None:
    assert str(make(kind)) == "expected a file; found two lines and tabs; do this"


@pytest.mark.parametrize("kind", TREE)
def test_survives_pickling(kind: type[BreakhisError]) -> None:
    error = make(kind)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (copy.expected, copy.found, copy.fix) == (error.expected, error.found, error.fix)
    assert str(copy) == str(error)


def test_only_a_failed_check_exits_with_one() -> None:
    assert [kind for kind in TREE if kind.exit_code == 1] == [errors.CheckFailedError]


def test_statuses_are_decided_in_one_module() -> None:
    elsewhere = [kind for kind in TREE if kind.__module__ != errors.__name__]
    assert UnreadableImagesError in elsewhere
    for kind in elsewhere:
        assert not {"exit_code", "http_status"} & vars(kind).keys()

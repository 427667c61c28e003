"""How a request about somebody's notebook is answered: the same in the reader's kernel and in the worker."""

from typing import Any

from seq2seq_edu.grading import wire

Request = dict[str, Any]
Reply = dict[str, Any]
LONGEST = 300  # characters of a message of somebody's error


class _Missing(Exception):
    """A name that the notebook does not define."""


def answer(request: Request, namespace: dict[str, Any], objects: dict[int, Any]) -> Reply:
    """Do what a check asks for with the names of a notebook."""
    try:
        value = _do(request, namespace, objects)
        wire.encode(value)  # raises if it cannot be sent
        return {"value": value}
    except _Missing as error:
        return describe("missing", error)
    except wire.NotPlain as error:
        return describe("not plain", error)
    except NotImplementedError as error:
        return describe("unanswered", error)
    except BaseException as error:  # SystemExit and its like, too
        return describe("raised", error)


def _do(request: Request, namespace: dict[str, Any], objects: dict[int, Any]) -> Any:
    """Return what the request asks for, an object of the notebook's own making."""
    do, name = request["do"], request["name"]
    if do == "names":  # the constants of the notebook, as it has them
        return {name: namespace.get(name) for name in request["args"]}
    place: Any = getattr(objects[request["handle"]], name, None) if do == "method" else namespace.get(name)
    if place is None:
        raise _Missing(name)
    if not callable(place):
        kind = "class" if do == "new" else "function"
        raise TypeError(f"{name} is {type(place).__name__}, expected a {kind}")
    made = place(*request["args"], **request.get("kwargs", {}))
    if do != "new":
        return made
    objects[len(objects)] = made
    return len(objects) - 1


def describe(kind: str, error: BaseException) -> Reply:
    """Return an error as plain data, whatever its own methods do."""
    try:
        message = str(error)[:LONGEST]
    except BaseException:
        message = ""
    return {"error": kind, "type": str(type.__dict__["__name__"].__get__(type(error))), "message": message}

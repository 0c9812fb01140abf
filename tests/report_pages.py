"""A page as its reader meets it: elements, their classes and their text."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "link", "img", "br"}


@dataclass
class Element:
    """One element with its children; text stands among them."""

    name: str
    attributes: dict[str, str]
    parent: "Element | None" = None
    children: list["Element | str"] = field(default_factory=list)

    def has_class(self, name: str) -> bool:
        return name in self.attributes.get("class", "").split()

    def all(self, name: str | None = None, class_: str | None = None) -> list["Element"]:
        """Elements below this one, in order."""
        inner = [child for child in self.children if isinstance(child, Element)]
        return [
            found
            for child in inner
            for found in ([child] if child.matches(name, class_) else []) + child.all(name, class_)
        ]

    def matches(self, name: str | None, class_: str | None) -> bool:
        return (name is None or self.name == name) and (class_ is None or self.has_class(class_))

    def text(self, without: tuple[str, ...] = ("style",)) -> str:
        """Visible text; elements whose name or class is in `without` are left out."""
        parts = [
            child
            if isinstance(child, str)
            else ""
            if child.name in without or any(child.has_class(name) for name in without)
            else child.text(without)
            for child in self.children
        ]
        return " ".join(" ".join(parts).split())

    def above(self, name: str) -> "Element | None":
        """The nearest element of that name around this one."""
        around = self.parent
        while around is not None and around.name != name:
            around = around.parent
        return around


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.at = self.root = Element("page", {})

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = Element(tag, {key: value or "" for key, value in attrs}, self.at)
        self.at.children.append(made)
        if tag not in _VOID:
            self.at = made

    def handle_endtag(self, tag: str) -> None:
        assert self.at.name == tag, f"</{tag}> closes <{self.at.name}>"
        assert self.at.parent is not None
        self.at = self.at.parent

    def handle_data(self, data: str) -> None:
        self.at.children.append(data)


def parse(html: str) -> Element:
    """The page's elements; fails where a tag is not closed in order."""
    builder = _Builder()
    builder.feed(html)
    builder.close()
    assert builder.at is builder.root, f"<{builder.at.name}> is never closed"
    return builder.root

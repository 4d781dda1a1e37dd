"""HTML as a test sees it."""

from html.parser import HTMLParser

VOID = {"meta", "img", "input", "br", "link"}


class Parsed(HTMLParser):
    """Elements of a page with their attributes and texts; refuses tags that do not match."""

    def __init__(self, content):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(content)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        element = {"tag": tag, "text": "", **dict(attrs)}
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open[-1]["tag"] == tag, f"</{tag}> closes <{self.open[-1]['tag']}>"
        self.open.pop()

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, tag):
        return [element for element in self.elements if element["tag"] == tag]

    def by_id(self, name):
        (found,) = [element for element in self.elements if element.get("id") == name]
        return found

"""What a whole PACSWeb bears: the largest, the most, and its parts killed. It is gone before people come to the demo."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.roof.trees import Tree


@pytest.fixture(scope="package")
def bare_tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    """Without demo content; each module makes an organisation of its own in it."""
    tree = Tree.at(tmp_path_factory.mktemp("bare") / "var")
    try:
        tree.up()
        yield tree
    finally:
        tree.down()

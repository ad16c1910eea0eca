from __future__ import annotations

import pytest

from tests.roof.trees import Tree


@pytest.fixture(scope="session")
def rested(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A tree after its first start, at rest: what others are copies of (`Tree.copied`)."""
    tree = Tree.at(tmp_path_factory.mktemp("rested") / "var")
    try:
        tree.up()
    finally:
        tree.down()
    assert tree.living() == []
    return tree

"""The examples of the OpenAPI document are what docs/proof.md records."""

from tests.evidence.examples import MODULE, PAGE, module


def test_the_examples_are_those_of_the_proof():
    assert MODULE.read_text() == module(PAGE.read_text()), "run: python -m tests.evidence.examples"

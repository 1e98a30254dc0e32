"""The figures as they stand in the page: data that a browser reads, whatever the texts in them."""

import json

import pytest

from reports.page.rendering import script_json


def test_no_text_ends_the_script_that_holds_the_figures() -> None:
    figures = {"</script><script>alert(1)": ["<!-- <script>", "line\u2028paragraph\u2029", "얼굴"]}
    text = script_json(figures)
    assert not set("<\u2028\u2029") & set(text)
    assert json.loads(text) == figures


def test_what_json_cannot_hold_is_a_fault() -> None:
    """Browsers' JSON.parse knows no NaN: the whole page would stay without its figures."""
    with pytest.raises(ValueError, match="JSON"):
        script_json({"y": float("nan")})

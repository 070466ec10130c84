"""Every failure has words for people, who are told what to do."""

import pytest

from lib.domain.errors import Reason

OF_THE_CLIENT = {
    "NETWORK", "CORS", "STORE_REFUSED", "STORE_FAILED", "FILE_UNREADABLE", "UNEXPECTED",
}  # fmt: skip
ADVICE = (
    "try again", "choose", "sign in", "reload the page", "leave it out", "accepted:", "at most",
    "nothing left to do", "its operator has to",
)  # fmt: skip
FOR_PROGRAMS = ("undefined", "NaN", "details", "fileId", "session", "MIME")
# The request id helps the operator to find the cause, if the cause is not what people did.
QUOTED = {
    "INTERNAL_ERROR", "STORAGE_REFUSED", "UNEXPECTED", "VALIDATION_ERROR", "STORE_REFUSED", "INVALID_JSON",
    "BODY_TOO_LARGE", "PART_NUMBER_INVALID", "ROUTE_NOT_FOUND", "METHOD_NOT_ALLOWED",
}  # fmt: skip

EXPLAIN = """async (failures) => {
    const { explain, explainAlone } = await import("/reasons.js");
    const { UploadError } = await import("/upload-client.js");
    const file = { name: "manual.pdf", type: "application/pdf", size: 9e6 };
    const item = { ...file, category: "instruction", state: "failed" };
    return Object.fromEntries(failures.map(([reason, status, details]) => {
        const error = new UploadError(reason, "see details.fields", { status, details, requestId: "req-7" });
        return [reason, [explain({ ...item, error }), explainAlone(error)]];
    }));
}"""


@pytest.fixture
def words(page):
    """What the page says of each reason: of a file, and of no file in particular."""
    details = {"maxSizeBytes": 5_000_000, "nextAllowedAt": "2026-01-25T12:00:00Z"}
    failures = [(reason.name, reason.status, details) for reason in Reason]
    failures += [(name, 0, {}) for name in sorted(OF_THE_CLIENT)]
    return page.tab.evaluate(EXPLAIN, [*failures, ("A_NEW_ONE", 400, {})])


def test_every_reason_has_words_of_its_own_that_say_what_to_do(words):
    unknown = words.pop("A_NEW_ONE")
    assert "Try again" in unknown[0]
    assert "req-7" in unknown[0]
    without = {reason for reason, (text, _) in words.items() if text == unknown[0]}
    assert without == set()
    for reason, (text, _) in words.items():
        assert any(advice in text.lower() for advice in ADVICE), (reason, text)
        assert ("req-7" in text) == (reason in QUOTED), (reason, text)


def test_no_word_is_for_programs(words):
    for reason, texts in words.items():
        for text in texts:
            assert text.endswith(".") or text.endswith("MB"), (reason, text)
            assert not {word for word in (*FOR_PROGRAMS, reason) if word in text}, (reason, text)


def test_a_reason_without_its_details_has_a_whole_sentence(page):
    """As a batch item's error may come."""
    words = page.tab.evaluate(EXPLAIN, [(reason.name, reason.status, {}) for reason in Reason])
    for reason, (text, _) in words.items():
        assert not {word for word in ("undefined", "NaN", "Invalid") if word in text}, (reason, text)

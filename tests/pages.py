"""What tests in a browser do with the chat."""

from playwright.sync_api import Locator, Page, expect


def ready(page: Page) -> None:
    """Wait until a question can be typed."""
    expect(page.locator("#otvet-question textarea")).to_be_editable()
    expect(page.locator("#otvet-sources .otvet-sources")).to_be_visible()


def ask(page: Page, question: str) -> Locator:
    """Ask, and wait until the answer is complete; gives what came of it."""
    answers = page.locator("#otvet-chat :is(.otvet-answer, .otvet-refusal)")
    n_answers = answers.count()
    box = page.locator("#otvet-question textarea")
    box.fill(question)
    box.press("Enter")
    expect(answers).to_have_count(n_answers + 1)
    expect(page.locator("#otvet-retry")).to_be_visible()
    return answers.last

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from redclust.graph.terms import distinctive_terms, words


def terms(by_community: list[list[str]], **options: int) -> list[tuple[str, ...]]:
    titles = [title for some in by_community for title in some]
    of = np.repeat(np.arange(len(by_community)), [len(some) for some in by_community]).astype(np.int32)
    return distinctive_terms(titles, of, len(by_community), **options)


def test_words_that_set_a_community_apart():
    space = [f"Rocket launch number {i} seen from orbit" for i in range(20)]
    bread = [f"My sourdough bread loaf {i} fresh seen" for i in range(20)]
    found = terms([space, bread, ["Nothing of note"]])
    assert set(found[0]) == {"rocket", "launch", "number", "orbit"}
    assert set(found[1]) == {"sourdough", "bread", "loaf", "fresh"}
    assert found[2] == ()


def test_the_more_telling_word_comes_first_and_their_number_is_limited():
    titles = [f"orbit {'rocket' if i < 12 else ''} {'moonbase' if i < 5 else ''}" for i in range(20)]
    others = [f"garden tomato {i}" for i in range(40)]
    assert terms([titles, others], per_community=2)[0] == ("orbit", "rocket")


def test_a_word_counts_once_a_title():
    assert terms([["spam " * 50, "rocket"], ["bread"] * 30])[0] == ()


def test_common_words_numbers_and_short_ones_say_nothing():
    assert list(words("What is the best 2013 GPU for my PC's 4k gaming? don't")) == ["gpu", "gaming"]
    assert list(words("Größe ÉCLAIR mother\u2019s")) == ["größe", "éclair", "mother"]


def test_titles_of_no_community_are_left_out():
    of = np.array([-1, 0], np.int32)
    assert distinctive_terms(["rocket launch", "bread loaf"], of, 1) == [()]
    assert distinctive_terms([], np.empty(0, np.int32), 2) == [(), ()]


@given(st.lists(st.tuples(st.text("abc é's", max_size=12), st.integers(-1, 3)), max_size=60), st.randoms())
def test_the_order_of_titles_does_not_matter(given_titles, chance):
    def found(pairs):
        return distinctive_terms([t for t, _ in pairs], np.array([c for _, c in pairs], np.int32), 4)

    shuffled = list(given_titles)
    chance.shuffle(shuffled)
    assert found(given_titles) == found(shuffled)

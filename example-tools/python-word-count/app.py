"""Counts what stands in a text. It is lent nothing, and needs nothing."""

import re
from collections import Counter
from typing import Optional

import wit_world
from componentize_py_types import Err
from wit_world.imports.words import Counted, Frequency

LONGEST_LIST = 100


class WitWorld(wit_world.WitWorld):
    def word_count(self, text: str, most: Optional[int]) -> Counted:
        wanted = 5 if most is None else most
        if wanted > LONGEST_LIST:
            raise Err(f"`most` is {wanted}, and {LONGEST_LIST} are the most that are listed")
        words = re.findall(r"\w+", text.lower())
        # Those of one frequency stand in the order of the alphabet, so that the answer is always the same.
        ranked = sorted(Counter(words).items(), key=lambda one: (-one[1], one[0]))
        return Counted(
            words=len(words),
            lines=len(text.splitlines()),
            characters=len(text),
            most_frequent=[Frequency(word, times) for word, times in ranked[:wanted]],
        )

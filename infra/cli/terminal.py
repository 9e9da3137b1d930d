"""Words of the record on a person's terminal: shown, never obeyed.

What a model, a client or the broker wrote may hold characters that move the cursor, clear the
screen or turn the direction of writing. Every command passes such words through here.
"""

import json


def shown(text: str) -> str:
    """Return text on one line; what is not printable stands as JSON escapes it, `\\u001b`."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)

# Canonical JSON (RFC 8785) by another hand: reads lines of a digest, a tab and a text, and tells where it disagrees.
import hashlib
import json
import sys

MAX_WHOLE = 2**53 - 1


class Refused(Exception):
    pass


def whole(text):
    number = int(text)
    if abs(number) > MAX_WHOLE:
        raise Refused
    return number


def members(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise Refused
    return dict(pairs)


# ECMA-262, Number::toString; Python prints the same shortest digits in another form.
def number(value):
    if value == 0:
        return "0"
    if value != value or value in (float("inf"), float("-inf")):
        raise Refused
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    before, _, after = mantissa.partition(".")
    digits = before + after
    point = len(before) + int(exponent or 0)
    while digits.startswith("0"):
        digits, point = digits[1:], point - 1
    digits = digits.rstrip("0")
    length = len(digits)
    if length <= point <= 21:
        text = digits + "0" * (point - length)
    elif 0 < point <= 21:
        text = digits[:point] + "." + digits[point:]
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        rest = "." + digits[1:] if length > 1 else ""
        text = f"{digits[0]}{rest}e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return sign + text


SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def string(text):
    return '"' + "".join(SHORT.get(c) or (f"\\u{ord(c):04x}" if c < " " else c) for c in text) + '"'


def canonical(value):
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, str):
        return string(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    # By their UTF-16 code units (section 3.2.3).
    names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
    return "{" + ",".join(string(name) + ":" + canonical(value[name]) for name in names) + "}"


def digest(text):
    try:
        value = json.loads(text, parse_int=whole, object_pairs_hook=members)
        return hashlib.sha256(canonical(value).encode("utf-8")).hexdigest()
    except (Refused, UnicodeEncodeError, ValueError):
        return "refused"


seen = wrong = refused = 0
with open(sys.argv[1], encoding="utf-8", newline="\n") as lines:
    for line in lines:
        theirs, text = line.rstrip("\n").split("\t", 1)
        ours = digest(text)
        seen += 1
        refused += ours == "refused"
        if ours != theirs:
            wrong += 1
            if wrong <= 5:
                print(f"{theirs} and {ours}: {text}", file=sys.stderr)
print(seen, refused, wrong)

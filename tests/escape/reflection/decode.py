"""Where in these files does a secret stand, under any writing that can be undone?

    python3 decode.py SECRETS FILE...

SECRETS has one value on each line. For each file that holds 16 bytes of one, a line is printed: the file, a tab, and
how the text was undone. It shares nothing with the host's own search: that one writes the values in every form and
looks for these, this one undoes what stands in the text, again and again, and looks for the values.
"""
import base64
import bz2
import gzip
import html
import lzma
import re
import sys
import urllib.parse
import zlib

WINDOW = 16
LAYERS = 4
MOST = 4000
# A file that is longer comes in pieces, and under fewer layers.
LONG = 64 << 10
OVERLAP = 4 << 10


def windows(secret):
    found = {secret[at:at + WINDOW] for at in range(max(1, len(secret) - WINDOW + 1))}
    return [one.lower() for one in found]


def printable(text):
    """Whether it is worth to go on: a wrong decoding is noise."""
    if not text:
        return False
    plain = sum(32 <= byte < 127 or byte in (0, 9, 10, 13) for byte in text)
    return plain * 10 >= len(text) * 8


def unescaped(text):
    def one(match):
        code = int(match.group(1), 16)
        return bytes([code]) if code < 256 else match.group(0)
    text = re.sub(rb'\\[uU]\{?0*([0-9a-fA-F]{1,2})\}', one, text)
    text = re.sub(rb'\\[uU](?:0000)?00([0-9a-fA-F]{2})', one, text)
    text = re.sub(rb'%[uU]00([0-9a-fA-F]{2})', one, text)
    text = re.sub(rb'\\x([0-9a-fA-F]{2})', one, text)
    text = re.sub(rb'\\([0-3][0-7]{2})', lambda match: bytes([int(match.group(1), 8)]), text)
    text = re.sub(rb'\\[nrt]', b'', text)
    return re.sub(rb'\\(.)', rb'\1', text)


def decimals(text):
    for match in re.finditer(rb'(?:\d{1,3}[^0-9A-Za-z]{1,3}){11,}\d{1,3}', text):
        numbers = [int(number) for number in re.findall(rb'\d+', match.group(0))]
        if max(numbers) < 256:
            yield bytes(numbers)


def runs(text, alphabet, least):
    return [match.group(0) for match in re.finditer(b'[' + alphabet + b']{%d,}' % least, text)][:200]


def base64s(text):
    for run in runs(text, rb'A-Za-z0-9+/_-', 20):
        run = run.translate(bytes.maketrans(b'-_', b'+/'))
        for skip in range(4):
            whole = run[skip:]
            whole = whole[:len(whole) // 4 * 4]
            if whole:
                yield base64.b64decode(whole)


def base32s(text):
    for run in runs(text, rb'A-Za-z2-7', 26):
        for skip in range(8):
            whole = run[skip:].upper()
            whole = whole[:len(whole) // 8 * 8]
            try:
                yield base64.b32decode(whole)
            except ValueError:
                continue


def hexes(text):
    for run in runs(text, rb'0-9a-fA-F', 32):
        for skip in range(2):
            whole = run[skip:]
            yield bytes.fromhex(whole[:len(whole) // 2 * 2].decode())


def unpacked(text):
    for opener in (gzip.decompress, zlib.decompress, bz2.decompress, lzma.decompress,
                   lambda packed: zlib.decompress(packed, -15)):
        try:
            yield opener(text)
        except Exception:  # Anything may stand there; what does not open holds nothing of this kind.
            continue


def undone(text):
    """Every way to take one layer off, with its name."""
    yield 'reversed', text[::-1]
    if 0 in text:
        yield 'without NUL', text.replace(b'\0', b'')
    yield 'without space', re.sub(rb'\s+', b'', text)
    yield 'percent', urllib.parse.unquote_to_bytes(text)
    yield 'plus as space', text.replace(b'+', b' ')
    yield 'escapes', unescaped(text)
    yield 'entities', html.unescape(text.decode('latin-1')).encode('latin-1', 'ignore')
    yield 'rot13', text.translate(bytes.maketrans(
        b'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz',
        b'NOPQRSTUVWXYZABCDEFGHIJKLMnopqrstuvwxyzabcdefghijklm'))
    yield 'letters', re.sub(rb'0[xX](?=[0-9a-fA-F]{2})|[^0-9A-Za-z]', b'', text)
    for name, many in (('base64', base64s), ('hex', hexes), ('base32', base32s), ('decimals', decimals)):
        for one in many(text):
            yield name, one


def search(text, sought):
    """How a value stands in the text, or nothing."""
    if len(text) > LONG:
        pieces = (text[at:at + LONG + OVERLAP] for at in range(0, len(text), LONG))
        found = (undo(piece, sought, 2) for piece in pieces if piece.strip(b'\0'))
        return next((path for path in found if path), None)
    return undo(text, sought, LAYERS)


def undo(text, sought, layers):
    seen, todo = {text}, [(text, ())]
    for unpack in unpacked(text):
        todo.append((unpack, ('packed',)))
    while todo and len(seen) < MOST:
        text, path = todo.pop(0)
        lower = text.lower()
        # Letters of a value that lost its punctuation are compared with what is left of it.
        for value, plain in sought:
            if any(window in lower for window in value):
                return path or ('as it is',)
            if path and path[-1] == 'letters' and any(window in lower for window in plain):
                return path
        if len(path) >= layers:
            continue
        for name, other in undone(text):
            if other not in seen and len(other) >= WINDOW and (printable(other) or name in ('reversed', 'without NUL')):
                seen.add(other)
                todo.append((other, path + (name,)))
    return None


def main():
    secrets, files = sys.argv[1], sys.argv[2:]
    with open(secrets, 'rb') as lines:
        values = [line for line in lines.read().split(b'\n') if line]
    sought = [(windows(value), windows(re.sub(rb'[^0-9A-Za-z]', b'', value))) for value in values]
    for name in files:
        with open(name, 'rb') as file:
            path = search(file.read(), sought)
        if path:
            print(f'{name}\t{" of ".join(path)}')


main()

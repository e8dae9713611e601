"""Writes Sources/Tokenizers/Normalizers/CanonicalDecompositions.swift from Python's Unicode character database.

    python Tests/Interop/canonical_decompositions.py > Sources/Tokenizers/Normalizers/CanonicalDecompositions.swift

Any Python from 3.8 on gives the same file: the decompositions of Unicode 9.0, the version that Hugging Face `tokenizers`
decomposes by. Unicode never changes a decomposition; later versions only added the characters in YOUNGER.
"""
import unicodedata

YOUNGER = {0x11938, 0x105C9, 0x105E4, 0x11383, 0x11385, 0x1138E, 0x11391, 0x113C5, 0x113C7, 0x113C8, 0x16121, 0x16122,
           0x16123, 0x16124, 0x16125, 0x16126, 0x16127, 0x16128, 0x16D68, 0x16D69, 0x16D6A}

entries = []
for code in range(0x110000):
    mapping = unicodedata.decomposition(chr(code))
    if not mapping or mapping.startswith("<") or code in YOUNGER:
        continue
    parts = [int(part, 16) for part in mapping.split()]
    first, second = parts if len(parts) == 2 else (parts[0], 0)
    entries.append(code << 42 | first << 21 | second)

print("""// Written by Tests/Interop/canonical_decompositions.py; change that, not this.
// swift-format-ignore-file

/// Unicode's canonical decompositions, one level each, in the order of the decomposed scalar: that
/// scalar in bits 42 to 62, its first part in bits 21 to 41, its second (or 0) in bits 0 to 20.
/// Hangul syllables are decomposed by arithmetic instead.
let canonicalDecompositions: [UInt64] = [""")
for start in range(0, len(entries), 5):
    print("  " + ", ".join(f"0x{entry:015X}" for entry in entries[start:start + 5]) + ",")
print("]")

"""When two different texts may be one diagnosis misspelt, and when a small difference is the meaning."""

from rapidfuzz.distance import OSA

__all__ = ["DISTINGUISHING", "may_be_misspelt"]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# A word that makes another diagnosis, or none, of the same name.
DISTINGUISHING = frozenset(
    _words("""
    acute subacute chronic recurrent stable unstable viral bacterial fungal parasitic allergic infectious
    infective left right bilateral unilateral upper lower type primary secondary benign malignant
    congenital acquired traumatic spontaneous tension simple complicated internal external media externa
    interna anterior posterior proximal distal systolic diastolic arterial venous atrial ventricular central
    peripheral localized generalized early late latent active direct indirect exertional rest mild severe
    no not non without denies negative unlikely excluded exclude absent ruled out resolved history prior
    previous past family against versus vs or and
    """)
)
_PREFIXES = _words(
    "un non hyper hypo endo exo intra inter extra macro micro ante anti pre post peri para pro supra sub infra "
    "epi osteo arterio thrombo tachy brady poly oligo a an in dys"
)
_SUFFIXES = _words(
    "itis osis oma emia uria ectomy otomy pathy algia iasis ectasis plegia paresis megaly lysis phagia phasia plasia"
)
_SHORTEST_WORD = 5  # below, one letter makes another word: hip and rib, ear and eye
_LONG_WORD = 10


def may_be_misspelt(written: str, known: str, words: frozenset[str]) -> bool:
    """Whether the words of `written` are those of `known`, in any order, but for slips of the pen.

    A slip is one edit (two swapped letters are one) in a word of at least 5 letters, two from 10 on, never in
    the first letter (manic, panic). A
    word of `words`, the correct ones, is no slip of another word; neither is a prefix or a suffix that
    changes the meaning. Both texts are normalised.

    >>> may_be_misspelt("pulmonary embolisim", "pulmonary embolism", frozenset())
    True
    >>> may_be_misspelt("stable angina", "unstable angina", frozenset())
    False
    """
    left, right = written.split(), known.split()
    for word in tuple(left):
        if word in right:
            left.remove(word)
            right.remove(word)
    if len(left) != len(right) or len(left) > 2:
        return False
    pairings = [right] if len(right) < 2 else [right, right[::-1]]
    return any(all(_is_slip(a, b, words) for a, b in zip(left, p, strict=True)) for p in pairings)


def _is_slip(written: str, known: str, words: frozenset[str]) -> bool:
    if written in words or written in DISTINGUISHING or min(len(written), len(known)) < _SHORTEST_WORD:
        return False
    if written[0] != known[0]:
        return False
    if any(c.isdigit() for c in written + known) or _differ_in_affix(written, known):
        return False
    allowed = 2 if len(known) >= _LONG_WORD else 1
    return OSA.distance(written, known, score_cutoff=allowed) <= allowed


def _differ_in_affix(a: str, b: str) -> bool:
    """Whether a prefix or a suffix is the whole difference: "hyper" for "hypo", "un" for none."""
    if any(a == prefix + b or b == prefix + a for prefix in _PREFIXES):
        return True
    before = {a.removeprefix(p) for p in _PREFIXES if a.startswith(p)}
    after = {a.removesuffix(s) for s in _SUFFIXES if a.endswith(s)}
    return any(b.startswith(p) and b.removeprefix(p) in before for p in _PREFIXES) or any(
        b.endswith(s) and b.removesuffix(s) in after for s in _SUFFIXES
    )

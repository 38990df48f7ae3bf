"""Which language a page is in. Pure."""

LANGUAGES = {"en": "English", "zh": "中文"}
"""Those that people may choose, by their own names; the first is for whoever asks for none of them."""
PSEUDO = "en-XA"
"""No language: it shows which text is in the catalogue. Only who asks for it by name gets it."""
COOKIE = "ws_lang"


def chosen(asked: str, remembered: str, accepted: str) -> str:
    """The language of a page: what its address asks for, else what a cookie remembers, else what Accept-Language likes."""
    known = (*LANGUAGES, PSEUDO)
    return next((each for each in (asked, remembered) if each in known), None) or negotiated(accepted)


def negotiated(accepted: str) -> str:
    """The language that an Accept-Language header likes most (RFC 9110, 12.5.4); `zh-CN` and `zh-Hant` are `zh`."""
    liked = sorted(_weighed(accepted), key=lambda weighed: -weighed[1])
    for tag, _ in liked:
        if (language := tag.partition("-")[0]) in LANGUAGES:
            return language
    return next(iter(LANGUAGES))


def _weighed(accepted: str) -> list[tuple[str, float]]:
    """The languages that a header names, in its order, with how much each is liked; 0, not at all, is left out."""
    found = []
    for part in accepted.lower().split(","):
        tag, _, parameter = part.partition(";")
        weight = _weight(parameter.strip())
        if tag.strip() and weight > 0:
            found.append((tag.strip(), weight))
    return found


def _weight(parameter: str) -> float:
    try:
        return float(parameter.removeprefix("q=")) if parameter else 1.0
    except ValueError:
        return 0.0

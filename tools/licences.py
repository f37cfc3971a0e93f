"""The licences of what the app installs, one package a line; ends with 1 where one may not go with Apache-2.0."""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution

ALLOWED = re.compile(r"MIT|BSD|Apache|ISC|PSF|Python Software|MPL|Mozilla|Unlicense|Zlib|HPND|0BSD|CC0|CNRI", re.I)
REFUSED = re.compile(r"AGPL|Affero|(?<!L)GPL(?!.*exception)|SSPL|Commons Clause|proprietary", re.I)
EXTRAS = ("app", "documents", "sign-in", "train")


def needed(start: str = "titanscope") -> dict[str, Distribution]:
    """The installed packages that the app needs, by name."""
    found: dict[str, Distribution] = {}
    waiting = [start]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue  # of an extra, or of another system
        for requirement in found[name].requires or []:
            extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", requirement)
            if extra is None or (name == start and extra[1] in EXTRAS):
                waiting.append(re.match(r"[\w.-]+", requirement)[0])  # type: ignore[index]
    return found


def licence(package: Distribution) -> str:
    about = package.metadata
    classified = [
        c.rpartition("::")[2].strip() for c in about.get_all("Classifier") or [] if c.startswith("License ::")
    ]
    return about.get("License-Expression") or "; ".join(classified) or (about.get("License") or "").split("\n")[0][:80]


def fits(said: str) -> bool:
    return bool(ALLOWED.search(said)) and not REFUSED.search(said)


def main() -> None:
    wrong = 0
    for name, package in sorted(needed().items()):
        said = licence(package)
        wrong += not fits(said)
        print(f"{name:28} {package.version:18} {said or 'not said'}{'' if fits(said) else '   <- look at it'}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

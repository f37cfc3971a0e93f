"""The style of a report: light and dark by what the reader's system asks for. No user text in it."""

from __future__ import annotations

from collections.abc import Sequence

from app.exports.svg import LEVELS
from app.naming import Name
from app.theme import CIVIDIS, DARK, DASHES, LIGHT, Palette

_INKS = ((13, 17, 32), (255, 250, 240))

_COMMON = """
*{box-sizing:border-box}
body{margin:0 auto;max-width:1060px;padding:28px 20px 60px;background:var(--ground);color:var(--text);
font:14px/1.5 -apple-system,"Segoe UI",Roboto,"Helvetica Neue","Liberation Sans",Arial,sans-serif}
h1{font-size:24px;line-height:1.25;margin:0 0 6px;overflow-wrap:anywhere}
h2{font-size:17px;margin:34px 0 6px}
p{margin:4px 0}
.soft,.tick,.name{color:var(--muted);fill:var(--muted)}
.soft{overflow-wrap:anywhere}
.text,ol q{font-family:Georgia,"Liberation Serif","Noto Serif",serif}
.text{white-space:pre-wrap;overflow-x:auto;overflow-wrap:anywhere;font-size:16px;line-height:26px;padding:14px;margin-top:8px;
background:var(--panel);border:1px solid var(--line);border-radius:6px;unicode-bidi:plaintext}
.text span{padding:2px 0;border-radius:2px}
.nl::before{content:"\\21b5";opacity:.55;font-style:normal}
ol{padding-left:22px;margin:6px 0}
ol q{quotes:none;unicode-bidi:isolate;overflow-wrap:anywhere}
svg{display:block;width:100%;height:auto;background:var(--panel);border:1px solid var(--line);border-radius:6px}
svg text{font-size:12px}
.tick{font-size:11px}
.grid{stroke:var(--line);fill:none}
.mark{stroke:var(--selected);stroke-dasharray:2 3;fill:none}
.line{fill:none!important;stroke-width:1.1;stroke-linejoin:round}
.wide{stroke-width:2.5}
.band{stroke:none!important;fill-opacity:.25}
.legend{max-width:300px;border:0;background:none}
.wrap{overflow-x:auto}
table{border-collapse:collapse;width:100%;margin-top:6px;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:3px 12px 3px 0;border-bottom:1px solid var(--line)}
td.v,th.v{text-align:right}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 14px;margin:6px 0}
dt{color:var(--muted)}dd{margin:0;overflow-wrap:anywhere}
pre{overflow-x:auto;padding:12px;background:var(--panel);border:1px solid var(--line);border-radius:6px;font-size:12px}
summary{cursor:pointer}
@media(max-width:600px){body{padding:18px 12px}dl{display:block}dd{margin-bottom:4px}svg,table{min-width:640px}
.legend{min-width:0}}
@media print{*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""


def style(runs: Sequence[Name]) -> str:
    """CSS for both themes; run k of `runs` is drawn in class rk."""
    dark = _theme(DARK, runs)
    light = ":root{color-scheme:light dark}" + _theme(LIGHT, runs)
    return f"{light}@media(prefers-color-scheme:dark){{{dark}}}{_COMMON}"


def _theme(palette: Palette, runs: Sequence[Name]) -> str:
    names = ("ground", "panel", "text", "muted", "line", "selected")
    variables = ":root{" + ";".join(f"--{name}:{getattr(palette, name)}" for name in names) + "}"
    return variables + "".join(colours(palette, runs))


def colours(palette: Palette, runs: Sequence[Name]) -> list[str]:
    """Rules for the steps of the scales (c, d, m), the k-th of `runs` (rk) and the signals (s-NAME)."""
    rules = []
    for css, stops in (("c", palette.ramp), ("d", palette.diverging)):
        for k, colour in enumerate(steps(stops)):
            rules.append(
                f".{css}{k}{{background:rgb{_packed(colour)};color:rgb{_packed(ink(colour))};fill:rgb{_packed(colour)}}}"
            )
    rules += [f".m{k}{{fill:rgb{_packed(colour)}}}" for k, colour in enumerate(steps(CIVIDIS))]
    for k, run in enumerate(runs):
        tint = palette.run(run.checkpoint, run.order)
        dash = " ".join(map(str, DASHES[run.order % len(DASHES)])) or "none"
        rules.append(f".r{k}{{stroke:{tint};fill:{tint}}}.line.r{k}{{stroke-dasharray:{dash}}}")
    return rules + [f".s-{name}{{fill:{colour}}}" for name, colour in palette.signals.items()]


def steps(stops: Sequence[str]) -> list[tuple[int, ...]]:
    """LEVELS colours along the stops, as the text heatmap mixes them."""
    points = [tuple(int(stop[k : k + 2], 16) for k in (1, 3, 5)) for stop in stops]
    mixed = []
    for k in range(LEVELS):
        at = k / (LEVELS - 1) * (len(points) - 1)
        low = min(len(points) - 2, int(at))
        mixed.append(tuple(round(a + (b - a) * (at - low)) for a, b in zip(points[low], points[low + 1], strict=True)))
    return mixed


def ink(ground: tuple[int, ...]) -> tuple[int, ...]:
    """The better legible colour of text on a ground, both as red, green and blue."""
    return max(_INKS, key=lambda ink: _contrast(ink, ground))


def _contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """WCAG's ratio."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: tuple[int, ...]) -> float:
    red, green, blue = (c / 3294.6 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _packed(colour: tuple[int, ...]) -> str:
    return f"({','.join(map(str, colour))})"

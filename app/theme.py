"""Colours, signals and number formats: one place, so that a variant or a signal looks the same everywhere."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Palette:
    """The colours of one theme. Ramps run from low to high."""

    dark: bool
    ground: str
    panel: str
    text: str
    muted: str
    line: str
    selected: str
    variants: dict[str, str]
    signals: dict[str, str]
    ramp: tuple[str, ...]
    diverging: tuple[str, ...]
    extras: tuple[str, ...]  # of further runs of one checkpoint
    other: str = "#8a857c"

    def variant(self, name: str) -> str:
        return self.variants.get(name, self.other)

    def run(self, checkpoint: str, order: int) -> str:
        """The colour of a run that has `order` runs of its checkpoint before it: its variant's own, then others."""
        if not order:
            return self.variant(checkpoint)
        first = list(self.variants).index(checkpoint) if checkpoint in self.variants else len(self.variants)
        return self.extras[(first + order - 1) % len(self.extras)]

    def signal(self, name: str) -> str:
        return self.signals.get(name, self.other)


@dataclass(frozen=True)
class Variant:
    label: str
    meaning: str


VARIANTS = {
    "mac": Variant("MAC", "memory as context"),
    "mag": Variant("MAG", "memory as gate"),
    "mal": Variant("MAL", "memory as layer"),
    "lmm": Variant("LMM", "memory alone"),
    "transformer": Variant("Transformer", "window only, no memory"),
    "lightning": Variant("Lightning", "linear attention, no memory"),
}


# Variants differ in lightness too, for people who cannot tell hues apart; further runs by the dashes of their lines.
EXTRAS_LIGHT = ("#86578a", "#b0306a", "#96780a", "#007f86", "#5a5f6e")
EXTRAS_DARK = ("#c095c4", "#f08cb4", "#e3cf5a", "#4fb3b8", "#b4b9c8")
DASHES: tuple[tuple[int, ...], ...] = ((), (7, 3), (2, 2), (9, 3, 2, 3), (4, 4), (12, 3))  # by the same order

LIGHT = Palette(
    dark=False,
    ground="#fbfaf6",
    panel="#ffffff",
    text="#1b2136",
    muted="#6b675f",
    line="#e3ded3",
    selected="#14203c",
    variants=dict(zip(VARIANTS, ("#c4692a", "#2a6f97", "#37693c", "#7a1240", "#5485f0", "#3e1c8d"), strict=True)),
    signals={
        "momentary": "#c4692a",
        "past_surprise": "#2a6f97",
        "forgotten": "#86578a",
        "theta": "#2a6f97",
        "eta": "#6f7f2e",
        "alpha": "#86578a",
    },
    ramp=("#fffdf8", "#fdf2cd", "#f9e09a", "#f0be55", "#d07a2e", "#8f4118"),
    diverging=("#2a6f97", "#a5c8db", "#fffdf8", "#f3c59d", "#c4692a"),
    extras=EXTRAS_LIGHT,
)

DARK = Palette(
    dark=True,
    ground="#0e1320",
    panel="#131a2a",
    text="#e8e4da",
    muted="#a09c92",
    line="#273148",
    selected="#f4efe2",
    variants=dict(zip(VARIANTS, ("#e8934f", "#6fb0d6", "#95c98f", "#b5627d", "#5a76e6", "#c3e4ee"), strict=True)),
    signals={
        "momentary": "#e8934f",
        "past_surprise": "#6fb0d6",
        "forgotten": "#c095c4",
        "theta": "#6fb0d6",
        "eta": "#b7c46c",
        "alpha": "#c095c4",
    },
    ramp=("#131a2a", "#2a2a30", "#4b3d2b", "#815b22", "#c28529", "#f6c15c"),
    diverging=("#6fb0d6", "#2f5570", "#131a2a", "#6d4728", "#e8934f"),
    extras=EXTRAS_DARK,
)

PALETTES = {"light": LIGHT, "dark": DARK}
PLAIN = {name: asdict(palette) for name, palette in PALETTES.items()}  # for the browser


CIVIDIS = (  # of the layer map in both themes
    "#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838",
)  # fmt: skip


def signed(value: float, form: str = ".2f") -> str:
    """A number with a minus sign in place of a hyphen."""
    return f"{value:{form}}".replace("-", "−")


def label(checkpoint: str) -> str:
    """How a checkpoint is called on the page: "mac" -> "MAC"."""
    return VARIANTS[checkpoint].label if checkpoint in VARIANTS else checkpoint


@dataclass(frozen=True)
class Signal:
    """How one variable of a trace is named, scaled and put together over layers.

    kind: "norm" (root of summed squares over layers), "sum", "gate" or "share" (mean; scale fixed to 0..1),
    "cosine" (mean; scale -1..1) or "bits" (has no layers).
    """

    name: str
    label: str
    symbol: str
    kind: str
    words: str = field(default="")


SIGNALS = {
    signal.name: signal
    for signal in (
        Signal("surprise", "Surprise", "‖∇ℓ‖", "norm", "how unexpected the token is to the memory"),
        Signal("momentum", "Momentum", "‖S‖", "norm", "surprise of recent tokens, still pushing"),
        Signal("forgotten", "Forgetting", "‖αM‖", "norm", "how much of the memory was let go"),
        Signal("update", "Update", "‖ΔM‖", "norm", "how far the memory moved"),
        Signal("loss", "Loss", "ℓ", "sum", "inner error before the token is written"),
        Signal("nll", "Surprisal", "−log₂ p", "bits", "how unexpected the token is to the whole model"),
        Signal("momentary", "Momentary push", "θ‖∇ℓ‖", "norm", "what this token pushes now"),
        Signal("past_surprise", "Carried push", "‖ηS₋‖", "norm", "what earlier tokens still push"),
        Signal("memory", "Memory size", "‖M‖", "norm", "size of the memory"),
        Signal("read", "Read", "‖y‖", "norm", "size of what was read"),
        Signal("alignment", "Alignment", "cos", "cosine", "does the push agree with what is carried"),
        Signal("theta", "Step", "θ", "gate", "how hard surprise is written"),
        Signal("eta", "Carry", "η", "gate", "how much momentum is kept"),
        Signal("alpha", "Forget", "α", "gate", "how much of the memory is let go"),
        Signal("gate", "Memory gate", "g", "share", "share of the memory branch"),
        Signal("share_memory", "Attention to memory", "a(read)", "share", "attention on what was read"),
        Signal("share_persistent", "Attention to persistent", "a(P)", "share", "attention on persistent tokens"),
        Signal("share_segment", "Attention to segment", "a(seg)", "share", "attention on the segment"),
        Signal("entropy", "Entropy", "H", "bits", "how undecided the model is"),
    )
}


def number(value: float) -> str:
    """Three significant digits, an exponent only where it must be; a dash where the value is undefined."""
    if not math.isfinite(value):
        return "–"
    if value < 0:
        return "−" + number(-value)
    if value == 0:
        return "0"
    if value < 1e-3 or value >= 1e5:
        digits, exponent = f"{value:.2e}".split("e")
        return f"{digits}e{int(exponent)}".replace("-", "−")
    return f"{value:,.{max(0, 2 - math.floor(math.log10(value)))}f}"


def count(tokens: int) -> str:
    """1 token, 1,840 tokens."""
    return "1 token" if tokens == 1 else f"{tokens:,} tokens"


def duration(seconds: float) -> str:
    """0.19 s, 1.2 s, 45 s, 3 min, 4.5 h."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def about(seconds: float) -> str:
    """What is expected to take this long, to say before it is begun: under 1 s, about 3 s, about 2 min."""
    if seconds < 1:
        return "under 1 s"
    return f"about {seconds:.0f} s" if seconds < 100 else f"about {duration(seconds)}"


def ago(seconds: float) -> str:
    """just now, 5 min ago, 3 h ago, 2 days ago."""
    if seconds < 60:
        return "just now"
    if seconds < 3_600:
        return f"{seconds // 60:.0f} min ago"
    if seconds < 86_400:
        return f"{seconds // 3_600:.0f} h ago"
    days = int(seconds // 86_400)
    return f"{days:,} day{'s' * (days > 1)} ago"


def size(count: float) -> str:
    """Bytes in people's units: 850 KB, 3.1 MB, 270 MB."""
    if count < 1e6:
        return f"{max(1, count / 1e3):.0f} KB"
    if count < 1e7:
        return f"{count / 1e6:.1f} MB"
    return f"{count / 1e6:.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"


def parameters(count: int) -> str:
    """2.4M, 45K."""
    return f"{count / 1e6:.1f}M" if count >= 1e6 else f"{count / 1e3:.0f}K"

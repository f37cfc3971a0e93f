"""The errors a person can cause. Each message names the input and says what would work."""


class TitansError(ValueError):
    """Base of every error that bad input can raise."""


class TextError(TitansError):
    """A text that cannot be read or traced."""


class DocumentError(TextError):
    """A file whose text cannot be taken out."""


class CheckpointError(TitansError):
    """A checkpoint that is unknown, damaged or of another shape than its config says."""


class ConfigError(TitansError):
    """A setting outside its range."""


class StoreError(TitansError):
    """A trace store that cannot be written or read."""


def shown(value: object) -> str:
    """A value that is not what was asked for, as a message names it: "5 (int)"."""
    text = " ".join(repr(value).split())
    return f"{text[:60]}{'...' * (len(text) > 60)} ({type(value).__name__})"

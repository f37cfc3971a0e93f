"""The errors a person can cause. Each message names the input and says what would work."""


class TitansError(ValueError):
    """Base of every error that bad input can raise."""


class TextError(TitansError):
    """A text that cannot be read or traced."""


class CheckpointError(TitansError):
    """A checkpoint that is unknown, damaged or of another shape than its config says."""


class ConfigError(TitansError):
    """A setting outside its range."""


class StoreError(TitansError):
    """A trace store that cannot be written or read."""

"""What a run is given, looked at before it begins: a wrong kind of thing gets an error that says what works."""

from __future__ import annotations

from collections.abc import Sequence

from titans_core.config import VARIANTS, ModelConfig
from titans_core.documents import check_text
from titans_core.errors import ConfigError, shown
from titans_core.interventions import written
from titans_core.model import Model, ModelState
from titans_core.settings import Settings


def check_run(model: object, text: object, settings: object, state: object, progress: object, recorder: object) -> None:
    """The arguments of `tracing.run` and `tracing.trace`; all but the first two may be None.

    Raises TextError for the text, and ConfigError for each of the others that is of another kind.
    """
    if not isinstance(model, Model):
        raise ConfigError(f'the model is {shown(model)}; give what tc.load returns, such as tc.load("mac")')
    check_text(text)
    if settings is not None and not isinstance(settings, Settings):
        raise ConfigError(f'settings is {shown(settings)}; give Settings, such as tc.intervene("theta*=0.5"), or None')
    if state is not None and not isinstance(state, ModelState):
        raise ConfigError(f"state is {shown(state)}; give the state of another run, tc.run(model, text).state, or None")
    if progress is not None and not callable(progress):
        raise ConfigError(f"progress is {shown(progress)}; give a function of (done, total), or None")
    if recorder is not None and not callable(getattr(recorder, "on_chunk", None)):
        raise ConfigError(f"recorder is {shown(recorder)}; give one with on_chunk(layer, span, signals), or None")
    if settings is not None:
        check_memory(model, written(settings))


def check_memory(model: Model, changes: Sequence[str]) -> None:
    """Raises ConfigError where there are changes, as `intervene` reads them, and `model` has no memory to change."""
    if model.config.has_memory or not changes:
        return
    variant = model.config.variant
    named = model.name if model.name == variant else f"{model.name}, a {variant},"
    *most, last = [name for name in VARIANTS if ModelConfig(variant=name).has_memory]
    raise ConfigError(
        f"{named} has no memory that {', '.join(changes)} could change; {', '.join(most)} and {last} have one"
    )

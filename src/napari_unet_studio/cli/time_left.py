"""The column of a progress bar that tells the time to the end."""

import rich.progress
from rich.text import Text


class TimeLeft(rich.progress.ProgressColumn):
    """The time to the end, as the task estimates it; else from the last steps."""

    def __init__(self) -> None:
        super().__init__()
        self._guess = rich.progress.TimeRemainingColumn()

    def render(self, task: rich.progress.Task) -> Text:
        """Return the text of the column."""
        left = task.fields.get("left")
        if left is None or task.finished:
            return self._guess.render(task)
        minutes, seconds = divmod(round(left), 60)
        hours, minutes = divmod(minutes, 60)
        text = f"{hours}:{minutes:02}:{seconds:02}"
        return Text(text, style="progress.remaining")

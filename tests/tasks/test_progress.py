import pytest

from napari_unet_studio.tasks.progress import Progress, TrainProgress, never, run


def counting(log):
    try:
        for step in range(3):
            yield Progress(step, 3)
        return "result"
    finally:
        log.append("closed")


def test_a_drained_task_reports_each_step_in_order_and_returns_its_result() -> None:
    seen, log = [], []
    assert run(counting(log), seen.append) == "result"
    assert [record.step for record in seen] == [0, 1, 2]
    assert log == ["closed"]


def test_a_task_is_drained_without_anybody_listening() -> None:
    assert run(counting([])) == "result"


def test_a_task_is_closed_when_the_listener_fails() -> None:
    log = []

    def refuse(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(counting(log), refuse)
    assert log == ["closed"]


def test_an_error_of_a_task_reaches_its_caller() -> None:
    def failing():
        yield Progress(0, 1)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        run(failing())


def test_nothing_asks_to_stop_by_default() -> None:
    assert never() is False


@pytest.mark.parametrize(
    "news", [{"loss": 0.0}, {"scores": {}}, {"preview": "a preview"}]
)
def test_a_training_record_with_news_is_not_routine(news) -> None:
    assert TrainProgress(1, 2).routine
    assert not TrainProgress(1, 2, **news).routine

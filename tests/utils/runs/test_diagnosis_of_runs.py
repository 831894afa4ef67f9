"""What is wrong with a run is told when it ends."""

import json

from small_runs import config
from utils.runs.evaluate import evaluate_only
from utils.runs.folder import EVALUATION
from utils.runs.run import run


def test_a_collapsed_run_says_so_in_its_evaluation_and_on_the_console(runtime, capsys):
    flags = {"dataset": "digits", "loss": "betaH", "betaH_B": 1000.0, "rec_dist": "gaussian", "train_size": 200}
    evaluation = run(config(**flags, epochs=3), runtime)
    assert evaluation["test"]["active_units"] == 0
    symptom = evaluation["diagnosis"]["collapse"]
    assert symptom["value"] == 0 and symptom["threshold"] == 0.1
    assert symptom["says"].endswith("a smaller --betaH-B regularises less")
    assert f"note: {symptom['says']}\n" in capsys.readouterr().out
    path = runtime.results_dir / "exp" / EVALUATION
    before = json.loads(path.read_text())
    assert before == evaluation
    path.write_text(json.dumps({**before, "diagnosis": {"unfinished": {"says": "once"}}}))
    assert evaluate_only("exp", {}, runtime) == before


def test_a_sound_run_has_no_diagnosis(runtime):
    assert "diagnosis" not in run(config(loss="KL", network="burgess"), runtime)

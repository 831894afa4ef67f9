"""Wrong command lines."""

import pytest
import torch

from mistakes import check_refused, in_a_process
from utils.runs import tensorboard

pytestmark = pytest.mark.slow

COMMANDS = {  # each begins its line with what it says
    "": "the following arguments are required: experiment",
    "exp --gjs-a 0.3": "there is no flag --gjs-a: did you mean --GJS-A?",
    "exp --zzzzzz": "there is no flag --zzzzzz",
    "exp --optimizer sgd": "there is no flag --optimizer: Adam is the only one, and --lr its rate (python",
    "exp --lr-schedul cosine": "there is no flag --lr-schedul",
    "exp --dry-run": "there is no flag --dry-run: --epochs 1 --train-size 100 --test-size 100 is a short run",
    "exp --num_workers 4": "there is no flag --num_workers: images stay in memory, and no workers load them",
    "exp --batch_size 4": "there is no flag --batch_size: did you mean --batch-size?",
    "exp --latentdim 4": "there is no flag --latentdim: did you mean --latent-dim?",
    "exp --n_epochs 4": "there is no flag --n_epochs: did you mean --epochs?",
    "exp --kl-weight 4": "there is no flag --kl-weight: did you mean --betaH-B?",
    "exp --z-dim=4": "there is no flag --z-dim: did you mean --latent-dim?",
    "exp --output-dir x": "there is no flag --output-dir: did you mean --results-dir?",
    "exp --eval": "there is no flag --eval: did you mean --is-eval-only?",
    "exp --gpu 0": "there is no flag --gpu: did you mean --device?",
    "exp --model VAE": "there is no flag --model: did you mean --loss?",
    "exp --force": "there is no flag --force: did you mean --overwrite?",
    "exp --qwertyuiop": "there is no flag --qwertyuiop (python main.py --help lists every flag)",
    "exp --loss qwerty": "--loss qwerty: no such loss; choose from ",
    "exp --dataset imagenet": "--dataset imagenet: choose from",
    "exp --dataset MNIST": "--dataset MNIST: did you mean mnist? choose from",
    "exp --dataset cifar-10": "--dataset cifar-10: did you mean cifar10? choose from",
    "exp --report --overwrite": "--overwrite would train the run anew with every default: leave it out, --rep",
    "exp --explore --overwrite": "--overwrite would train the run anew with every default: leave it out, --explore wr",
    "exp --checkpoint-minutes 0": "--checkpoint-minutes 0: expected a number (above 0)",
    "exp --checkpoint-minutes nan": "--checkpoint-minutes nan: expected a number (above 0)",
    "exp --checkpoint-minutes soon": "--checkpoint-minutes soon: expected a number (above 0)",
    "exp --seed 0 1 --ensemble --checkpoint-minutes 5": "--checkpoint-minutes is for runs that train by themselves",
    "exp -l betaB -a 10000000000000000000000000": "--reg-anneal 10000000000000000000000000: expected a whole number (0",
    "exp --results-dir ~nobody-at-all/x": "argument --results-dir: no home directory is known for the path ~nobody-",
    "exp --data-dir ~nobody-at-all/x": "argument --data-dir: no home directory is known for the path ~nobody-at-all/x",
    "exp --results-dir 'a\x1b[2Jb'": "argument --results-dir: 'a\\x1b[2Jb' is no name of a folder: expected",
    "exp --data-dir 'a\nb'": "argument --data-dir: 'a\\nb' is no name of a folder: expected",
    "exp --results-dir ''": "argument --results-dir: the name of the folder is empty: expected one, . for the current",
    "exp --data-dir=": "argument --data-dir: the name of the folder is empty: expected one, . for the current folder",
    "-- -x": "experiment name '-x': expected one folder name",
    "-- --": "experiment name '--': expected one folder name",
    "-x": "the following arguments are required: experiment, before the flags",
    "exp more": "unrecognized arguments: more",
    "exp --GJS-A 1.5": "--GJS-A 1.5: expected a number (0 to 1)",
    "exp --GJS-A -0.1": "--GJS-A -0.1: expected a number (0 to 1)",
    "exp --GJS-A nan": "--GJS-A nan: expected a number (0 to 1)",
    "exp --GJS-A": "argument --GJS-A: expected one argument",
    "exp --GJS-B -1": "--GJS-B -1: expected a number (0 or more)",
    "exp --GJS-invA False": "unrecognized arguments: False: a flag takes neither, --NAME turns it on and --no-NAME off",
    "exp --loss betaH --betaH-B inf": "--betaH-B inf: expected a number (0 or more)",
    "exp --loss MMD --MMD-B -5": "--MMD-B -5: expected a number (0 or more)",
    "exp --loss KL --GJS-A 0.3": "--GJS-A is not an option of --loss KL: it belongs to GJS, dGJS, tGJS, tdGJS",
    "exp --loss VAE": "--loss VAE is ambiguous: AE",
    "exp --loss dgjs": "--loss dgjs: no such loss; did you mean dGJS?",
    "exp --dataset mnsit": "--dataset mnsit: did you mean mnist? choose from",
    "exp --dataset Fashion-MNIST": "--dataset Fashion-MNIST: did you mean fashion? choose from",
    "exp --GJS-A 0.1 --GJS-A 0.9": "--GJS-A is given twice: give it once, with all its values",
    "exp -d mnist --loss KL --dataset fashion": "--dataset is given twice: give it once, with all its values",
    "exp --results-dir a --results-dir b": "--results-dir is given twice: give it once",
    "exp --export latents --export onnx": "--export is given twice: give it once",
    "exp --alpha 0.3": "there is no flag --alpha: did you mean --GJS-A?",
    "exp --dataset folder:": "--dataset folder:: did you mean folder:PATH? choose from",
    "exp --dataset folder:nowhere": "there is nothing at nowhere, here or in data; say where it is",
    "exp --rec-dist student": "--rec-dist student: expected one of ",
    "exp --rec-dist normal": "--rec-dist normal: --dataset dsprites has images: choose from ",
    "exp -d mixture2d -r bernoulli": "--rec-dist bernoulli: --dataset mixture2d has vectors: choose from ",
    "exp -d mixture2d -l CatVAE": "--loss CatVAE: --dataset mixture2d has vectors, which it is not for",
    "exp -l InfoVAE --info-alpha 1.5": "--info-alpha 1.5: expected a number (1 or less)",
    "exp -l InfoVAE --info-lambda 0": "--info-lambda 0: expected a number (above 0)",
    "exp -l InfoVAE --info-divergence KL": "--info-divergence KL: expected one of mmd, energy",
    "exp -d mixture2d --noise 0.1": "--noise 0.1: --dataset mixture2d has vectors, noise is for images only",
    "exp -d mixture2d --train-size 10001": "mixture2d has 10000 train vectors; a size of 10001 is not between 1 and",
    "exp -d digits --train-size 1437 --validation-size 10": "digits has 1437 train images; a size of 1447 is not "
    "between 1 and 1437: choose another --train-size or --validation-size, which adds to it",
    "exp -d digits --test-size 361": "digits has 360 test images; a size of 361 is not between 1 and 360: "
    "choose another --test-size\n",
    "exp -l betaB -a -1": "--reg-anneal -1: expected a whole number (0 to 1,000,000,000)",
    "exp -l betaB --betaB-finC -1": "--betaB-finC -1: expected a number (0 or more)",
    "exp -l KL -a 100": "--reg-anneal is not an option of --loss KL: it belongs to betaB, btcvae, factor",
    "exp -l btcvae --btcvae-B nan": "--btcvae-B nan: expected a number (0 or more)",
    "exp -l btcvae --factor-G 6": "--factor-G is not an option of --loss btcvae: it belongs to factor",
    "exp -l factor --lr-disc 0": "--lr-disc 0: expected a number (above 0)",
    "exp -l factor -b 1": "--batch-size 1: --loss factor compares the images of a batch: expected 2 or more",
    "exp -d mixture2d --is-metrics": "--is-metrics: --dataset mixture2d has no known factors to measure by: leave it",
    "exp --is-metrics True": "unrecognized arguments: True: a flag takes neither, --NAME turns it on and --no-NAME off",
    "exp -e 0": "--epochs 0: expected a whole number (1 or more)",
    "exp -e two": "--epochs two: expected a whole number (1 or more)",
    "exp -e 2.5": "--epochs 2.5: expected a whole number (1 or more)",
    "exp -b 0": "--batch-size 0: expected a whole number (1 to 1,000,000)",
    "exp -b 100000000000000000000": "--batch-size 100000000000000000000: expected a whole number (1 to 1,000,000)",
    "exp -b 1 --loss MMD": "--batch-size 1: --loss MMD compares the images of a batch: expected 2 or more",
    "exp -z 0": "--latent-dim 0: expected a whole number (1 to 10,000)",
    "exp -s -1": "--seed -1: expected a whole number (0 or more)",
    "exp -s None": "--seed None: expected a whole number (0 or more)",
    "exp --noise -0.1": "--noise -0.1: expected a number (0 or more)",
    "exp --noise -1e-1": "--noise -1e-1: expected a number (0 or more)",
    "exp --lr 0": "--lr 0: expected a number (above 0)",
    "exp --lr fast": "--lr fast: expected a number (above 0)",
    "exp --train-size 0": "--train-size 0: expected a whole number (1 or more)",
    "exp --train-size 663553": "dsprites has 663552 train images",
    "exp --evaluate-every 0": "--evaluate-every 0: expected a whole number (1 or more)",
    "exp --importance-samples -1": "--importance-samples -1: expected a whole number (0 or more)",
    "exp --checkpoint-every 0": "--checkpoint-every 0: expected a whole number (1 or more)",
    "exp --device tpu9": "--device tpu9: expected auto, cpu, cuda or cuda:N",
    "exp --device cuda:99": "--device cuda:99: this machine has",
    "../exp": "experiment name '../exp': expected one folder name",
    "a/b": "experiment name 'a/b': expected one folder name",
    ".": "experiment name '.': expected one folder name",
    "../exp --resume": "experiment name '../exp': expected one folder name",
    "exp --resume": "there is no experiment results/exp",
    "exp --is-eval-only": "there is no experiment results/exp",
    "exp --seed 0 1 -l KL --GJS-A 0.3": "--GJS-A is not an option of --loss KL: it belongs to GJS, dGJS, tGJS, tdGJS",
    "exp -l KL rKL --GJS-A 0.1 0.3": "--GJS-A is not an option of --loss KL: it belongs to GJS, dGJS, tGJS, tdGJS",
    "exp --lr 1e-3 0": "--lr 0: expected a number (above 0)",
    "exp -l KL MMD -b 1": "--batch-size 1: --loss MMD compares the images of a batch: expected 2 or more",
    "exp -d digits dsprites --train-size 2000": "digits has 1437 train images; a size of 2000 is not between",
    "exp --seed 0 1 --device cuda:99": "--device cuda:99: this machine has",
    "../exp --seed 0 1": "experiment name '../exp': expected one folder name",
    "exp --seed 0 1 --resume": "--resume is for one run: several go on where they stopped without it",
    "exp --seed 0 1 --is-eval-only": "results/exp/seed-0 has not ended: leave --is-eval-only out to train it",
    "exp --is-eval-only --gif": "--gif is of training: leave it out\n",
    "exp --report --tensorboard --gif": "--gif is of training: leave it out\n",
    "exp --explore --tensorboard": "--tensorboard is of training: leave it out\n",
    "exp --export latents --checkpoint-every 3": "--checkpoint-every is of training: leave it out\n",
    "exp --compare other --checkpoint-minutes 3": "--checkpoint-minutes is of training: leave it out\n",
    "exp --seed 0 1 --is-eval-only --checkpoint-minutes 3": "--checkpoint-minutes is of training: leave it out\n",
    "exp --scale quick": "--scale quick is for a --preset: give one, or sizes and epochs of your own",
    "exp --preset beta --scale tiny": "argument --scale: invalid choice: 'tiny' (choose from",
    "exp --jobs 2": "--jobs 2 is for several runs: give a flag several values, or a --preset",
    "exp --seed 0 1 --jobs 0": "--jobs 0: expected a whole number (1 or more)",
    "exp --ensemble": "--ensemble is for several runs: give a flag several values, or a --preset",
    "exp --seed 0 1 --ensemble --is-eval-only": "--ensemble is for training: --is-eval-only evaluates one model after",
    "exp --seed 0 1 --ensemble --jobs 2": "--ensemble and --jobs 2 exclude each other: give one of them",
    "exp --executor ray": "--executor ray is for several runs: give a flag several values, or a --preset",
    "exp --seed 0 1 --executor slurm": "argument --executor: invalid choice: 'slurm' (choose from",
    "exp --seed 0 1 --executor ray --jobs 2": "--jobs 2 is for this machine: with --executor, the cluster says",
    "exp --seed 0 1 --executor ray --no-cuda": "--device cpu is for this machine: with --executor, --gpus-per-run",
    "exp --seed 0 1 --gpus-per-run 0.25": "--gpus-per-run is for a cluster: give an --executor",
    "exp --seed 0 1 --executor ray --gpus-per-run 2": "--gpus-per-run 2: expected a number (0 to 1)",
    "exp --report": "results/exp does not exist: check the name, or train runs of that name first",
    "exp --explore": "results/exp does not exist: check the name, or train runs of that name first",
    "exp -d mixture2d --explore": "--explore: --dataset mixture2d has vectors, the page shows images: leave it out\n",
    "exp -d digits --network resnet --explore": "--explore: the decoder has a layer ",
    "exp -d digits --network burgess resnet --explore": "--explore: the decoder has a layer ",
    "exp -d npz:x.npz --rec-dist normal --explore": "--explore: --dataset npz:x.npz has vectors, the page shows images",
    "exp -d folder:x --image-size 128 --network mlp --explore": "--explore: the model decodes data of shape (1, 128, ",
    "exp --compare other": "other does not exist: check the name, or train runs of that name first",
    "../exp --report": "experiment name '../exp': expected one folder name",
    "exp --report --jobs 2": "--jobs 2 is for several runs: give a flag several values, or a --preset",
    "exp --preset table2": "argument --preset: invalid choice: 'table2' (choose from",
    "exp --preset beta --loss KL": "--loss KL: --preset beta has betaH",
    "exp --preset beta --GJS-A 0.3": "--GJS-A is not an option of --loss betaH: it belongs to GJS, dGJS, tGJS, tdGJS",
    "--seed 0 1 exp": "--seed exp: expected a whole number (0 or more)",
    "--loss KL exp": "the following arguments are required: experiment, before the flags",
    "exp --resume --overwrite": "--resume and --overwrite exclude each other",
    "exp --is-eval-only --resume": "--resume and --is-eval-only exclude each other",
    "exp -d ''": "--dataset : choose from",
    "''": "experiment name '': expected one folder name",
    "' '": "experiment name ' ': expected one folder name",
    "' exp'": "experiment name ' exp': expected one folder name",
    "..": "experiment name '..': expected one folder name",
    "/tmp/exp": "experiment name '/tmp/exp': expected one folder name",
    "exp/../../exp": "experiment name 'exp/../../exp': expected one folder name",
    "'..\\exp'": "experiment name '..\\\\exp': expected one folder name",
    "'a\tb'": "experiment name 'a\\tb': expected one folder name",
    "'a\x1b[2Jb'": "experiment name 'a\\x1b[2Jb': expected one folder name",
    "'abc\u202efdp'": "experiment name 'abc\\u202efdp': expected one folder name",
    "exp/../../exp --seed 0 1": "experiment name 'exp/../../exp': expected one folder name",
    f"{'x' * 300}": "experiment name 'xxx",
    "exp -s 1e999": "--seed 1e999: expected a whole number (0 or more)",
    f"exp -e {'9' * 5000}": "--epochs 999",
    "exp --lr 1e-4,1e-3": "--lr 1e-4,1e-3: expected a number (above 0)",
    "exp --noise inf": "--noise inf: expected a number (0 or more)",
    "exp -z 512 -l CatVAE": "--latent-dim 512: --loss CatVAE has 20: leave it out",
    "exp -l CatVAE --classes 101": "--classes 101: expected a whole number (1 to 100)",
    "exp -d mnist:raw": "--dataset mnist:raw: did you mean mnist? choose from",
    "exp -d npz:~nobody-at-all/x.npz": "no home directory is known for the path ~nobody-at-all/x.npz",
}


PROCESSES = ["exp --GJS-A 1.5", "exp --dataset folder:nowhere"]


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_commands(command):
    check_refused(command, f"main.py: {COMMANDS[command]}")


@pytest.mark.slow
@pytest.mark.parametrize("command", PROCESSES)
def test_wrong_commands_of_a_process(command):
    check_refused(command, f"main.py: {COMMANDS[command]}", in_a_process)


def test_tensorboard_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(tensorboard.importlib.util, "find_spec", lambda name: None)
    check_refused("exp --tensorboard", "--tensorboard: tensorboard is not installed: pip install tensorboard")
    check_refused("exp --seed 0 1 --tensorboard", "pip install tensorboard")


def test_memory_that_does_not_suffice(monkeypatch):
    def build(*arguments):
        return torch.empty(1 << 60, dtype=torch.uint8)

    monkeypatch.setattr("utils.runs.running.build", build)
    check_refused("exp -d digits", "there is not enough memory for this: a smaller --batch-size")

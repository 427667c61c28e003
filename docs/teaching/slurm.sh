#!/bin/bash
# Grade one class on eight machines of a Slurm cluster. In the folder of the project:
#
#     export SEED="only I know"
#     sbatch docs/teaching/slurm.sh
#     .venv/bin/seq2seq-edu grade-merge shards/* --out grades/03     # when all eight are done
#
# A task that was stopped goes on where it was: sbatch --array=3 docs/teaching/slurm.sh submits the third again.

#SBATCH --job-name=grade
#SBATCH --array=1-8
#SBATCH --cpus-per-task=4
#SBATCH --mem=14G
#SBATCH --time=02:00:00
#SBATCH --output=grade-%A-%a.log

set -euo pipefail
SHARDS=8       # as in --array
JOBS=4         # as in --cpus-per-task; 3 GB of --mem for each, and some for the judge

.venv/bin/seq2seq-edu grade submissions --exercise 03_attention_weights --class-list class.csv \
  --edition "maple 41" --seed "${SEED:?export SEED first: the text that hidden inputs are drawn from}" \
  --jobs "$JOBS" --shard "$SLURM_ARRAY_TASK_ID/$SHARDS" --out "shards/$SLURM_ARRAY_TASK_ID"

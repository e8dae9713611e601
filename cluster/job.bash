# What the batch scripts share. Sourced after they have set -euo pipefail and changed to the
# repository.
# shellcheck source=../launch/setup.bash
source launch/setup.bash

# run_job COMMAND...: runs mpirun or launch/local as a child, passes on Slurm's signals as USR1, and
# queues the job again when it ended with a checkpoint to go on from (exit code 75).
run_job() {
  local child status
  "$@" &
  child=$!
  trap 'kill -USR1 "$child" 2>/dev/null || true' USR1 TERM
  await "$child"
  if ((status == 75)); then
    say "interrupted after a checkpoint; queueing job $SLURM_JOB_ID again"
    scontrol requeue "$SLURM_JOB_ID" || say "not queued again; submit the script once more to go on"
  fi
  exit "$status"
}

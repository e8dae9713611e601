# What the batch scripts share. Sourced after they have set -euo pipefail and changed to the
# repository.
# shellcheck source=../launch/setup.bash
source launch/setup.bash

# Tells lockstep when the job's time is over, where an older Slurm does not set SLURM_JOB_END_TIME: it
# then saves in time even if a save takes longer than the notice that the script asked for.
announce_end() {
  local end
  [[ -z ${SLURM_JOB_END_TIME-}${LOCKSTEP_END_TIME-} ]] || return 0
  end=$(squeue --noheader --jobs "$SLURM_JOB_ID" --format %e 2>/dev/null) || return 0
  # `date` refuses N/A and UNLIMITED, as of a job without an end.
  end=$(date --date "$end" +%s 2>/dev/null) || return 0
  export LOCKSTEP_END_TIME=$end
}

# run_job COMMAND...: runs mpirun or launch/local as a child, passes on Slurm's signals as USR1, and
# queues the job again when it ended with a checkpoint to go on from (exit code 75).
run_job() {
  local child status
  announce_end
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

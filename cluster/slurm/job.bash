# What the batch scripts share. Sourced after they have set -euo pipefail and changed to the
# repository.
# shellcheck source=../../launch/ranks.bash
source launch/ranks.bash
# The last task of an array has the number of the whole array.
job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
job=${job:-$SLURM_JOB_ID}
script=job-$job

# Tells lockstep when the job's time is over, where an older Slurm does not set SLURM_JOB_END_TIME: it
# then saves in time even if a save takes longer than the notice that the script asked for.
announce_end() {
  local end
  [[ -z ${SLURM_JOB_END_TIME-}${LOCKSTEP_END_TIME-} ]] || return 0
  end=$(squeue --noheader --jobs "$job" --format %e 2>/dev/null) || return 0
  # `date` refuses N/A and UNLIMITED, as of a job without an end.
  end=$(date --date "$end" +%s 2>/dev/null) || return 0
  export LOCKSTEP_END_TIME=$end
}

# Whether the job may be queued again: not when it was cancelled or is being requeued already, for
# Slurm would do that to a cancelled job, too.
is_running() {
  [[ $(squeue --noheader --jobs "$job" --states all --format %T 2>/dev/null) == RUNNING ]]
}

# Sets lost to the nodes of the job that start nothing within half a minute: they are down, or were
# rebooted. Slurm itself finds out only after its SlurmdTimeout. Where this node, too, starts nothing,
# asking does not work here, and no node counts as lost: a job that fails by itself would go on for ever.
find_lost_nodes() {
  local node
  lost=''
  for node in $(scontrol show hostnames "${SLURM_JOB_NODELIST-}"); do
    timeout 30 srun --nodelist="$node" --nodes=1 --ntasks=1 --overlap --mpi=none --input=none \
      true 2>/dev/null || lost+=" $node"
  done
  if [[ " $lost " == *" ${SLURMD_NODENAME-} "* ]]; then
    note "srun starts nothing on this node either: no word on the others"
    lost=''
  fi
}

# Whether Slurm wants the nodes for another job. Where it tells mpirun's daemons, and not the ranks, those
# end without a checkpoint.
is_preempted() {
  [[ $(scontrol show job --oneliner "$job") =~ PreemptTime=[0-9] ]]
}

# Whether a running job that ended with status may go on by itself.
may_go_on() {
  ((status != 75)) || return 0
  # Told to stop before the ranks could write a checkpoint.
  if [[ $asked == yes ]] && ((status > 128)); then return 0; fi
  if is_preempted; then return 0; fi
  find_lost_nodes
  [[ -z $lost ]] || note "no answer from$lost"
  [[ -n $lost ]]
}

# run_job LAUNCHER ARGUMENT...: runs launch/local or cluster/slurm/run as a child, passes on Slurm's
# signals as USR1, and queues the job again when it was interrupted: it ended with a checkpoint to go
# on from (exit code 75), was stopped before it had one, was preempted, or lost a node.
run_job() {
  local child status asked=no lost=''
  note "starts on ${SLURM_JOB_NODELIST:-this node}${SLURM_RESTART_COUNT:+, restart $SLURM_RESTART_COUNT}"
  announce_end
  "$@" &
  child=$!
  trap 'asked=yes; kill -USR1 "$child" 2>/dev/null || true' USR1 TERM
  await "$child"
  case $status in
    0 | 64 | 65) exit "$status" ;;
  esac
  if ! is_running; then
    note "ended with exit code $status and not queued again here: the job was cancelled, or Slurm queues it itself"
  elif may_go_on; then
    if scontrol requeue "$job"; then
      note "interrupted (exit code $status); queued again"
    else
      note "interrupted, and not queued again; submit the script once more to go on"
    fi
  fi
  exit "$status"
}

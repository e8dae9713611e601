#!/usr/bin/env bash
# The batch scripts, with Slurm and lockstep played by scripts.
source "$(dirname -- "${BASH_SOURCE[0]}")/checks.bash"

mkdir -p -- "$scratch/bin" "$scratch/mpirun" "$scratch/site/.build/release"
ln -s "$repository/cluster" "$repository/launch" "$scratch/site/"

# stub FILE LINE: a script of one line.
stub() {
  printf '#!/usr/bin/env bash\n%s\n' "$2" >"$1"
  chmod +x "$1"
}
wait_for_usr1='trap "exit 75" USR1; echo "rank: $* end: ${LOCKSTEP_END_TIME-none}"; for i in {1..200}; do sleep 0.1; done'
stub "$scratch/bin/scontrol" 'echo "scontrol $*" >>"$REQUEUED"'
stub "$scratch/mpirun/mpirun" "$wait_for_usr1"
stub "$scratch/site/.build/release/lockstep" "$wait_for_usr1"
export SLURM_SUBMIT_DIR=$scratch/site SLURM_JOB_ID=17 SLURM_NTASKS=2 SLURM_CPUS_PER_TASK=1 \
  MODEL='a model' REQUEUED=$scratch/requeued PATH=$scratch/bin:$PATH

# submit SCRIPT: runs it until its command says a line with `rank`, then sends it USR1.
submit() {
  local attempt
  : >"$scratch/out"
  rm -f -- "$scratch/requeued"
  set -m
  bash "$repository/cluster/$1" --epochs 2 >"$scratch/out" 2>"$scratch/err" &
  job=$!
  set +m
  for ((attempt = 0; attempt < 100; attempt++)); do
    ! grep -q rank "$scratch/out" || break
    sleep 0.1
  done
  kill -USR1 "$job" 2>/dev/null
  status=0
  wait "$job" 2>/dev/null || status=$?
  out=$(<"$scratch/out") err=$(<"$scratch/err")
}

queues_again() {
  submit "$1"
  expect_status 75
  expect_equal 'requeued' 'scontrol requeue 17' "$(cat "$scratch/requeued" 2>&1)"
  expect_match 'command' 'train .*--model a model .*--epochs 2' "$out"
}

one_node() { queues_again one-node.sbatch; }

two_nodes() {
  local -x PATH=$scratch/mpirun:$PATH # there is one node here
  queues_again two-nodes.sbatch
}

does_not_queue_what_failed() {
  local -x SLURM_CPUS_PER_TASK=none # launch/local refuses it
  submit one-node.sbatch 2>/dev/null
  expect_status 64
  expect_equal 'requeued' no "$([[ -e $scratch/requeued ]] && echo yes || echo no)"
}

announces_the_end() {
  local end
  end=$(date --date 'now + 3 hours' +%Y-%m-%dT%H:%M:%S)
  stub "$scratch/bin/squeue" "[[ \"\$*\" == *'--jobs 17'*%e* ]] && echo $end"
  submit one-node.sbatch
  expect_match 'end of the job' "end: $(date --date "$end" +%s)" "$out"
  stub "$scratch/bin/squeue" 'echo N/A'
  submit one-node.sbatch
  expect_match 'end of a job without a limit' 'end: none' "$out"
  rm -- "$scratch/bin/squeue"
}

test_that 'a job on one node checkpoints on USR1 and is queued again' one_node
test_that 'a job on two nodes checkpoints on USR1 and is queued again' two_nodes
test_that 'lockstep learns from Slurm when the job ends' announces_the_end
test_that 'a job that fails is not queued again' does_not_queue_what_failed
finish

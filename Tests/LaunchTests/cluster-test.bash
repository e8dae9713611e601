#!/usr/bin/env bash
# The batch scripts and the ssh launcher, with Slurm, mpirun, ssh and lockstep played by scripts: what
# cluster/slurm/test and cluster/ssh/test do not get to see, and a quick look at the rest.
source "$(dirname -- "${BASH_SOURCE[0]}")/checks.bash"

mkdir -p -- "$scratch/bin" "$scratch/site/.build/release"
ln -s "$repository/cluster" "$repository/launch" "$scratch/site/"

# stub FILE LINE...: a script of these lines.
stub() {
  local file=$1
  shift
  printf '%s\n' '#!/usr/bin/env bash' "$@" >"$file"
  chmod +x "$file"
}
wait_for_usr1='trap "exit 75" USR1; echo "rank: $* end: ${LOCKSTEP_END_TIME-none}"; for i in {1..200}; do sleep 0.1; done'
# Binds tasks, knows the nodes, and notes what else it is asked.
stub "$scratch/bin/scontrol" 'case "$*" in
    "show config") echo "TaskPlugin = task/affinity" ;;
    "show job "*) echo "JobState=RUNNING PreemptTime=${PREEMPTED-None} SuspendTime=None" ;;
    "show hostnames "*) printf "node1\nnode2\n" ;;
    *) echo "scontrol $*" >>"$SLURM_CALLS" ;;
  esac'
stub "$scratch/site/.build/release/lockstep" "$wait_for_usr1"
export SLURM_SUBMIT_DIR=$scratch/site SLURM_JOB_ID=17 SLURM_NTASKS=2 SLURM_CPUS_PER_TASK=1 \
  SLURM_JOB_NUM_NODES=2 SLURM_JOB_NODELIST=node1 SLURMD_NODENAME=node1 SLURM_ARRAY_TASK_ID=7 \
  MODEL='a model' SLURM_CALLS=$scratch/calls PATH=$scratch/bin:$PATH

# play_squeue STATE [END [JOB]]: what Slurm says of the job.
play_squeue() {
  stub "$scratch/bin/squeue" "case \"\$*\" in *'--jobs ${3-17} '*%T*) echo $1 ;; *'--jobs ${3-17} '*%e*) echo ${2-N/A} ;; esac"
}

# submit SCRIPT [SIGNAL]: runs it until its command says a line with `rank`, then sends it USR1.
submit() {
  local attempt
  : >"$scratch/out"
  rm -f -- "$scratch/calls"
  set -m
  bash "$repository/cluster/slurm/$1" --epochs 2 >"$scratch/out" 2>"$scratch/err" &
  job=$!
  set +m
  for ((attempt = 0; attempt < 100; attempt++)); do
    if grep -q rank "$scratch/out" || ! kill -0 "$job" 2>/dev/null; then break; fi
    sleep 0.1
  done
  kill -USR1 "$job" 2>/dev/null
  status=0
  wait "$job" 2>/dev/null || status=$?
  out=$(<"$scratch/out") err=$(<"$scratch/err") calls=$(cat "$scratch/calls" 2>/dev/null)
}

queues_again() { # SCRIPT LAUNCHER PATTERN [JOB]
  play_squeue RUNNING N/A "${4-17}"
  # shellcheck disable=SC2031
  [[ $2 == local ]] || stub "$scratch/bin/$2" "$wait_for_usr1"
  local -x LAUNCHER=$2
  submit "$1"
  expect_status 75
  expect_equal 'calls' "scontrol requeue ${4-17}" "$calls"
  expect_match 'command' "$3" "$out"
  [[ $2 == local ]] || rm -- "$scratch/bin/$2"
}

one_node() { queues_again one-node.sbatch local 'train .*--model a model .*--epochs 2'; }
by_srun() { queues_again several-nodes.sbatch srun '--mpi=pmix --ntasks=2 --cpus-per-task=1 .*--cpu-bind=cores .*train .*--threads 1'; }
leaves_binding_to_a_hint() {
  play_squeue RUNNING
  local -x SLURM_HINT=nomultithread
  stub "$scratch/bin/srun" 'echo "rank: $*"'
  run "$repository/cluster/slurm/run" -- true
  expect_no_match 'command' 'cpu-bind' "$out"
  run "$repository/cluster/slurm/run" --no-bind -- true
  expect_match 'command' '--cpu-bind=none' "$out"
  rm -- "$scratch/bin/srun"
}
by_mpirun() { queues_again several-nodes.sbatch mpirun '-n 2 .*--map-by slot:PE=1 --bind-to core .*train .*--threads 1'; }
preemptible() { queues_again preemptible.sbatch srun 'train .*--save-every 200 --epochs 2'; }
seeds() {
  # The last task's job has the array's number.
  local -x SLURM_ARRAY_JOB_ID=17
  queues_again seeds.sbatch srun 'train .*--output run/seed-7 --seed 7 --epochs 2' 17_7
}

leaves_a_cancelled_job() {
  play_squeue COMPLETING
  submit one-node.sbatch
  expect_status 75
  expect_equal 'calls' '' "$calls"
  expect_match 'standard error' 'not queued again' "$err"
}

does_not_queue_what_failed() {
  local code
  play_squeue RUNNING
  for code in 64 65; do
    stub "$scratch/bin/srun" "exit $code"
    submit several-nodes.sbatch
    expect_status $code
    expect_equal "calls after exit code $code" '' "$calls"
  done
  rm -- "$scratch/bin/srun"
}

queues_what_lost_a_node() {
  play_squeue RUNNING
  stub "$scratch/bin/srun" 'case "$*" in *nodelist=node1*) exit 0 ;; *nodelist=node2*) exit 1 ;; *) exit 70 ;; esac'
  submit several-nodes.sbatch
  expect_status 70
  expect_match 'calls' 'scontrol requeue 17' "$calls"
  expect_match 'standard error' 'no answer from node2' "$err"
  stub "$scratch/bin/srun" 'case "$*" in *nodelist=*) exit 0 ;; *) exit 70 ;; esac'
  submit several-nodes.sbatch
  expect_status 70
  expect_no_match 'calls when all nodes answer' 'requeue' "$calls"
  stub "$scratch/bin/srun" 'exit 70'
  submit several-nodes.sbatch
  expect_status 70
  expect_no_match 'calls when not even this node answers' 'requeue' "$calls"
  expect_match 'standard error' 'starts nothing on this node either' "$err"
  rm -- "$scratch/bin/srun"
}

queues_what_was_preempted() {
  play_squeue RUNNING
  stub "$scratch/bin/srun" 'case "$*" in *nodelist=*) exit 0 ;; *) exit 205 ;; esac'
  local -x PREEMPTED=2026-11-29T00:52:07
  submit several-nodes.sbatch
  expect_status 205
  expect_equal 'calls' 'scontrol requeue 17' "$calls"
  rm -- "$scratch/bin/srun"
}

announces_the_end() {
  local end
  end=$(date --date 'now + 3 hours' +%Y-%m-%dT%H:%M:%S)
  play_squeue RUNNING "$end"
  submit one-node.sbatch
  expect_match 'end of the job' "end: $(date --date "$end" +%s)" "$out"
  play_squeue RUNNING
  submit one-node.sbatch
  expect_match 'end of a job without a limit' 'end: none' "$out"
}

starts_again_what_crashed() {
  stub "$scratch/bin/srun" 'echo "start" >>"$SLURM_CALLS"' '(($(wc -l <"$SLURM_CALLS") > 2)) || kill -SEGV $$'
  rm -f -- "$scratch/calls"
  run "$repository/cluster/slurm/run" -- true
  expect_status 0
  expect_match 'standard error' 'signal SEGV in its first minute; starting it again \(2 of 2\)' "$err"
  stub "$scratch/bin/srun" 'echo "start" >>"$SLURM_CALLS"' 'kill -SEGV $$'
  rm -f -- "$scratch/calls"
  run "$repository/cluster/slurm/run" -- true
  expect_status 139
  expect_equal 'starts' 3 "$(wc -l <"$scratch/calls")"
  stub "$scratch/bin/srun" 'echo "start" >>"$SLURM_CALLS"' 'exit 70'
  rm -f -- "$scratch/calls"
  run "$repository/cluster/slurm/run" -- true
  expect_status 70
  expect_equal 'starts of what failed by itself' 1 "$(wc -l <"$scratch/calls")"
  rm -- "$scratch/bin/srun"
}

refuses_bad_usage() {
  run env -u SLURM_JOB_ID "$repository/cluster/slurm/run" -- true
  expect_status 64
  expect_match 'standard error' 'not in an allocation' "$err"
  run "$repository/cluster/slurm/run" --launcher slurmrun -- true
  expect_status 64
  run env LOCKSTEP=/nowhere "$repository/cluster/slurm/run"
  expect_status 64
  expect_match 'standard error' "LOCKSTEP is '/nowhere'" "$err"
  run "$repository/cluster/ssh/run" --hostfile "$scratch/nowhere" -- true
  expect_status 64
  printf '%s\n' '# two' 'node1 slots=2' 'node2 slots' >"$scratch/hosts"
  run "$repository/cluster/ssh/run" --hostfile "$scratch/hosts" -- true
  expect_status 64
  expect_match 'standard error' "hosts:3: expected 'NAME slots=RANKS', found 'node2 slots'" "$err"
}

# play_ssh: a machine that answers as its name says.
play_ssh() {
  stub "$scratch/bin/ssh" 'host=' 'for word; do case $word in node*) host=$word ;; esac; done' 'case $host in
    node1) mpirun --version | head -n 1 ;;
    node2) echo "Host key verification failed." >&2; exit 255 ;;
    node3) echo "Authorized users only" >&2; echo absent; mpirun --version | head -n 1 ;;
    node4) echo "mpirun (Open MPI) 3.1.0" ;;
  esac'
}

names_machines_that_cannot_be_used() {
  play_ssh
  printf '%s\n' node1 'node2 slots=2' node3 node4 >"$scratch/hosts"
  run "$repository/cluster/ssh/run" --hostfile "$scratch/hosts" -- true
  expect_status 64
  expect_match 'standard error' 'node2: ssh: Host key verification failed' "$err"
  expect_match 'standard error' 'node3: there is no true' "$err"
  expect_match 'standard error' 'node4: expected mpirun \(Open MPI\) 4.* found mpirun \(Open MPI\) 3.1.0' "$err"
  expect_match 'standard error' '3 of 4 machines cannot be used' "$err"
  rm -- "$scratch/bin/ssh"
}

test_that 'a job on one node checkpoints on USR1 and is queued again' one_node
test_that 'a job of srun checkpoints on USR1 and is queued again' by_srun
test_that 'a hint of the job binds the ranks of srun' leaves_binding_to_a_hint
test_that 'a job of mpirun checkpoints on USR1 and is queued again' by_mpirun
test_that 'a preemptible job likewise' preemptible
test_that 'a seed of an array likewise, in a folder of its own' seeds
test_that 'a cancelled job is not queued again' leaves_a_cancelled_job
test_that 'a job that fails is not queued again' does_not_queue_what_failed
test_that 'a job that lost a node is' queues_what_lost_a_node
test_that 'a job that was preempted before a checkpoint is' queues_what_was_preempted
test_that 'lockstep learns from Slurm when the job ends' announces_the_end
test_that 'a step that crashes at its start is started again, at most twice' starts_again_what_crashed
test_that 'launchers refuse what makes no sense' refuses_bad_usage
test_that 'machines that cannot be used are named before a start' names_machines_that_cannot_be_used
finish

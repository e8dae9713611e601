# What the launchers share (launch/local, cluster/slurm, cluster/ssh): the program and what it trains
# on, threads and binding, and signals on their way to the ranks. Sourced by bash scripts that have
# set -euo pipefail.
# shellcheck disable=SC2034 # set for the scripts that source this file

# shellcheck source=setup.bash
source "$(dirname -- "${BASH_SOURCE[0]}")/setup.bash"

note() { say "$script: $*"; }

# Sets lockstep: $LOCKSTEP, else this repository's release build, else what PATH has.
find_lockstep() {
  local built=$repository/.build/release/lockstep
  lockstep=${LOCKSTEP:-}
  if [[ -z $lockstep && -x $built ]]; then lockstep=$built; fi
  [[ -n $lockstep ]] || lockstep=$(command -v lockstep) ||
    fail "no lockstep at $built or on PATH; run 'swift build -c release --product lockstep', or set LOCKSTEP to its path" 64
  [[ -x $lockstep ]] || fail "LOCKSTEP is '$lockstep'; expected the path of the program" 64
}

# train_command ARGUMENT...: sets command, which trains on what MODEL, TRAIN, VALIDATION and RUN name.
train_command() {
  find_lockstep
  command=("$lockstep" train --model "${MODEL:-$cache/minilm}" --train "${TRAIN:-train-shards}"
    --validation "${VALIDATION:-validation-shards}" --output "${RUN:-run}" "$@")
}

# settle_threads [DEFAULT]: sets threads, from --threads here, from the command's own, or the default
# (empty: the command may choose), and pass_threads: whether the command has to be told.
settle_threads() {
  local own='' index
  pass_threads=no
  case "$(basename -- "${command[0]}") ${command[1]-} ${command[2]-}" in
    'lockstep train '* | 'lockstep bench step' | 'lockstep bench allreduce') ;;
    *)
      threads=${threads:-${1:-1}}
      return
      ;;
  esac
  for ((index = 2; index < ${#command[@]}; index++)); do
    case ${command[index]} in
      --threads) own=${command[index + 1]-} ;;
      --threads=*) own=${command[index]#--threads=} ;;
    esac
  done
  if [[ -z $own ]]; then
    threads=${threads:-${1-}}
    pass_threads=${threads:+yes} # unsaid, a bound rank takes the cores it is bound to
    threads=${threads:-1}
    return
  fi
  own=$(count_of --threads "$own")
  [[ -z $threads || $threads == "$own" ]] ||
    usage_error "--threads is $threads here and $own in the command; say it once"
  threads=$own pass_threads=never
}

# nproc would take OMP_NUM_THREADS for an answer.
allowed_cpus() { env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc; }

# Prints the number of physical cores; 0 when this process may use only some of the CPUs, because
# mpirun binds by the whole machine and would take cores outside that set, or only some of their time,
# because others that are held so would be bound to the same first cores.
free_cores() {
  local allowed online quota=max
  allowed=$(allowed_cpus)
  online=$(getconf _NPROCESSORS_ONLN)
  [[ ! -r /sys/fs/cgroup/cpu.max ]] || read -r quota _ </sys/fs/cgroup/cpu.max
  if ((allowed < online)) || [[ $quota != max ]]; then
    echo 0
  else
    physical_cores || echo "$allowed"
  fi
}

physical_cores() {
  local list
  list=$(lscpu --parse=CORE,SOCKET 2>/dev/null) || return
  grep -v '^#' <<<"$list" | sort -u | wc -l
}

# Open MPI's shared-memory transport reads the peer's memory directly (CMA). A container's system
# call filter may forbid that, which Open MPI finds out too late; Yama it handles by itself.
may_read_peers() {
  local key value filter=0 capabilities=0
  while read -r key value; do
    case $key in
      Seccomp:) filter=$value ;;
      CapEff:) capabilities=$((16#$value)) ;;
    esac
  done </proc/self/status
  ((filter == 0 || capabilities >> 19 & 1)) # CAP_SYS_PTRACE
}

# Sets mpirun_arguments to what every mpirun gets.
begin_mpirun_arguments() {
  local base
  mpirun_arguments=(-n "$ranks")
  ((EUID != 0)) || mpirun_arguments+=(--allow-run-as-root)
  may_read_peers || mpirun_arguments+=(--mca btl_vader_single_copy_mechanism none)
  # The session folder holds a Unix socket, whose path may have 107 bytes.
  base=${TMPDIR:-/tmp}
  ((${#base} <= 32)) || mpirun_arguments+=(--mca orte_tmpdir_base /tmp)
}

# Asks the ranks to checkpoint and stop; the second time, ends them.
on_signal() {
  local now=${EPOCHREALTIME/[.,]/} attempt
  if [[ -z $asked_at ]]; then
    asked_at=$now
    note "got $1: asking the ranks to write a checkpoint and stop; once more ends them at once"
    # Earlier, USR1 would be mpirun's end, or would reach none of the ranks.
    for ((attempt = 0; attempt < 100; attempt++)); do
      if has_started; then break; fi
      sleep 0.1
    done
    kill -USR1 "$starter" 2>/dev/null || true
  elif [[ $1 != USR1 ]] && ((now - asked_at > 500000)); then # `timeout` sends its signal twice at a time
    note "got $1 again: ending the ranks"
    ended=yes
    kill -TERM "$starter" 2>/dev/null || true
  fi
}

# Whether mpirun has its signal handlers in place and its ranks started, or is gone. srun, which
# takes signals in another way, counts as started.
has_started() {
  local caught children
  [[ -e /proc/$starter ]] || return 0
  ((children_of_starter > 0)) || return 0
  caught=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$starter/status" 2>/dev/null) || return 0
  [[ -n $caught ]] || return 0
  ((16#${caught: -8} >> 9 & 1)) || return 1
  # A kernel may be built without these lists.
  children=$(cat "/proc/$starter/task"/*/children 2>/dev/null) || return 0
  (($(wc -w <<<"$children") >= children_of_starter))
}

# run_ranks CHILDREN COMMAND...: runs mpirun or srun, which has that many child processes once the
# ranks are there (0: not to be seen), turns USR1, TERM, INT and HUP into one USR1, and sets status,
# asked_at (empty: not asked to stop) and ended (yes: asked twice).
run_ranks() {
  local signal early=''
  children_of_starter=$1
  shift
  asked_at='' ended=no
  for signal in USR1 TERM INT HUP; do
    # shellcheck disable=SC2064 # the signal's name is known now
    trap "early=$signal" $signal
  done
  # A process group of its own keeps the terminal's Ctrl-C from reaching mpirun, which would kill the
  # ranks. A background group must not read the terminal.
  [[ ! -t 0 ]] || exec </dev/null
  set -m
  "$@" <&0 &
  starter=$!
  set +m
  for signal in USR1 TERM INT HUP; do
    # shellcheck disable=SC2064
    trap "on_signal $signal" $signal
  done
  [[ -z $early ]] || on_signal "$early"
  await "$starter"
}

# Says what a status means that is none of lockstep's own.
explain_status() {
  case $status in
    0 | 64 | 65 | 70 | 75) ;; # lockstep's own exit codes, which come with its own message
    *)
      if ((status > 128)); then
        note "a rank or its launcher was ended by signal $(kill -l $((status - 128)))"
      elif [[ ${1-} && $ended == no ]]; then
        note "$1 returned $status; --verbose shows what $1 itself says"
      fi
      ;;
  esac
}

#!/usr/bin/env bash
# launch/local: ranks, binding, threads, signals, exit codes.
source "$(dirname -- "${BASH_SOURCE[0]}")/checks.bash"

rank=$repository/Tests/LaunchTests/rank
cores=$(lscpu --parse=CORE,SOCKET | grep -v '^#' | sort -u | wc -l)
whole_machine=no
if (($(env -u OMP_NUM_THREADS nproc) == $(getconf _NPROCESSORS_ONLN))) &&
  ! grep -q '^[0-9]' /sys/fs/cgroup/cpu.max 2>/dev/null; then whole_machine=yes; fi

lines() { sort <<<"$out"; }

starts_ranks() {
  run "$launch/local" -n 3 -- "$rank" 0
  expect_status 0
  expect_match 'ranks' 'rank 0 of 3 .*rank 1 of 3 .*rank 2 of 3' "$(lines | tr '\n' ' ')"
  expect_match 'BLAS threads' 'blas 1' "$out"
}

binds() {
  if ((cores < 2)) || [[ $whole_machine == no ]]; then return; fi
  run "$launch/local" -n 2 -- "$rank" 0
  expect_equal 'distinct places of 2 ranks' 2 "$(sed 's/.* on //' <<<"$out" | sort -u | wc -l)"
  expect_no_match 'standard error' 'not bound' "$err"
  run "$launch/local" -n 1 --threads 2 -- "$rank" 0
  expect_match 'place of a rank with 2 threads' 'on [0-9]+[,-][0-9]+ ' "$out"
}

binds_without_lscpu() {
  mkdir -p -- "$scratch/bin"
  printf '#!/usr/bin/env bash\nexit 1\n' >"$scratch/bin/lscpu"
  chmod +x "$scratch/bin/lscpu"
  PATH=$scratch/bin:$PATH run "$launch/local" -n 1 -- "$rank" 0
  expect_status 0
  if [[ $whole_machine == yes ]]; then expect_no_match 'standard error' 'not bound' "$err"; fi
  rm -- "$scratch/bin/lscpu"
}

shares_cores() {
  run "$launch/local" -n $((cores + 1)) -- "$rank" 0
  expect_status 0
  expect_equal 'places of too many ranks' 1 "$(sed 's/.* on //' <<<"$out" | sort -u | wc -l)"
  expect_match 'standard error' 'not bound' "$err"
  run "$launch/local" -n 1 --no-bind -- "$rank" 0
  expect_equal 'standard error of --no-bind' '' "$err"
}

returns_exit_codes() {
  local code
  for code in 65 75 3; do
    run "$launch/local" -n 2 -- "$rank" 1 $code
    expect_status $code
  done
  run "$launch/local" -n 2 -- "$rank" 1 65
  expect_equal "standard error, left to the command" '' "$err"
  # shellcheck disable=SC2016 # for the rank's own shell
  run "$launch/local" -n 2 -- bash -c 'kill -SEGV $$'
  expect_status 139
  expect_match 'standard error' 'ended by signal SEGV' "$err"
}

refuses_bad_usage() {
  run "$launch/local" -n 0 -- true
  expect_status 64
  run "$launch/local" -- true
  expect_status 64
  run "$launch/local" -n 2
  expect_status 64
  run "$launch/local" -n 2 -- no-such-command
  expect_status 64
  expect_match 'standard error' "'no-such-command' is not a command" "$err"
}

passes_standard_input() {
  run "$launch/local" -n 2 -- cat < <(echo hello)
  expect_equal 'standard output' hello "$out"
}

# start ARGUMENT...: runs launch/local in the background, until its ranks say where they are. In a
# process group of its own, since a background job of this script would ignore INT.
start() {
  : >"$scratch/out" # else the lines of the job before could be taken for this one's
  set -m
  "$launch/local" -n 2 --no-bind -- "$rank" "$@" >"$scratch/out" 2>"$scratch/err" &
  job=$!
  set +m
  local attempt
  for ((attempt = 0; attempt < 100; attempt++)); do
    (($(grep -c rank "$scratch/out") < 2)) || return 0
    sleep 0.1
  done
  problems+=("the ranks did not start within 10 s")
}

end() {
  status=0
  wait "$job" || status=$?
  out=$(<"$scratch/out") err=$(<"$scratch/err")
}

turns_signals_into_usr1() {
  local signal
  for signal in USR1 TERM INT HUP; do
    # Ignored from the start, as HUP is under nohup and INT in the background: no script can undo it.
    [[ $(trap -p "$signal") != "trap -- ''"* ]] || continue
    start 300
    kill -s $signal "$job"
    end 2>/dev/null
    expect_status 75
    expect_equal "ranks that got USR1 for $signal" 2 "$(grep -c usr1 <<<"$out")"
  done
}

takes_a_double_signal_for_one() {
  start 300 0 ignore
  kill -TERM "$job"
  kill -TERM "$job"
  sleep 1
  expect_equal 'job still there' yes "$(kill -0 "$job" 2>/dev/null && echo yes || echo no)"
  kill -TERM "$job"
  end 2>/dev/null
  [[ $status != 0 ]] || problems+=("exit code: expected a failure, found 0")
  expect_match 'standard error' 'got TERM again' "$err"
}

signals_early() {
  local delay
  for delay in 0.1 0.2 0.3; do
    run timeout --preserve-status $delay "$launch/local" -n 2 --no-bind -- "$rank" 50
    # Either the ranks were ready to answer, or USR1 ended them before that; they do not run on.
    expect_match "exit code after $delay s" '^(75|138|143)$' "$status"
  done
}

settles_threads() {
  mkdir -p -- "$scratch/bin"
  # shellcheck disable=SC2016 # for the script that is written
  printf '#!/usr/bin/env bash\nprintf "%%s " "$@"\n' >"$scratch/bin/lockstep"
  chmod +x "$scratch/bin/lockstep"
  local -x PATH=$scratch/bin:$PATH
  run "$launch/local" -n 1 --threads 2 -- lockstep train --model m
  expect_equal 'arguments of train' 'train --model m --threads 2 ' "$out"
  run "$launch/local" -n 1 --no-bind -- lockstep train
  expect_equal 'arguments of an unbound train' 'train --threads 1 ' "$out"
  run "$launch/local" -n 1 -- lockstep train
  if [[ $whole_machine == yes ]]; then expect_equal 'arguments of a bound train' 'train ' "$out"; fi
  run "$launch/local" -n 1 -- lockstep train --threads 3
  expect_equal 'arguments of train --threads 3' 'train --threads 3 ' "$out"
  run "$launch/local" -n 1 --threads 2 -- lockstep evaluate --model m
  expect_equal 'arguments of evaluate' 'evaluate --model m ' "$out"
  run "$launch/local" -n 1 --no-bind -- lockstep bench step --model m
  expect_equal 'arguments of an unbound bench step' 'bench step --model m --threads 1 ' "$out"
  run "$launch/local" -n 1 --no-bind -- lockstep bench tokenize --model m
  expect_equal 'arguments of bench tokenize' 'bench tokenize --model m ' "$out"
  run "$launch/local" -n 1 --threads 2 -- lockstep train --threads=3
  expect_status 64
}

survives_a_long_tmpdir() {
  local -x TMPDIR
  TMPDIR=$scratch/$(printf 'x%.0s' {1..120})
  mkdir -p -- "$TMPDIR"
  run "$launch/local" -n 2 --no-bind -- "$rank" 0
  expect_status 0
}

test_that 'each rank is started, with one BLAS thread' starts_ranks
test_that 'ranks that fit get cores of their own' binds
test_that 'where lscpu finds nothing, every CPU counts as a core' binds_without_lscpu
test_that 'ranks that do not fit share the cores, and a note says so' shares_cores
test_that 'the exit code is that of the rank that failed' returns_exit_codes
test_that 'bad usage exits 64' refuses_bad_usage
test_that 'rank 0 reads standard input' passes_standard_input
test_that 'USR1, TERM, INT and HUP become USR1 for every rank' turns_signals_into_usr1
test_that 'two signals at a time count once, a later one ends the ranks' takes_a_double_signal_for_one
test_that 'a signal right after the start ends the job' signals_early
test_that 'threads are said once, here or in the lockstep command' settles_threads
test_that 'a TMPDIR too long for a socket is no obstacle' survives_a_long_tmpdir
finish

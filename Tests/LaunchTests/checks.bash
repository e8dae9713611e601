# What the launch tests share. A test file sources this, calls `test_that SENTENCE FUNCTION` for each
# test, and ends with `finish`.
# shellcheck disable=SC2034 # set for the test files

set -uo pipefail
repository=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
launch=$repository/launch
scratch=$(mktemp -d "${TMPDIR:-/tmp}/launch tests.XXXXXX") # with a space: paths are to be quoted
passed=0 failed=0
trap 'rm -rf -- "$scratch"' EXIT

# test_that SENTENCE FUNCTION: the function records failures with expect_*.
test_that() {
  problems=()
  "$2"
  if ((${#problems[@]} == 0)); then
    passed=$((passed + 1))
    printf 'ok: %s\n' "$1"
  else
    failed=$((failed + 1))
    printf 'FAILED: %s\n' "$1"
    printf '  %s\n' "${problems[@]}"
  fi
}

# run COMMAND...: sets status, out and err.
run() {
  status=0
  "$@" >"$scratch/out" 2>"$scratch/err" || status=$?
  out=$(<"$scratch/out") err=$(<"$scratch/err")
}

expect_equal() { # WHAT EXPECTED FOUND
  [[ $2 == "$3" ]] || problems+=("$1: expected '$2', found '$3'")
}

expect_status() { # EXPECTED
  [[ $1 == "$status" ]] || problems+=("exit code: expected $1, found $status; standard error: $err")
}

expect_match() { # WHAT PATTERN FOUND
  [[ $3 =~ $2 ]] || problems+=("$1: expected a match of '$2', found '$3'")
}

expect_no_match() { # WHAT PATTERN FOUND
  [[ ! $3 =~ $2 ]] || problems+=("$1: expected no match of '$2', found '$3'")
}

finish() {
  printf '%s: %d passed, %d failed\n' "$(basename -- "$0")" "$passed" "$failed"
  ((failed == 0 && passed > 0))
}

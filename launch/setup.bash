# What the launch scripts share: folders, messages, timed steps, and finding or installing what a
# build needs. Sourced by bash scripts that have set -euo pipefail; it starts nothing by itself.
# shellcheck disable=SC2034 # set for the scripts that source this file

# Without it a failure inside $(...) would be passed over there.
shopt -s inherit_errexit

launch=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
repository=$(dirname -- "$launch")
script=launch/$(basename -- "$0")
cache=${LOCKSTEP_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/lockstep}

# The packages of Debian and Ubuntu, and how to tell that what they bring is there already: a
# command, a file, or a module that pkg-config or Python knows.
package_probes=(
  'git command:git'
  'curl command:curl'
  'unzip command:unzip'
  'pkg-config command:pkg-config'
  'openmpi-bin command:mpirun'
  'libopenmpi-dev module:ompi-c'
  'libopenblas-dev module:openblas'
  'libhdf5-dev module:hdf5'
  'hdf5-tools command:h5dump'
  'mandoc command:mandoc'
  'python3 command:python3'
  'python3-pip python:pip'
  'python3-venv python:ensurepip'
  'chromium command:chromium'
  'fonts-dejavu-core file:/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf'
  'slurm-wlm command:slurmctld'
  'munge command:munged'
  'openssh-server command:sshd'
  'openssh-client command:ssh'
  'iproute2 command:ip'
  'qemu-user command:qemu-x86_64'
)

say() { printf '%s\n' "$*" >&2; }

# fail MESSAGE [EXIT CODE]
fail() {
  say "$script: $1"
  exit "${2:-1}"
}

usage_error() { fail "$1; --help lists what there is" 64; }

# value_of OPTION [VALUE...]: prints the value that follows an option.
value_of() {
  (($# > 1)) || usage_error "$1 needs a value"
  printf '%s' "$2"
}

# count_of OPTION [VALUE...]: likewise, and it must be a whole number from 1.
count_of() {
  local value
  value=$(value_of "$@")
  [[ $value =~ ^[1-9][0-9]{0,5}$ ]] || usage_error "$1 takes a whole number from 1, found '$value'"
  printf '%s' "$value"
}

# await PID: waits for a child through trapped signals, each of which ends `wait` early, and sets
# status to the child's own exit status.
await() {
  while :; do
    wait "$1" || true
    kill -0 "$1" 2>/dev/null || break
  done
  status=0
  wait "$1" || status=$?
}

# step DESCRIPTION COMMAND...: says what comes, runs it, and says how long it took. The command is
# not run as a condition, because `set -e` is off inside those.
step() {
  local description=$1 start=$SECONDS
  shift
  printf '\n==> %s\n' "$description" >&2
  "$@"
  say "    ($((SECONDS - start)) s)"
}

is_there() {
  case $1 in
    command:*) PATH=$PATH:/usr/sbin:/sbin command -v "${1#*:}" >/dev/null ;;
    module:*) command -v pkg-config >/dev/null && pkg-config --exists "${1#*:}" ;;
    file:*) [[ -f ${1#*:} ]] ;;
    python:*) command -v python3 >/dev/null && python3 -c "import ${1#*:}" 2>/dev/null ;;
  esac
}

# require_packages NAME...: names from package_probes. Installs what is missing where it may, else
# prints the line to run and stops.
require_packages() {
  local name entry missing=() install
  for name; do
    for entry in "${package_probes[@]}"; do
      if [[ ${entry% *} == "$name" ]] && ! is_there "${entry#* }"; then missing+=("$name"); fi
    done
  done
  if ((${#missing[@]} == 0)); then
    say "    all there: $*"
    return
  fi
  install="apt-get install -y --no-install-recommends ${missing[*]}"
  command -v apt-get >/dev/null ||
    fail "install what your system calls these Debian packages, then run this again: ${missing[*]}"
  if ((EUID == 0)); then
    say "    installing ${missing[*]}"
    install_packages env "${missing[@]}"
  elif command -v sudo >/dev/null && { [[ -t 0 ]] || sudo -n true 2>/dev/null; }; then
    say "    installing with sudo: ${missing[*]}"
    install_packages sudo "${missing[@]}"
  else
    say "    missing: ${missing[*]}"
    fail "run this, then start again: sudo $install"
  fi
}

# install_packages RUNNER NAME...: RUNNER is sudo or env.
install_packages() {
  local runner=$1
  shift
  local apt=("$runner" DEBIAN_FRONTEND=noninteractive apt-get -qq)
  "${apt[@]}" update >&2
  "${apt[@]}" install -y --no-install-recommends "$@" >&2
}

# Sets lockstep to an absolute path: builds this repository's release product unless it names one.
prepare_lockstep() {
  if [[ -z $lockstep ]]; then
    step "Libraries" require_packages git pkg-config libopenmpi-dev libopenblas-dev libhdf5-dev
    step "Swift" require_swift
    step "Release build (a few minutes the first time)" \
      swift build --package-path "$repository" -c release --product lockstep
    lockstep=$(swift build --package-path "$repository" -c release --show-bin-path)/lockstep
  fi
  [[ -x $lockstep ]] || fail "$lockstep: expected a program" 64
}

# Puts a Swift of at least 6.2 on PATH, looking where the installers put it.
require_swift() {
  local folder version major minor
  if ! command -v swift >/dev/null; then
    for folder in "${SWIFTLY_BIN_DIR:-${HOME:-}/.local/share/swiftly/bin}" "${HOME:-}/.swiftly/bin" \
      /{opt,usr/local}/swift/usr/bin /usr/libexec/swift/bin /usr/libexec/swift/*/bin; do
      if [[ -x $folder/swift ]]; then
        PATH=$folder:$PATH
        break
      fi
    done
  fi
  command -v swift >/dev/null ||
    fail "no Swift here; get 6.2 or newer from https://www.swift.org/install/linux, then run this again"
  version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9][0-9.]*\).*/\1/p' | head -n 1)
  IFS=. read -r major minor _ <<<"$version.0.0"
  if [[ -z $version ]] || ((major < 6 || (major == 6 && minor < 2))); then
    fail "Swift 6.2 or newer is needed, found '${version:-none}' ($(command -v swift)); see https://www.swift.org/install/linux"
  fi
  say "    Swift $version ($(command -v swift))"
}

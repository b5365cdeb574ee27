# What the shell suites share: named checks, each a function. Source it, call `check NAME FUNCTION`
# for each, and end with `finish`.

set -uo pipefail
IFS=, read -r -a KEY <<<"$KEYS"
FLASH=$BASE_URL/v1beta/models/gemini-2.5-flash
SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT
FAILED=0

fetch() { curl --silent --show-error --max-time 30 "$@"; }

# The status alone.
status() { fetch --output /dev/null --write-out '%{http_code}' "$@"; }

# A body that says the words given.
saying() { printf '{"contents":[{"parts":[{"text":"%s"}]}]}' "$1"; }

# The requests that reached the stand-in so far.
count() { fetch "$SIM_URL/sim/counters" | grep -o '"requests": *[0-9]*' | grep -o '[0-9]*'; }

# has TEXT PART…: fails, and says so, unless every part is in the text.
has() {
  local text=$1 part
  shift
  for part; do
    [[ $text == *"$part"* ]] || { printf 'wanted %s in: %.600s\n' "$part" "$text"; return 1; }
  done
}

check() {
  local said status
  # Not within `if`: there the shell would forget `set -e`.
  said=$( (set -e; "$2") 2>&1)
  status=$?
  if ((status == 0)); then
    echo "ok   $1"
  else
    echo "FAIL $1: $(tr '\n' ' ' <<<"$said")"
    FAILED=1
  fi
}

finish() { exit "$FAILED"; }

#!/usr/bin/env bash
# gemini-cli, Google's command line, without its screen. $NODE and $GEMINI_CLI are its programs.

cd "$(dirname "$0")" && source ./frame.sh

export HOME=$SCRATCH GEMINI_API_KEY=${KEY[0]} GOOGLE_GEMINI_BASE_URL=$BASE_URL
export GEMINI_CLI_TRUST_WORKSPACE=true NO_COLOR=1
mkdir -p "$HOME/.gemini" "$HOME/work"
cat >"$HOME/.gemini/settings.json" <<'JSON'
{
  "security": { "auth": { "selectedType": "gemini-api-key" } },
  "general": { "disableAutoUpdate": true, "disableUpdateNag": true },
  "privacy": { "usageStatisticsEnabled": false },
  "telemetry": { "enabled": false }
}
JSON

gemini() { (cd "$HOME/work" && timeout 90 "$NODE" "$GEMINI_CLI" --model gemini-2.5-flash "$@" 2>&1); }

prompt() {
  has "$(gemini --prompt 'say hello to the table')" 'say hello to the table'
}

json() {
  has "$(gemini --output-format json --prompt 'as JSON please')" '"response"' 'as JSON please'
}

# The installation's own number is nobody's business.
private() {
  local log
  log=$(fetch "$SIM_URL/sim/log?since=1")
  has "$log" 'streamGenerateContent'
  [[ $log != *privileged-user-id* ]]
}

check 'a prompt is answered' prompt
check 'a prompt is answered as JSON' json
check 'Google does not learn the installation' private
finish

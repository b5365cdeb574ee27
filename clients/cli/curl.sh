#!/usr/bin/env bash
# curl: what goes over the wire, header by header, and Potluck's own routes.

cd "$(dirname "$0")" && source ./frame.sh

JSON='content-type: application/json'

joins() {
  local key
  for key in "${KEY[@]}"; do
    has "$(fetch -D - "$FLASH:generateContent" -H "$JSON" -H "x-goog-api-key: $key" \
      -d "$(saying "hello from one of them")")" 'hello from one of them' 'x-potluck-key: stored'
  done
  has "$(fetch "$BASE_URL/keycount")" "\"keyCount\":${#KEY[@]}" '"message":"success"'
}

four_ways() {
  local url=$FLASH:generateContent body
  body=$(saying 'shown in four ways')
  has "$(fetch "$url" -H "$JSON" -H "x-goog-api-key: ${KEY[0]}" -d "$body")" 'four ways'
  has "$(fetch "$url?key=${KEY[0]}" -H "$JSON" -d "$body")" 'four ways'
  has "$(fetch "$url" -H "$JSON" -H "Authorization: Bearer ${KEY[0]}" -d "$body")" 'four ways'
  has "$(fetch "$url" -H "$JSON" -H "x-api-key: ${KEY[0]}" -d "$body")" 'four ways'
}

four_ways_compatible() {
  local url=$BASE_URL/v1/chat/completions body
  body='{"model":"gemini-2.5-flash","messages":[{"role":"user","content":"four ways here"}]}'
  has "$(fetch "$url" -H "$JSON" -H "x-goog-api-key: ${KEY[0]}" -d "$body")" 'four ways here'
  has "$(fetch "$url?key=${KEY[0]}" -H "$JSON" -d "$body")" 'four ways here'
  has "$(fetch "$url" -H "$JSON" -H "Authorization: Bearer ${KEY[0]}" -d "$body")" 'four ways here'
  has "$(fetch "$url" -H "$JSON" -H "x-api-key: ${KEY[0]}" -d "$body")" 'four ways here'
}

refused_here() {
  local before body url=$FLASH:generateContent
  before=$(count) body=$(saying 'x')
  [[ $(status "$url" -H "$JSON" -d "$body") == 403 ]]
  [[ $(status "$url?key=${KEY[1]}" -H "$JSON" -H "x-goog-api-key: ${KEY[0]}" -d "$body") == 400 ]]
  [[ $(status "$url" -H "$JSON" -H 'Authorization: Bearer sk-abcdefghijklmnopqrstuvwx' -d "$body") == 4* ]]
  [[ $(status "$url" -H "$JSON" -H 'Authorization: Bearer ya29.abcdefghijklmnopqrstuv' -d "$body") == 4* ]]
  has "$(fetch "$BASE_URL/nothing/here")" '"code":404' 'POOL_'
  [[ $(count) == "$before" ]] || { echo 'Google was asked'; return 1; }
}

no_version() {
  has "$(fetch "$BASE_URL/models/gemini-2.5-flash:generateContent" -H "$JSON" \
    -H "x-goog-api-key: ${KEY[0]}" -d "$(saying 'no version')")" 'no version'
}

streams() {
  local events array
  events=$(fetch -N "$FLASH:streamGenerateContent?alt=sse" -H "$JSON" \
    -H "x-goog-api-key: ${KEY[0]}" -d "$(saying 'one two three four five six seven eight nine')")
  (($(grep -c '^data: {' <<<"$events") > 1))
  has "$events" '"finishReason"' $'\r\n\r\n'
  array=$(fetch -N "$FLASH:streamGenerateContent" -H "$JSON" -H "x-goog-api-key: ${KEY[0]}" \
    -d "$(saying 'one two three four five six seven eight nine')")
  [[ $array == '['* ]]
  has "$array" '"finishReason"' ']'
}

tells_how() {
  local head
  head=$(fetch -D - -o /dev/null "$FLASH:generateContent" -H "$JSON" \
    -H "x-goog-api-key: ${KEY[0]}" -H 'x-potluck-route: own' -d "$(saying 'x')")
  has "$head" 'x-potluck-served-by: own' 'x-potluck-key: known' 'x-potluck-attempts: 1' 'x-request-id: '
}

start_upload() {
  fetch -D - -o /dev/null -X POST "$BASE_URL/upload/v1beta/files" -H "$JSON" \
    -H "x-goog-api-key: ${KEY[0]}" -H 'X-Goog-Upload-Protocol: resumable' \
    -H 'X-Goog-Upload-Command: start' -H 'X-Goog-Upload-Header-Content-Length: 11' \
    -H 'X-Goog-Upload-Header-Content-Type: text/plain' -d '{"file":{"displayName":"note"}}'
}

# put URL OFFSET COMMAND BYTES: one part, with no key at all.
put() {
  fetch -D - -X POST "$1" -H "X-Goog-Upload-Offset: $2" -H "X-Goog-Upload-Command: $3" \
    -H 'content-type:' --data-binary "$4"
}

uploads() {
  local url done name
  url=$(start_upload | tr -d '\r' | sed -n 's/^x-goog-upload-url: //Ip')
  has "$url" "$BASE_URL/upload/v1beta/files?" 'upload_id='
  has "$(put "$url" 0 upload 'hello ')" 'x-goog-upload-status: active'
  done=$(put "$url" 6 'upload, finalize' 'world')
  has "$done" 'x-goog-upload-status: final' '"sizeBytes"'
  name=$(grep -o 'files/[a-z0-9-]*' <<<"$done" | head -1)
  has "$(fetch "$BASE_URL/v1beta/$name" -H "x-goog-api-key: ${KEY[0]}")" "$name"
  [[ $(status -X DELETE "$BASE_URL/v1beta/$name" -H "x-goog-api-key: ${KEY[0]}") == 200 ]]
}

forged_uploads() {
  local url before
  url=$(start_upload | tr -d '\r' | sed -n 's/^x-goog-upload-url: //Ip')
  before=$(count)
  has "$(put "${url/upload_id=/upload_id=another}" 0 upload 'hello ')" 'HTTP/1.1 4'
  [[ $(count) == "$before" ]] || { echo 'Google was asked'; return 1; }
}

preflight() {
  local head
  head=$(fetch -D - -o /dev/null -X OPTIONS "$FLASH:generateContent" \
    -H 'Origin: https://app.example' -H 'Access-Control-Request-Method: POST' \
    -H 'Access-Control-Request-Headers: content-type,x-goog-api-key,x-goog-api-client' \
    | tr 'A-Z' 'a-z')
  has "$head" 'access-control-allow-origin: ' 'access-control-allow-methods: ' 'x-goog-api-client'
  head=$(fetch -D - -o /dev/null "$FLASH" -H 'Origin: https://app.example' \
    -H "x-goog-api-key: ${KEY[0]}" | tr 'A-Z' 'a-z')
  has "$head" 'access-control-allow-origin: ' 'x-goog-upload-url' 'x-potluck-served-by'
}

own_routes() {
  has "$(fetch "$BASE_URL/healthz" -w '%{http_code}')" 200
  has "$(fetch "$BASE_URL/readyz" -w '%{http_code}')" 200
  has "$(fetch -D - "$BASE_URL/badge.svg")" 'image/svg+xml' '<svg'
  has "$(fetch "$BASE_URL/pool")" '{' "${#KEY[@]}"
}

metrics() { has "$(fetch "$BASE_URL/metrics")" '# TYPE'; }

me() {
  local mine=(-H "x-goog-api-key: ${KEY[1]}" "$BASE_URL/pool/me") said
  said=$(fetch "${mine[@]}")
  has "$said" '{'
  [[ $said != *"${KEY[1]}"* ]]
  has "$(fetch -X PATCH "${mine[@]}" -H "$JSON" -d '{"paused": true}' -w '%{http_code}')" 20
  has "$(fetch "${mine[@]}")" '"paused":true'
  has "$(fetch -X PATCH "${mine[@]}" -H "$JSON" -d '{"paused": false}' -w '%{http_code}')" 20
}

withdraw() {
  local mine=(-H "x-goog-api-key: ${KEY[2]}") n
  [[ $(status -X DELETE "${mine[@]}" "$BASE_URL/pool/me") == 204 ]]
  n=$((${#KEY[@]} - 1))
  has "$(fetch "$BASE_URL/keycount")" "\"keyCount\":$n"
  has "$(fetch -D - "$FLASH:generateContent" -H "$JSON" "${mine[@]}" -d "$(saying 'still me')")" \
    'still me' 'x-potluck-served-by: own' 'x-potluck-key: not-stored'
  has "$(fetch "$BASE_URL/keycount")" "\"keyCount\":$n"
}

tls() {
  has "$(fetch --cacert "$CA_FILE" "$BASE_URL_TLS/v1beta/models/gemini-2.5-flash:generateContent" \
    -H "$JSON" -H "x-goog-api-key: ${KEY[0]}" -d "$(saying 'over TLS')")" 'over TLS'
}

check 'keys join by their first call, and are counted' joins
check 'a key is shown in four ways' four_ways
check 'a key is shown in four ways on compatible routes' four_ways_compatible
check 'no key, two keys, no key of Google, an unknown path: refused here' refused_here
check 'a path without a version' no_version
check 'streams: events and a JSON array' streams
check 'an answer tells how it was served' tells_how
check 'uploads: the parts need no key' uploads
check 'uploads: a forged URL is refused here' forged_uploads
check 'browsers: preflight and exposed headers' preflight
check 'health, badge, pool' own_routes
check 'metrics, on the machine itself' metrics
check 'a contributor looks and pauses' me
check 'a contributor withdraws and stays out' withdraw
check 'TLS' tls
finish

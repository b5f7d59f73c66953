#!/bin/sh
# The recipe that is passed around for one push from a shell: openssl signs the provider token, in DER, and curl sends it.
# Prints the answer's body, then its status. Arguments are curl's, such as the protocol; the rest comes by environment.
set -eu

base64url() {
  openssl base64 -e -A | tr '+/' '-_' | tr -d '='
}

header=$(printf '{ "alg": "ES256", "kid": "%s" }' "$KEY_ID" | base64url)
claims=$(printf '{ "iss": "%s", "iat": %d }' "$TEAM_ID" "$(date +%s)" | base64url)
signature=$(printf '%s.%s' "$header" "$claims" | openssl dgst -binary -sha256 -sign "$KEY_FILE" | base64url)

exec curl --silent --show-error --cacert "$CA_FILE" --write-out '%{http_code}' "$@" \
  --header "apns-topic: $TOPIC" --header 'apns-push-type: alert' \
  --header "authorization: bearer $header.$claims.$signature" \
  --data '{"aps":{"alert":"Hello","badge":3}}' "$URL/3/device/$DEVICE"

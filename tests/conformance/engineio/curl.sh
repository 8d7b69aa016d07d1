#!/usr/bin/env bash
# Sessions on polling with nothing but curl, against an echo server. Arguments: its URL,
# and which EIO, 4 or 3.
set -uo pipefail

url=$1/engine.io/ version=$2
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

ask() { # a query, and options of curl
    local query=$1
    shift
    curl --silent --max-time 20 "$@" "$url?EIO=$version&transport=polling$query"
}

# A payload of one text packet, whose characters are all of ASCII.
payload() {
    if [[ $version == 4 ]]; then printf %s "$1"; else printf '%s:%s' ${#1} "$1"; fi
}

open() {
    sid=$(ask '' | sed -n 's/.*"sid":"\([^"]*\)".*/\1/p')
}

post() {
    ask "&sid=$sid" --data-binary "$1" -H 'Content-Type: text/plain;charset=UTF-8'
}

poll() {
    ask "&sid=$sid"
}

check() { # a name, what is wanted, what there is
    if [[ $2 == "$3" ]]; then echo "ok      $1"; else echo "FAILED  $1: '$3' instead of '$2'"; fi
}

open
check 'a session is opened' yes "$([[ -n $sid ]] && echo yes)"
check 'a POST is answered with ok' ok "$(post "$(payload 4hello)")"
check 'a GET brings the echo' "$(payload 4hello)" "$(poll)"

poll >"$folder/parked" &
sleep 0.2
check 'a POST while a GET waits' ok "$(post "$(payload 4again)")"
wait
check 'the GET that waited brings it' "$(payload 4again)" "$(cat "$folder/parked")"

code=$(ask "&sid=$sid" --output /dev/null --write-out '%{http_code} %{content_type}' \
    --request POST --data-binary "$(payload 4x)")
check 'the status of a POST' 200 "${code%% *}"
check 'and its echo' "$(payload 4x)" "$(poll)"

poll >"$folder/parked" &
sleep 0.2
check 'a close packet is answered with ok' ok "$(post "$(payload 1)")"
wait
check 'the GET that waited gets a noop' "$(payload 6)" "$(cat "$folder/parked")"
check 'the session is unknown then' '{"code":1,"message":"Session ID unknown"}' "$(poll)"

check 'a HEAD of the handshake is refused' 400 \
    "$(ask '' --head --output /dev/null --write-out '%{http_code}')"

# Expect: 100-continue, which curl sends for what is large; and compression, asked for.
open
yes 0123456789abcde | head -c 899999 | tr '\n' ' ' | sed 's/^/4/' >"$folder/packet"
if [[ $version == 4 ]]; then cp "$folder/packet" "$folder/body"; else
    { printf '%s:' "$(wc -c <"$folder/packet")" && cat "$folder/packet"; } >"$folder/body"
fi
answer=$(ask "&sid=$sid" --data-binary "@$folder/body" -H 'Content-Type: text/plain' \
    -H 'Expect: 100-continue')
check 'a large POST that waits for 100' ok "$answer"
ask "&sid=$sid" --compressed >"$folder/echo"
check 'and its echo' same "$(cmp --silent "$folder/body" "$folder/echo" && echo same)"

# HTTP/1.0 has no chunks.
open
post "$(payload 4old)" >"$folder/ok"
check 'a GET of HTTP/1.0' "$(payload 4old)" "$(ask "&sid=$sid" --http1.0)"
echo done

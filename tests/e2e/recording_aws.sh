#!/bin/sh
# An aws for tests: put-object puts a file where the local host of the issuer serves it, sts is the real program,
# and everything else is only recorded.
echo "$*" >> "$RECORDED"
case "$1 $2" in
    "sts "*)
        exec "$REAL_AWS" "$@"
        ;;
    "s3api put-object")
        while [ $# -gt 0 ]; do
            case "$1" in
                --key) key=$2 ;;
                --body) body=$2 ;;
            esac
            shift
        done
        mkdir -p "$SERVED/$(dirname "$key")"
        cp "$body" "$SERVED/$key"
        ;;
esac

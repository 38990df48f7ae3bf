#!/bin/sh
# Make the secrets of a stack, at random.
#   secrets.sh dev         write them to overlays/dev/secrets/, which git ignores, unless they are there
#   secrets.sh prod EMAIL  print them as manifests for `kubectl apply -f -`, with the first administrator's address
# A password of NATS begins with a letter: the server reads what begins with a digit as a number.
set -eu
here=$(dirname "$0")

random() { od -An -v -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

nats_passwords() {
    for user in GATEWAY REGISTRY DISPATCHER HISTORY PROVISIONER RECOVERY OPERATOR OBSERVER ROUTES; do
        echo "WS_NATS_${user}_PASSWORD=p$(random 20)"
    done
}

manifest() {
    printf -- '---\napiVersion: v1\nkind: Secret\ntype: Opaque\nmetadata:\n  name: %s\n  namespace: websocket-spaces\nstringData:\n' "$1"
    sed 's/^\([^=]*\)=\(.*\)$/  \1: "\2"/'
}

case "${1:-}" in
dev)
    to=$here/overlays/dev/secrets
    if [ -e "$to" ]; then
        echo "$to is there already" >&2
        exit 0
    fi
    umask 077
    mkdir -p "$to.new"
    database=$(random 20)
    nats_passwords >"$to.new/nats-passwords.env"
    printf 'password=%s\nuri=postgresql://spaces:%s@postgres:5432/spaces\n' "$database" "$database" >"$to.new/postgres-app.env"
    printf 'secret-key=%s\n' "$(random 32)" >"$to.new/gateway.env"
    printf 'email=admin@localhost\npassword=%s\n' "$(random 12)" >"$to.new/first-admin.env"
    mv "$to.new" "$to"
    ;;
prod)
    email=${2:?the address of the first administrator is needed}
    nats_passwords | manifest nats-passwords
    printf 'secret-key=%s\n' "$(random 32)" | manifest gateway
    printf 'email=%s\npassword=%s\n' "$email" "$(random 12)" | manifest first-admin
    ;;
*)
    sed -n '2,5s/^# //p' "$0" >&2
    exit 2
    ;;
esac

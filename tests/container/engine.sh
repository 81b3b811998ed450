#!/usr/bin/env bash
# A Docker engine with compose and a base image, for the tests in this folder.
#
#   tests/container/engine.sh up      use the engine that runs; else install (Debian, root) and start one
#   tests/container/engine.sh down    end the engine, if this script started it
#
# What it makes is in .engine/ of the checkout; nothing goes into anybody's home folder. Where no image
# can be pulled, the base image is made from Debian packages and gets the official one's tag. It
# ends with 1 and says why, if there can be no engine: then the container tests are skipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
STATE=$PWD/.engine
BASE=${BULKHEAD_BASE:-python:3.11-slim}
CERTIFICATES=/usr/local/share/ca-certificates
export DOCKER_CONFIG=${DOCKER_CONFIG:-$STATE/docker}

say() { echo "engine: $*" >&2; }

answers() { timeout 20 docker info >/dev/null 2>&1; }

install_packages() {
	local missing=()
	command -v dockerd >/dev/null || missing+=(docker.io iptables)
	command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
	[ ${#missing[@]} -eq 0 ] && return
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		say "no engine answers, and ${missing[*]} can only be installed by root on Debian"
		return 1
	fi
	say "installing ${missing[*]}"
	{ apt-get update -q && apt-get install -y -q --no-install-recommends "${missing[@]}"; } \
		>"$STATE/apt.log" 2>&1 || { tail -n 5 "$STATE/apt.log" >&2; return 1; }
}

start_engine() {
	install_packages
	# An engine that was killed leaves its pid file, and the next one refuses to start because of it.
	pgrep -x dockerd >/dev/null || rm -f /var/run/docker.pid /var/run/docker/containerd/containerd.pid
	nohup dockerd >"$STATE/dockerd.log" 2>&1 &
	echo $! >"$STATE/dockerd.pid"
	for _ in $(seq 60); do
		answers && return
		kill -0 "$(cat "$STATE/dockerd.pid")" 2>/dev/null || break
		sleep 0.5
	done
	say "dockerd did not start; its last lines:"
	tail -n 20 "$STATE/dockerd.log" >&2
	return 1
}

install_compose() {
	docker compose version >/dev/null 2>&1 && return
	say "installing the compose plugin into $DOCKER_CONFIG"
	.venv/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes \
		--target "$STATE/compose" --upgrade -r tests/container/compose-plugin.txt
	mkdir -p "$DOCKER_CONFIG/cli-plugins"
	cp "$STATE/compose/bin/docker-compose" "$DOCKER_CONFIG/cli-plugins/docker-compose"
	docker compose version >/dev/null
}

make_base_image() {
	say "$BASE cannot be pulled: making a stand-in from Debian packages"
	install_packages
	# shellcheck disable=SC2016 # $1 and the rest belong to the hook
	mmdebstrap --quiet --variant=minbase --include=python3,python3-pip,ca-certificates --customize-hook='
		root=$1
		rm -f "$root"/usr/lib/python3.11/EXTERNALLY-MANAGED "$root"/var/cache/apt/archives/*.deb
		mkdir -p "$root"'"$CERTIFICATES"'
		cp '"$CERTIFICATES"'/*.crt "$root"'"$CERTIFICATES"'/ 2>/dev/null || true
		chroot "$root" update-ca-certificates >/dev/null
		for name in python python3; do ln -sf /usr/bin/python3 "$root"/usr/local/bin/$name; done
	' bookworm "$STATE/base.tar"
	docker import -c 'CMD ["python3"]' \
		-c 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' \
		-c 'ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt' \
		"$STATE/base.tar" "$BASE" >/dev/null
	rm -f "$STATE/base.tar"
}

up() {
	mkdir -p "$STATE" "$DOCKER_CONFIG"
	answers || start_engine
	install_compose
	docker image inspect "$BASE" >/dev/null 2>&1 || docker pull --quiet "$BASE" >/dev/null 2>&1 \
		|| make_base_image
	say "ready: $(docker version --format '{{.Server.Version}}'), $(docker compose version), $BASE"
}

down() {
	local pid
	pid=$(cat "$STATE/dockerd.pid" 2>/dev/null) || return 0
	if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]; then
		kill -TERM "$pid"
		while kill -0 "$pid" 2>/dev/null; do sleep 0.2; done
	fi
	rm -f "$STATE/dockerd.pid"
}

case ${1:-} in
up | down) "$1" ;;
*) say "say up or down" && exit 64 ;;
esac

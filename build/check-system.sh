#!/bin/sh
# Names the first system package that set-up or simulation would miss, one line, before anything else.
python=${1:-python3}

missing() {
    echo "$1 is missing: apt-get install $2" >&2
    exit 1
}

command -v "$python" >/dev/null || missing "$python" python3
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "$python is $("$python" -V 2>&1), 3.11 or newer is needed: make PYTHON=python3.12 ..." >&2
    exit 1
}
"$python" -c 'import venv, ensurepip' 2>/dev/null || missing "python3-venv" python3-venv
for tool in g++ make perl git; do
    command -v "$tool" >/dev/null || missing "$tool" "$tool"
done

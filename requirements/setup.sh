#!/bin/sh
# Makes .venv from requirements/dev.txt: every file is a wheel whose hash stands in that list.
# Usage: sh requirements/setup.sh STAMP      (STAMP is written last: a broken-off install starts again)
set -eu
stamp=$1

in_range() { # has Python $1 a version that the package supports, and what venv needs?
    "$1" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

find_python() {
    for name in ${PYTHON:-python3.11 python3.12 python3.13 python3 python}; do
        if in_range "$name"; then
            echo "$name"
            return
        fi
    done
    echo "setup: expected Python 3.11, 3.12 or 3.13 with its venv module; found none as" \
        "${PYTHON:-python3.11, python3.12, python3.13, python3 or python};" \
        "install one (Debian: apt-get install python3-venv) or name it: make PYTHON=/path/to/python3" >&2
    return 1
}

up_to_date() {
    [ -e "$stamp" ] && [ -z "$(find requirements pyproject.toml -newer "$stamp" -type f)" ]
}

# Two chores started at once: the second waits and finds the work done.
if command -v flock >/dev/null; then
    exec 9>.venv.lock
    flock 9
fi
if up_to_date; then
    exit 0
fi

if ! in_range .venv/bin/python; then
    python=$(find_python)
    echo "setup: making .venv with $("$python" --version)" >&2
    "$python" -m venv --clear .venv
fi
echo "setup: installing requirements/dev.txt (hundreds of MB the first time; minutes without a word)" >&2
.venv/bin/python -m pip install --quiet --disable-pip-version-check \
    --require-hashes --only-binary :all: --no-deps -r requirements/dev.txt
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
.venv/bin/python -m pip check >&2
touch "$stamp"

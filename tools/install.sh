#!/bin/sh
# Make the virtual environment VENV if need be and install WHAT into it, editable. Whatever the machine lacks for that
# is said in one sentence on standard error, with exit status 1; pip's own output goes to VENV/install.log.
#
# Usage: PYTHON=python3 tools/install.sh VENV WHAT        for example  tools/install.sh .venv '.[test]'
set -u
venv=$1
what=$2
python=${PYTHON:-python3}

stop() {
    echo "archsim: $*" >&2
    exit 1
}

# The interpreter: these two run on any Python, however old.
found=$("$python" --version 2>&1) ||
    stop "'$python' is no Python that runs: install Python 3.11 or newer, or name another with PYTHON=, as in 'make run PYTHON=python3.12'."
[ "$("$python" -c 'import sys; print(sys.version_info >= (3, 11))' 2>&1)" = True ] ||
    stop "'$python' is $found, and 3.11 or newer is needed: install one and name it with PYTHON=, as in 'make run PYTHON=python3.12'."
release=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    stop "'$python' cannot make virtual environments: install its venv module (Debian and Ubuntu: apt install python$release-venv)."

# The compiler that setuptools will call, and the headers it will ask for.
cc=${CC:-$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("CC") or "cc")')}
headers=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
echo 'int probe(void) { return 0; }' >"$scratch/probe.c"
# shellcheck disable=SC2086  # CC may carry options
$cc -c "$scratch/probe.c" -o "$scratch/probe.o" >/dev/null 2>&1 && [ -s "$scratch/probe.o" ] ||
    stop "the C compiler '$cc' does not work: install one (Debian and Ubuntu: apt install build-essential; macOS: xcode-select --install) or name another with CC=."
[ -f "$headers/Python.h" ] ||
    stop "the C headers of '$python' are missing: install them (Debian and Ubuntu: apt install python$release-dev)."

# A venv that was moved, cut short, or made by another release is made anew.
runs() { "$venv/bin/python" -c "import pip, sys; sys.exit('%d.%d' % sys.version_info[:2] != '$release')" 2>/dev/null; }
runs || {
    rm -rf "$venv"
    mkdir -p "$venv" && "$python" -m venv "$venv" >"$scratch/venv.log" 2>&1 ||
        stop "'$python -m venv $venv' failed: $(tail -n 1 "$scratch/venv.log")"
}

echo "archsim: installing $what into $venv with Python $release (minutes the first time: it compiles the kernels)"
log=$venv/install.log
"$venv/bin/python" -m pip install --editable "$what" >"$log" 2>&1 && exit 0
grep -qE '[(]from versions: none[)]|ERROR:.*Max retries exceeded|^ *pip[.]_vendor[.](urllib3|requests)[.]exceptions' "$log" &&
    stop "pip reaches no package index: connect to the network, or set PIP_INDEX_URL to an index within reach, and try again ($log has the details)."
stop "pip could not install $what: the end of $log says why."

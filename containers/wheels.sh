#!/bin/sh
# Gathers everything that the image needs into a folder, on a machine with network and the same Python and processor:
#
#     containers/wheels.sh wheels [EXTRA,EXTRA …]
#
# The folder is carried to where there is no network; `pip install --no-index --find-links wheels qaz-llm` works from it, too.
set -eu
out=${1:?name a folder for the wheels}
extras=${2:-}
here=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
mkdir -p "$out"
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
"$python" -m venv "$build/env"
pip="$build/env/bin/python -m pip --disable-pip-version-check --quiet"
# DeepSpeed ships as source and looks for torch while it is built, so torch goes first and the build is not isolated.
$pip install --constraint "$here/constraints.txt" setuptools wheel ninja torch
$pip wheel --no-deps --no-build-isolation --constraint "$here/constraints.txt" --wheel-dir "$out" deepspeed
$pip wheel --constraint "$here/constraints.txt" --find-links "$out" --wheel-dir "$out" "$here${extras:+[$extras]}"
cp "$here/constraints.txt" "$out/"
(cd "$out" && sha256sum ./*.whl constraints.txt > SHA256SUMS)
echo "$out: $(ls "$out" | grep -c 'whl$') wheels, $(du -sh "$out" | cut -f1)"

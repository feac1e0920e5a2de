#!/bin/sh
# A familiar front for the quick cluster: cluster-ctl.sh up|status|info|logs|shell|exec|stop|start|clean.
# All it does is: clusteros-build cluster ...
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
exec node "$here/../../bin/clusteros-build.mjs" cluster "$@"

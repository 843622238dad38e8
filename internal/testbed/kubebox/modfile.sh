#!/usr/bin/env bash
# Writes this folder's go.mod for one Kubernetes release. Rarely needed: only to move to another release.
#
# The published k8s.io/kubernetes requires its staging modules (k8s.io/api and the rest) at v0.0.0 and replaces each
# by a folder that the published module lacks, so the module that builds it has to replace each by its own release:
# v0.X.Y for Kubernetes v1.X.Y.
#
# usage: ./modfile.sh 1.37.2 0.8.0      (Kubernetes, kwok)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
kubernetes=${1:?a Kubernetes version such as 1.37.2} kwok=${2:?a kwok version such as 0.8.0}
published=$(cd / && go list -m -f '{{.GoMod}}' "k8s.io/kubernetes@v$kubernetes")
{
	printf 'module kubebox\n\n'
	grep -m1 '^go ' "$published"
	printf '\nrequire k8s.io/kubernetes v%s\nrequire sigs.k8s.io/kwok v%s\n\nreplace (\n' "$kubernetes" "$kwok"
	sed -n 's#^\t\(k8s\.io/[a-z-]*\) => \./staging/.*#\t\1 => \1 v0.'"${kubernetes#1.}"'#p' "$published"
	printf ')\n'
} >go.mod.new
mv go.mod.new go.mod
go mod tidy

#!/bin/sh
# Build the simulator with each bug of plants.txt in turn, and see it caught:
#   plants.sh BUILD 'COMPILER AND FLAGS' 'LIBRARIES' [PART OF A NAME]
set -eu
build=$1 flags=$2 libs=$3 only=${4:-}
out=$build/sim/plants bad=0
mkdir -p "$out"

while IFS='|' read -r name file seeds edit; do
	case $name in '#'* | '') continue ;; esac
	case $name in *"$only"*) ;; *) continue ;; esac
	key=$(printf %s "$name" | tr -cs 'a-zA-Z0-9\n' -)
	sed -E "$edit" "$file" >"$out/$key.new"
	lines=$(diff "$file" "$out/$key.new" | grep -c '^>' || true)
	if [ "$lines" -ne 1 ]; then
		echo "planted: $name: changes $lines lines of $file, not 1"
		bad=1
		continue
	fi
	posix=
	[ "$file" != src/net/data.c ] ||
		posix='-include tests/sim/disk_posix.h'
	if ! cmp -s "$out/$key.new" "$out/$key.c" ||
	    [ "$build/sim/sim" -nt "$out/$key" ]; then
		mv "$out/$key.new" "$out/$key.c"
		others=$(ls "$build"/sim/tests/sim/*.o)
		[ -n "$posix" ] || others="$others $build/sim/disk_data.o"
		$flags $posix -I"$(dirname "$file")" -c -o "$out/$key.o" \
			"$out/$key.c"
		$flags -o "$out/$key" $others "$out/$key.o" \
			"$build/sim/libadit.a" $libs
	fi
	accounts=
	case $seeds in a*) accounts=--accounts seeds=${seeds#a} ;; esac
	"$out/$key" --caught "$seeds" --name "$name" $accounts || bad=1
done <tests/sim/plants.txt
exit $bad

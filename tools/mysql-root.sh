#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Puts a real MySQL server, which Debian 12 does not have, into a folder: a debootstrap of Debian
# sid with mysql-server-core, and a wrapper FOLDER/mysqld that runs it with sid's own loader and
# libraries, as any user and without chroot. `make test-mysql` uses it through HOLDFAST_MYSQLD.
#
# usage: mysql-root.sh FOLDER      (needs root for debootstrap; does nothing when it is there)
set -eu

[ $# -eq 1 ] || {
    echo "usage: mysql-root.sh FOLDER" >&2
    exit 64
}
mkdir -p "$1"
folder=$(cd "$1" && pwd)
root=$folder/root

if [ ! -x "$root/usr/sbin/mysqld" ]; then
    [ "$(id -u)" -eq 0 ] || {
        echo "mysql-root: debootstrap needs root" >&2
        exit 71
    }
    echo "mysql-root: installing Debian sid's mysql-server-core into $root" >&2
    rm -rf "$root"
    debootstrap --variant=minbase --include=mysql-server-core sid "$root" \
        >"$folder/debootstrap.log" 2>&1 || {
        echo "mysql-root: debootstrap failed, see $folder/debootstrap.log" >&2
        exit 71
    }
fi

cat >"$folder/mysqld" <<EOF
#!/bin/sh
exec "$root/lib64/ld-linux-x86-64.so.2" \\
    --library-path "$root/usr/lib/x86_64-linux-gnu:$root/usr/lib/mysql/private" \\
    "$root/usr/sbin/mysqld" "\$@"
EOF
chmod +x "$folder/mysqld"
"$folder/mysqld" --no-defaults --version

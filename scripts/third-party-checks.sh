#!/usr/bin/env bash
# usage: scripts/third-party-checks.sh [PROGRAM]
# Runs other people's programs, which check their own results, on a directory that alluxio-fuse has mounted: fio with
# verification, sqlite3 with both journals, git, tar, and the file system stressors of stress-ng. Needs root, /dev/fuse and
# the packages fio, sqlite3, git, tar and stress-ng. PROGRAM is the alluxio-fuse to try; without it the debug build's.
# Takes about three minutes. Exit 0 only if every check held.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=${1:-}
if [ -z "$program" ]; then
  program=$(cd "$root" && swift build --show-bin-path)/alluxio-fuse
fi
[ -x "$program" ] || { echo "third-party checks: $program is not built; run make build first" >&2; exit 1; }
[ "$(id -u)" -eq 0 ] || { echo "third-party checks: mounting needs root; run this with sudo" >&2; exit 1; }
for tool in fio sqlite3 git tar stress-ng; do
  command -v "$tool" > /dev/null || { echo "third-party checks: $tool is missing; run make deps" >&2; exit 1; }
done

work=$(mktemp -d /tmp/third-party.XXXXXX)
server=
finish() {
  cd /
  if mountpoint -q "$work/mount"; then umount "$work/mount" || umount --lazy "$work/mount"; fi
  [ -z "$server" ] || wait "$server" || true
  rm -rf "$work"
}
trap finish EXIT
mkdir "$work/source" "$work/mount"
mkfifo "$work/started"
"$program" mount "file://$work/source" "$work/mount" > "$work/started" 2> "$work/log" &
server=$!
# The line comes when the mount is served.
read -r line < "$work/started" || { cat "$work/log" >&2; exit 1; }
echo "$line"
mount=$work/mount

check() {
  local name=$1 begin=$SECONDS
  shift
  if "$@" > "$work/output" 2>&1; then
    printf 'ok    %-48s %3d s\n' "$name" $((SECONDS - begin))
  else
    printf 'FAIL  %-48s %3d s\n' "$name" $((SECONDS - begin))
    tail -40 "$work/output"
    exit 1
  fi
}

verified_io() { # arguments of fio; each job reads back what it wrote and compares checksums
  fio --directory="$mount" --name=check --size=24M --verify=crc32c --verify_fatal=1 --do_verify=1 --fallocate=none \
    --verify_state_save=0 --unlink=1 --randrepeat=1 --output-format=terse "$@"
}

database() { # journal mode
  local base=$mount/$1.db
  {
    echo "PRAGMA journal_mode=$1; CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, data BLOB);"
    for i in $(seq 1 20); do
      echo "BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
      echo "INSERT INTO t(name, data) SELECT 'row ' || i, randomblob(200) FROM n; COMMIT;"
      echo "UPDATE t SET name = name || '!' WHERE id % 7 = $((i % 7)); DELETE FROM t WHERE id % 97 = $i;"
    done
    echo "CREATE INDEX byname ON t(name); VACUUM;"
  } | sqlite3 -bail "$base" > /dev/null
  [ "$(sqlite3 "$base" 'PRAGMA integrity_check')" = ok ]
  # Two writers at once: locks must keep them apart.
  for writer in 1 2; do
    for i in $(seq 1 40); do
      sqlite3 -bail -cmd '.timeout 20000' "$base" "INSERT INTO t(name) VALUES('writer $writer')"
    done &
  done
  # Process ids, one word each.
  # shellcheck disable=SC2046
  wait %% %- 2> /dev/null || wait $(jobs -p | grep -v "^$server\$") || return 1
  [ "$(sqlite3 "$base" "SELECT count(*) FROM t WHERE name LIKE 'writer%'")" = 80 ]
  [ "$(sqlite3 "$base" 'PRAGMA integrity_check')" = ok ]
}

repository() {
  git -c init.defaultBranch=main init -q "$mount/repository"
  cd "$mount/repository"
  git config user.name check
  git config user.email check@example.org
  cp -r "$root/Sources" "$root/Tests" .
  git add .
  git commit -qm first
  git checkout -q -b other
  find . -name '*.swift' -not -path './.git/*' | head -50 | while read -r file; do git mv "$file" "$file.moved"; done
  git commit -qam second
  git checkout -q main
  git merge -q other
  git gc -q
  git fsck --full --strict
  git clone -q . "$mount/clone"
  [ -z "$(git -C "$mount/clone" status --porcelain)" ]
  cd /
}

archive() {
  mkdir "$mount/unpacked"
  tar -C "$root" -cf "$mount/archive.tar" Sources Tests
  tar -C "$mount/unpacked" -xpf "$mount/archive.tar"
  tar -C "$mount/unpacked" -df "$mount/archive.tar"
  diff -r "$root/Sources" "$mount/unpacked/Sources"
  rm -r "$mount/unpacked" "$mount/archive.tar"
}

stressor() { # name, and options
  local name=$1
  shift
  stress-ng --temp-path "$mount" --"$name" 2 --timeout 3 --verify --metrics-brief --oomable "$@"
}

# Some of them leave files where they are started.
cd "$work"
check "fio: sequential writes, verified" verified_io --rw=write --bs=128k
check "fio: random writes, verified" verified_io --rw=randwrite --bs=4k --size=8M
check "fio: direct random writes of four jobs, verified" verified_io --rw=randwrite --bs=4k --size=4M --direct=1 --numjobs=4
check "fio: shared mapping, verified" verified_io --rw=randwrite --bs=4k --size=4M --ioengine=mmap
check "fio: odd sizes, verified" verified_io --rw=randwrite --bsrange=512-65536 --bs_unaligned=0 --size=8M
check "sqlite3: rollback journal" database delete
check "sqlite3: write-ahead log" database wal
check "git: commit, merge, gc, fsck, clone" repository
check "tar: pack, unpack, compare" archive
stressors=$(stress-ng --help 2>&1)
for name in access chmod chown copy-file dentry dir dirdeep dup fallocate fcntl fiemap file-ioctl filename flock fpunch \
  fstat getdent hdd inode-flags io iomix link locka lockf lockofd mknod metamix mmap msync open pread rename seek \
  sendfile splice symlink sync-file touch unlink utime xattr; do
  # Stressors that this version of stress-ng does not know are none of ours.
  [[ $stressors == *"--$name N"* ]] || continue
  options=()
  case $name in
    hdd | iomix | mmap | msync) options=(--"$name"-bytes 16M) ;;
    seek) options=(--seek-size 16M) ;;
    dirdeep) options=(--dirdeep-bytes 1M --dirdeep-inodes 2000) ;;
  esac
  check "stress-ng: $name" stressor "$name" "${options[@]}"
done

cd /
umount "$mount"
wait "$server"
server=
[ ! -s "$work/log" ] || { echo "the server had something to say:"; cat "$work/log"; }
echo "third-party checks: all held in $SECONDS s"

#!/usr/bin/env bash
# usage: deploy/container/root-filesystem.sh FOLDER PROGRAMS [--or-installed]
# Writes into FOLDER, which must not exist, the root file system of the driver's image: what the Debian packages of the
# file `packages` bring, less the file `left-out`, with the programs of the folder PROGRAMS in /usr/bin, and with a bill of
# materials (SPDX). Prints its size, and fails where that is above the bound. The Containerfile runs it, and so do the
# tests where no engine is at hand. Debian's packages are fetched by apt, and kept in $IMAGE_PACKAGES
# (.build-image/packages) from one run to the next. With --or-installed, for tests, those that are installed on this machine
# are taken where apt cannot fetch.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
checkout=$(cd "$here/../.." && pwd)
folder=$1 programs=$2 or_installed=${3:-}
packages_folder=${IMAGE_PACKAGES:-$checkout/.build-image/packages}
programs_of_image=(alluxio-csi alluxio-mounter alluxio-fuse)
# Megabytes (1e6 bytes): of the image, and of what is not ours in it, since the programs of a debug build are larger.
most_image=80
most_system=45
user=1001                                    # of the controller; DaemonSets are root by the chart

refuse() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

wanted_packages() { sed -e 's/#.*//' -e '/^release /d' "$here/packages" | xargs -n 1; }

download() { (cd "$packages_folder" && apt-get download --quiet -o APT::Sandbox::User=root "$@"); }

# A package list may be older than what the mirror has, or not be there at all. Leaves the names of files in `names`.
fetch() {
  local log=$packages_folder/apt.log
  if { download "$@" || { apt-get update --quiet && download "$@"; }; } >"$log" 2>&1; then
    mapfile -t names < <(apt-cache show --no-all-versions "$@" | file_names)
  elif [ "$or_installed" = --or-installed ]; then
    echo "note: apt cannot fetch packages (see $log); those of this machine are taken" >&2
    mapfile -t names < <(dpkg-query --status "$@" | file_names)
    repack "$@"
  else
    cat "$log" >&2
    refuse "apt could not fetch the packages of $here/packages (its output is above)."
  fi
}

# As apt names the files of packages.
file_names() {
  awk 'function close_entry() { if (name != "") print name "_" version "_" architecture ".deb"; name = "" }
       $1 == "Package:" { close_entry(); name = $2 } $1 == "Architecture:" { architecture = $2 }
       $1 == "Version:" { version = $2; gsub(":", "%3a", version) } END { close_entry() }'
}

# Makes packages again of what they have installed.
repack() {
  local package place
  for package in "$@"; do
    place=$(mktemp -d -p "$packages_folder")
    # Not the links of a merged /usr.
    dpkg-query --listfiles "$package" | grep '/.*/' | while read -r path; do
      if [ -f "$path" ] || [ -L "$path" ]; then echo ".$path"; fi
    done | tar --create --directory=/ --files-from=- | tar --extract --directory="$place"
    mkdir -p "$place/DEBIAN"
    dpkg-query --status "$package" | sed -e '/^Status:/d' -e '/^Conffiles:/,/^[^ ]/{/^Conffiles:/d;/^ /d}' \
      >"$place/DEBIAN/control"
    dpkg-deb --root-owner-group -Znone --build "$place" "$packages_folder/$(dpkg-query --status "$package" | file_names)" \
      >/dev/null
    rm -r "$place"
  done
}

unpack() {
  dpkg-deb --fsys-tarfile "$1" |
    tar -x -C "$folder" --keep-directory-symlink --no-same-owner --exclude-from="$here/left-out" --anchored --wildcards
}

release=$(sed -n 's/^release //p' "$here/packages")
# shellcheck source=/dev/null
[ "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" = "$release" ] ||
  refuse "the image is made of packages of Debian $release, and this machine is another: build deploy/container/Containerfile."
[ ! -e "$folder" ] || refuse "$folder exists; remove it first."
for program in "${programs_of_image[@]}"; do
  [ -x "$programs/$program" ] || refuse "$programs/$program is not there; 'make build' makes it."
done
mkdir -p "$packages_folder"
mapfile -t wanted < <(wanted_packages)

exec 9>"$packages_folder/lock"
flock 9
fetch "${wanted[@]}"

# As Debian has it since 12: all programs and libraries are in /usr.
mkdir -p "$folder"
for name in bin sbin lib lib64; do
  mkdir -p "$folder/usr/$name"
  ln -s "usr/$name" "$folder/$name"
done
mkdir -p "$folder"/{dev,proc,sys,run/lock,tmp,root,var/tmp,etc/ssl/certs}
files=()
# Where scanners of images without dpkg look for packages.
mkdir -p "$folder/var/lib/dpkg/status.d"
for name in "${names[@]}"; do
  file=$packages_folder/$name
  files+=("$file")
  unpack "$file"
  { dpkg-deb --field "$file"; echo "Status: install ok installed"; } >"$folder/var/lib/dpkg/status.d/${name%%_*}"
done
[ "${#files[@]}" -eq "${#wanted[@]}" ] || refuse "apt knows ${#files[@]} of the ${#wanted[@]} packages of $here/packages."
flock --unlock 9

# What update-ca-certificates makes.
cat "$folder"/usr/share/ca-certificates/mozilla/*.crt >"$folder/etc/ssl/certs/ca-certificates.crt"
rm -r "$folder/usr/share/ca-certificates"
cat >"$folder/etc/passwd" <<ACCOUNTS
root:x:0:0:root:/root:/usr/sbin/nologin
alluxio:x:$user:$user:alluxio:/:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/:/usr/sbin/nologin
ACCOUNTS
printf 'root:x:0:\nalluxio:x:%s:\nnogroup:x:65534:\n' "$user" >"$folder/etc/group"
printf 'hosts: files dns\npasswd: files\ngroup: files\n' >"$folder/etc/nsswitch.conf"
chmod 1777 "$folder/tmp" "$folder/var/tmp"
size() { du --summarize --block-size=1 "$folder" | awk '{ print $1 }'; }
system=$(size)

for program in "${programs_of_image[@]}"; do
  install -m 755 "$programs/$program" "$folder/usr/bin/$program"
done
# Started by the image's own loader with its libraries, so that this machine needs none.
loader=$(echo "$folder"/usr/lib/*-linux-gnu/ld-linux-*)
version=$("$loader" --library-path "${loader%/*}" "$folder/usr/bin/alluxio-fuse" --version)
# Written by scripts/build-release.sh.
linked=$programs/linked
[ -e "$linked" ] || linked=/dev/null
mkdir -p "$folder/usr/share/sbom"
python3 -B "$here/bill_of_materials.py" --version "$version" \
  --resolved "$checkout/Package.resolved" --linked "$linked" --programs "$folder/usr/bin" "${files[@]}" \
  >"$folder/usr/share/sbom/alluxio-csi.spdx.json"

whole=$(size)
awk -v ours="$whole" -v debian="$system" 'BEGIN {
  printf "%-32s %5.1f MB of Debian, %.1f MB with the programs\n", "root file system", debian / 1e6, ours / 1e6 }'
[ "$system" -le $((most_system * 1000000)) ] || refuse "what is not ours is above $most_system MB: see deploy/container/left-out."
if swift_runtime=$(grep --files-with-matches libswiftCore.so "$folder"/usr/bin/alluxio-*); then
  # They are for the tests of this machine: an image of them would start nowhere else.
  echo "note: built for debugging, the Swift runtime is not in: $(xargs -n 1 basename <<<"$swift_runtime" | xargs)"
else
  [ "$whole" -le $((most_image * 1000000)) ] || refuse "the image is above $most_image MB."
fi

#!/bin/sh
# Runs in the image's build: unpacks into /debian the Debian packages that the image has besides its base. They are those
# of the architecture $1 and are not installed, so that another one than this machine's will do.
set -eu
arch=$1
[ "$arch" = "$(dpkg --print-architecture)" ] || dpkg --add-architecture "$arch"
apt-get -qq update
mkdir -p /debian/packages
cd /debian/packages
apt-get -qq -o APT::Sandbox::User=root download "tini:$arch"
for file in *.deb; do
  name=${file%%_*}
  mkdir -p "/debian/$name"
  dpkg-deb --extract "$file" "/debian/$name/files"
  dpkg-deb --field "$file" > "/debian/$name/control"
done
cd /
rm -rf /debian/packages /var/lib/apt/lists/*

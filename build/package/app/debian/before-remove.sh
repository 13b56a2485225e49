#!/bin/sh
# Runs as root before the files go.
set -e
: "${DPKG_ROOT:=}"

if [ "$1" = remove ]; then
  if [ -f "$DPKG_ROOT/etc/apparmor.d/@EXECUTABLE@" ]; then
    if [ -d /sys/kernel/security/apparmor ] && command -v apparmor_parser >/dev/null 2>&1; then apparmor_parser --remove "$DPKG_ROOT/etc/apparmor.d/@EXECUTABLE@" 2>/dev/null || true; fi
    rm -f "$DPKG_ROOT/etc/apparmor.d/@EXECUTABLE@"
  fi
  # A package must not touch what lies in people's homes.
  echo 'Models, projects and settings stay in ~/.local/share/@EXECUTABLE@ of each user. @EXECUTABLE@-uninstall, run instead of this, asks about them first.'
fi

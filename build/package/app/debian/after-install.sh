#!/bin/sh
# Runs as root after the files are there. Nothing in it may fail the installation: without it the program only looks less at home.
set -e
: "${DPKG_ROOT:=}"

if [ "$1" = configure ]; then
  # Chromium's sandbox is made of name spaces; where users may have none, it needs a helper that runs as root.
  allowed=$(cat /proc/sys/kernel/unprivileged_userns_clone 2>/dev/null || echo 1)
  most=$(cat /proc/sys/user/max_user_namespaces 2>/dev/null || echo 0)
  if [ "$allowed" = 1 ] && [ "$most" != 0 ]; then mode=0755; else mode=4755; fi
  chmod "$mode" "$DPKG_ROOT@FOLDER@/chrome-sandbox" || true

  # Ubuntu 24.04 and later forbid name spaces to programs without a profile. Older AppArmor does not know its words, and does not need it.
  if command -v apparmor_parser >/dev/null 2>&1 && apparmor_parser --skip-kernel-load --debug "$DPKG_ROOT@FOLDER@/resources/apparmor-profile" >/dev/null 2>&1; then
    mkdir -p "$DPKG_ROOT/etc/apparmor.d"
    cp -f "$DPKG_ROOT@FOLDER@/resources/apparmor-profile" "$DPKG_ROOT/etc/apparmor.d/@EXECUTABLE@"
    # A system that is only being put together has no kernel of its own to load it into.
    if [ -d /sys/kernel/security/apparmor ] && ! { command -v ischroot >/dev/null 2>&1 && ischroot; }; then
      apparmor_parser --replace --write-cache --skip-read-cache "$DPKG_ROOT/etc/apparmor.d/@EXECUTABLE@" || true
    fi
  fi
fi

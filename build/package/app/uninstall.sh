#!/bin/sh
# Removes Avatar Studio from this account: the program, its engine and its caches; models and projects only after a yes to each.
# Without a terminal nothing is asked, and models and projects are kept unless an option says otherwise.
set -eu

usage() {
  say "avatar-studio-uninstall [--yes] [--remove-models | --keep-models] [--remove-projects | --keep-projects]" \
    "avatar-studio-uninstall [--yes] [--remove-models | --keep-models] [--remove-projects | --keep-projects]"
}

# say ENGLISH CHINESE
say() {
  case "${LC_ALL:-${LC_MESSAGES:-${LANG:-}}}" in
    zh*) printf '%s\n' "$2" ;;
    *) printf '%s\n' "$1" ;;
  esac
}

# ask DEFAULT ENGLISH CHINESE: the user's yes or no; without a terminal, the default.
ask() {
  default=$1
  shift
  if [ ! -t 0 ]; then
    [ "$default" = yes ]
    return
  fi
  say "$@"
  IFS= read -r answer || answer=
  case "$answer" in
    [yY] | [yY][eE][sS] | 是) return 0 ;;
    '') [ "$default" = yes ] ;;
    *) return 1 ;;
  esac
}

# absolute VALUE FALLBACK: as the program reads them, relative paths in XDG variables do not count.
absolute() {
  case "$1" in
    /*) printf '%s' "$1" ;;
    *) printf '%s' "$2" ;;
  esac
}

size_of() {
  if [ -e "$1" ]; then du -sh "$1" 2>/dev/null | cut -f 1; else printf 0; fi
}

# remove_all FOLDER: also what a link stands for, when the folder was moved to another disk.
remove_all() {
  if [ -L "$1" ]; then
    target=$(readlink -f "$1" 2>/dev/null || true)
    if [ -n "$target" ]; then rm -rf "$target"; fi
  fi
  rm -rf "$1"
}

# Whether a server of the studio works in this data folder. Its lock file names its process.
in_use() {
  for lock in "$1"/server-*.lock; do
    [ -e "$lock" ] || continue
    pid=${lock##*/server-}
    pid=${pid%%-*}
    if ps -p "$pid" -o args= 2>/dev/null | grep -q 'avatar-studio\|Avatar Studio\|server/main.js'; then
      printf '%s' "$pid"
      return 0
    fi
  done
  return 1
}

# remove_program FOLDER: what this script came with. Nothing is removed that does not look like it.
remove_program() {
  if [ "$system" = Darwin ]; then
    case "$1" in *.app) rm -rf "$1" ;; esac
    return
  fi
  if [ ! -f "$1/avatar-studio" ] || [ ! -f "$1/resources/app.asar" ]; then return; fi
  if command -v dpkg-query >/dev/null 2>&1 && dpkg-query -S "$1/avatar-studio" >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ]; then apt-get remove -y avatar-studio; else sudo apt-get remove -y avatar-studio; fi
  elif [ -w "$(dirname "$1")" ]; then
    # A folder that was made read-only can still be removed by its owner.
    chmod -R u+w "$1"
    rm -rf "$1"
  else
    say "The program stays in $1: that folder belongs to somebody else. They can delete it." "程序保留在 $1：该文件夹属于其他用户，可由其删除。"
  fi
}

main() {
  yes=no
  models=ask
  projects=ask
  for word in "$@"; do
    case "$word" in
      --yes) yes=yes ;;
      --remove-models) models=remove ;;
      --keep-models) models=keep ;;
      --remove-projects) projects=remove ;;
      --keep-projects) projects=keep ;;
      --help) usage && exit 0 ;;
      *) usage && exit 2 ;;
    esac
  done

  system=$(uname -s)
  here=$(CDPATH='' cd -P "$(dirname "$(readlink -f "$0" 2>/dev/null || printf '%s' "$0")")" && pwd)
  if [ "$system" = Darwin ]; then
    program=${here%/Contents/Resources}
    data="$HOME/Library/Application Support/Avatar Studio"
    window="$HOME/Library/Application Support/avatar-studio"
  else
    program=${here%/resources}
    data="$(absolute "${XDG_DATA_HOME:-}" "$HOME/.local/share")/avatar-studio"
    window="$(absolute "${XDG_CONFIG_HOME:-}" "$HOME/.config")/avatar-studio"
  fi

  if pid=$(in_use "$data"); then
    say "Avatar Studio is running (process $pid). Quit it and run this again; nothing was removed." "Avatar Studio 正在运行（进程 $pid）。请先退出再运行一次；没有删除任何内容。" >&2
    exit 1
  fi
  if [ "$yes" = no ]; then
    if ! ask yes "Remove Avatar Studio from $program? Models and projects are asked about next. [Y/n]" "从 $program 卸载 Avatar Studio？随后会询问模型和项目。[Y/n]"; then exit 0; fi
  fi
  if [ "$models" = ask ] && [ -d "$data/checkpoints" ]; then
    if ask no "Delete the models too ($(size_of "$data/checkpoints"))? Model folders that you added from elsewhere stay. [y/N]" "同时删除模型（$(size_of "$data/checkpoints")）？从其他位置添加的模型文件夹会保留。[y/N]"; then models=remove; fi
  fi
  if [ "$projects" = ask ] && [ -d "$data/projects" ]; then
    if ask no "Delete all projects, their videos and your settings too ($(size_of "$data/projects"))? [y/N]" "同时删除所有项目、其中的视频和设置（$(size_of "$data/projects")）？[y/N]"; then projects=remove; fi
  fi

  # What a new installation makes by itself.
  for name in runtimes cache uploads downloads logs; do remove_all "$data/$name"; done
  find "$data" -maxdepth 1 \( -name 'sessions.json' -o -name 'server-*.lock' \) -exec rm -rf {} + 2>/dev/null || true
  remove_all "$window"
  # models/ holds what is known about checkpoints/, and is of no use without them.
  if [ "$models" = remove ]; then remove_all "$data/checkpoints"; fi
  if [ ! -e "$data/checkpoints" ]; then remove_all "$data/models"; fi
  if [ "$projects" = remove ]; then
    for entry in "$data"/* "$data"/.[!.]*; do
      if [ "$entry" = "$data/checkpoints" ] || [ "$entry" = "$data/models" ] || [ ! -e "$entry" ]; then continue; fi
      remove_all "$entry"
    done
  fi
  # Empty: gone, also where it was only a link.
  if [ -L "$data" ]; then
    rmdir "$(readlink -f "$data")" 2>/dev/null && rm "$data"
  else
    rmdir "$data" 2>/dev/null
  fi || true

  remove_program "$program"
  if [ -d "$data" ]; then say "Avatar Studio is removed. Kept: $data ($(size_of "$data"))" "Avatar Studio 已卸载。已保留：$data（$(size_of "$data")）"; else say "Avatar Studio is removed. Nothing was kept." "Avatar Studio 已卸载，没有保留任何内容。"; fi
  exit 0
}

# Read as a whole before it runs: the script deletes itself.
main "$@"

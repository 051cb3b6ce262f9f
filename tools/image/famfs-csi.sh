#!/bin/sh
# famfs-csi ROLE ARGS…: starts the role's own bundle; `famfs-csi sim ARGS…` starts the simulator. What is neither is told
# by the bundle that holds everything.
home=/opt/famfs-csi
case "${1-}" in
  node | agent | controller | mounter) bundle=$1 ;;
  sim)
    bundle=sim
    shift
    ;;
  *) bundle=famfs-csi ;;
esac
# What is only needed for a moment gets little room from the first moment on: while a role loads, that saves 2 MiB for good.
# Where dozens of calls run at once, 1 MiB is so little that they are still needed when it is full, are moved to where
# garbage stays for long, and cost a third more processor.
case $bundle in
  node) young=4 ;;
  *) young=1 ;;
esac
# The heap may have that share of the container's memory limit; the rest is for code, buffers and stacks.
set -- --max-old-space-size-percentage=60 --max-semi-space-size=$young "$home/dist/$bundle.cjs" "$@"
# What compiles hot code on another thread takes 15 MiB for it that malloc never gives back. On the thread that calls are served
# by it takes 3, and holds none of them up for long: they are small. A mounter reads whole logs, and must not stand still.
case $bundle in
  node | agent) set -- --no-concurrent-recompilation "$@" ;;
esac
exec "$home/bin/node" "$@"

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
# The heap may have that share of the container's memory limit; the rest is for code, buffers and stacks. What is only needed
# for a moment gets little room from the first moment on: while a role loads, that saves 2 MiB for good.
set -- --max-old-space-size-percentage=60 --max-semi-space-size=1 "$home/dist/$bundle.cjs" "$@"
# What compiles hot code on another thread takes 15 MiB for it that malloc never gives back. On the thread that calls are served
# by it takes 3, and holds none of them up for long: they are small. A mounter reads whole logs, and must not stand still.
case $bundle in
  node | agent) set -- --no-concurrent-recompilation "$@" ;;
esac
exec "$home/bin/node" "$@"

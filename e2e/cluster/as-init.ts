// The first process of a PID namespace. Must not know what follows it.

/**
 * A command whose process is fit to be number 1: it starts `command`, collects whatever loses its parent, and ends with it,
 * and with that the kernel ends all others of the namespace.
 */
export function asInit(command: readonly string[]): string[] {
  return ['sh', '-c', '"$@" & wait $!', 'init', ...command];
}

// Waits for the word to stop, as every role does.

/** Settles with the signal when the process is told to end: SIGTERM from Kubernetes, SIGINT from a terminal. */
export function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
}

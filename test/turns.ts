// Turns of the event loop, for what runs in memory: however busy the machine is, as much happens in them.

export async function passTurns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
}

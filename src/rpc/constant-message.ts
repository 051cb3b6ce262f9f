// Answers that are the same for every call: they are encoded once. What a driver can do is asked again and again by everybody who
// talks to it, and encoding the answer is a good part of such a call. Knows no message.

const constants = new WeakSet<object>();

/** The same message, which nobody can change any more. */
export function constantMessage<T extends object>(message: T): T {
  freeze(message);
  constants.add(message);
  return message;
}

/** Whether all that the message holds stays as it is. */
export function isConstant(message: object): boolean {
  return constants.has(message);
}

function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  Object.freeze(value);
  for (const part of Object.values(value)) freeze(part);
}
